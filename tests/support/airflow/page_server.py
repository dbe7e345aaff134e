"""Airflow's API server in this process, with jobs for the page."""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from s3copy_tasks.config.load import load_job
from s3copy_tasks.config.show.explain import provenance
from tests.support.airflow.databases import Settings, in_this_process
from tests.support.builders.documents import document, problems_of, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from tests.support.airflow.page_rows import Rows

MINE, OTHER, NEVER, HUGE = (f"s3copy__page_{name}" for name in ("mine", "other", "never", "huge"))
ALL = {MINE, OTHER, NEVER, HUGE}
GONE, INVALID, ENDED = (f"s3copy__page_{name}" for name in ("gone", "invalid", "ended"))
FOUND = datetime(2026, 3, 5, 12, tzinfo=UTC)
"""When Airflow last found the configs that are gone and that are invalid."""
JOBS, JOB = "/s3copy/jobs", f"/s3copy/jobs/{MINE}"
HOSTILE = 'a"><script>alert(1)</script>\u202egnp.exe\x1b[31m\n'
RUN_ID = 'manual__2026-03-05T12:00:00+00:00"><img src=x onerror=alert(1)>&x'
USERS: dict[str, dict[str, list[str]]] = {
    "bob": {"dags": [MINE]},
    "eve": {"dags": sorted(ALL), "without": ["PLUGINS"]},
    "max": {"dags": sorted(ALL), "without": ["XCOM"]},
    "ida": {"dags": [MINE], "without": ["IMPORT_ERRORS"]},
    "zoe": {"dags": []},
}


class Answer(Protocol):
    """The response of an HTTP client, with any HTTP package that Starlette uses."""

    @property
    def status_code(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


def asking(app: FastAPI) -> TestClient:
    with warnings.catch_warnings(action="ignore"):  # Starlette prefers another HTTP package
        from fastapi.testclient import TestClient  # noqa: PLC0415
    return TestClient(app, raise_server_exceptions=False, follow_redirects=False)


class Page:
    """The API server, with requests of different users."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def get(
        self, path: str, user: str | None = "ann", role: str | None = "VIEWER", token: str = "", **query: Any
    ) -> Answer:
        """Send a request with the cookie that a browser sends from an iframe; none without a user."""
        reply: Answer = self.client(user, role, token).get(path, params=query)
        return reply

    def client(self, user: str | None = "ann", role: str | None = "VIEWER", token: str = "") -> TestClient:
        """Return a new browser with a user's cookie, or with another token."""
        client = asking(self.app)
        if user or token:
            client.cookies.set("_token", token or self.token(user or "", role))
        return client

    def token(self, user: str, role: str | None = "VIEWER", seconds: int = 600) -> str:
        from airflow.api_fastapi.app import get_auth_manager  # noqa: PLC0415 - after the environment is set
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser  # noqa: PLC0415

        made: str = get_auth_manager().generate_jwt(
            SimpleAuthManagerUser(username=user, role=role), expiration_time_in_seconds=seconds
        )
        return made


@contextmanager
def rows() -> Iterator[Rows]:
    from airflow.utils.session import create_session  # noqa: PLC0415

    from tests.support.airflow.page_rows import Rows  # noqa: PLC0415

    with create_session() as session:
        yield Rows(session)


@contextmanager
def serving(folder: Path, database: Settings) -> Iterator[Page]:
    """Run Airflow's own app with a database, with jobs, runs and import errors."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):  # Airflow's own
        from tests.support.airflow.restricted_auth import restricted  # noqa: PLC0415 - slow

        for name, value in {
            **restricted(USERS),
            "AIRFLOW__API_AUTH__JWT_SECRET": "x" * 64,
            "AIRFLOW__API__SECRET_KEY": "y" * 32,
        }.items():
            patch.setenv(name, value)
        from airflow.api_fastapi.app import create_app, purge_cached_app  # noqa: PLC0415 - slow

        with in_this_process(database):
            _fill(folder)
            yield Page(create_app(apps="core"))
            purge_cached_app()


def _fill(folder: Path) -> None:
    from tests.support.airflow.page_rows import add_jobs, metrics  # noqa: PLC0415

    names = ("page_mine", "page_other", "page_never", "page_huge")
    entries = [{"source": "daily/", "destination": "backup/"}, {"source": "static/", "destination": "copy/"}]
    documents = {name: document(description=f"{name} & <b>", prefixes=entries) for name in names}
    documents["page_mine"] |= {"schedule": "0 2 * * *", "owner": "data-ops"}
    documents["page_never"] |= {"airflow": {"pool": "no_such_pool"}}
    documents |= {f"page_{name}": document(prefixes=entries) for name in ("gone", "invalid", "ended")}
    assert set(add_jobs(folder / "configs", documents)) == {*ALL, GONE, INVALID, ENDED}
    config = folder / "configs" / "page_mine.yaml"
    job = load_job(config)
    assert not isinstance(job, list)
    broken = write(folder, "version: 1\nsource: {buckt: <script>}\n", "broken.yaml")
    with rows() as table:
        for filename in ("s3copy_config_errors.py", "imported.yaml"):
            table.import_error(filename, problems_of(broken))
        for dag_id in (GONE, INVALID):
            table.lose_config(dag_id, FOUND)
        table.run(GONE, "before", summarize__metrics=metrics(4321))
        table.run(OTHER, "other", summarize__metrics=metrics(7))
        table.run(MINE, "first", summarize__metrics="of another origin", state="failed")
        table.run(
            MINE,
            RUN_ID,
            state="failed",
            batches=[("success", 1, 9), ("failed", 2, 30)],
            preflight__config={"digest": "d", "file": config.name, "values": provenance(job)},
            summarize__metrics=metrics(
                1234,
                failed=2,
                files_skipped={"unchanged": 55, HOSTILE: 1},
                errors=[f"{HOSTILE}: AccessDenied after 1 attempt: <b>no</b>"],
                errors_by_code={HOSTILE: 2},
                results=f"s3://ops-results/{HOSTILE}/",
            ),
            summarize__entries=[
                metrics(9) | {"entry": "prefixes[0]", "source": HOSTILE, "destination": "s3://b/"}
            ],
            summarize__batches=[
                metrics(5) | {"batch": 0, "label": HOSTILE},
                metrics(4, failed=2) | {"batch": 1, "label": "2/2 daily/"},
            ],
        )


def shown(reply: Answer) -> set[str]:
    """Return the jobs of these tests that an answer mentions in any way."""
    return {dag_id for dag_id in ALL if dag_id.removeprefix("s3copy__") in reply.text}


def words(reply: Answer) -> str:
    """Return the text of an answer."""
    body = re.sub(r"<style>.*?</style>", "", reply.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))
