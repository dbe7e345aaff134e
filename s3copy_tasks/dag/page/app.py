"""The routes of the page. Answers are HTML, without scripts or links to other hosts, and are not cached."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import structlog
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException as AnyHTTPException

from s3copy_tasks.core.text import printable
from s3copy_tasks.dag.page import access, charts, detail, queries, words
from s3copy_tasks.dag.page.configs import Configs
from s3copy_tasks.dag.page.overview import JobRow, State, job_row, overview
from s3copy_tasks.dag.page.problems import ConfigProblem, group_problems, parse_problems
from s3copy_tasks.dag.page.pushed import pushed_by_tasks
from s3copy_tasks.dag.page.results import Results, load_results
from s3copy_tasks.dag.page.rows import Job, Run
from s3copy_tasks.dag.page.settings import (
    describe_schedule,
    find_pool,
    find_route,
    list_settings,
)
from s3copy_tasks.dag.xcom import BATCHES, CONFIG, ENTRIES

log = structlog.get_logger(__name__)
routes = APIRouter()

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self' data:; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_WORDS = {
    status.HTTP_401_UNAUTHORIZED: "Log in to Airflow, then reload this page.",
    status.HTTP_403_FORBIDDEN: "You may not see this.",
    status.HTTP_404_NOT_FOUND: "No copy job here. This page is only for the Dags of copy jobs. "
    "Of a job whose Dag was deleted in Airflow, nothing is left.",
    status.HTTP_422_UNPROCESSABLE_CONTENT: "This address is not valid.",
    status.HTTP_500_INTERNAL_SERVER_ERROR: "The page could not be built. The API server's log says why.",
}
_NO_RUN = "This job has no run with that id. It may have been deleted in Airflow."
_configs = Configs()
_NO_NUL = r"^[^\x00]*$"
_PK_MAX = 2**31 - 1


@cache
def page() -> FastAPI:
    """Return the web app of the page."""
    app = FastAPI(dependencies=access.EVERYWHERE, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(routes)
    app.add_exception_handler(AnyHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _broken)
    return app


@routes.get("/jobs", dependencies=[Depends(access.sees_runs)])
def all_jobs(session: SessionDep, user: GetUserDep, state: str | None = None) -> HTMLResponse:
    """Show all jobs that the user may read, and the invalid configs."""
    readable = access.readable_dags(user, session)
    jobs = [job for job in queries.find_jobs(session) if job.dag_id in readable]
    runs = queries.last_runs(session, [job.dag_id for job in jobs])
    only = State(state) if state in set(State) else None
    shown = overview(jobs, runs, only)
    return _html(
        "jobs.html",
        overview=shown,
        rows=_job_rows(session, shown.jobs, runs),
        only=only,
        states=list(State),
        problems=group_problems(_config_problems(session, user, readable)),
    )


def _job_rows(session: Session, jobs: Sequence[Job], runs: Mapping[str, Run]) -> list[JobRow]:
    figures = load_results(session, [runs[job.dag_id] for job in jobs if job.dag_id in runs]).figures
    configs = _configs.load(session, [job.dag_id for job in jobs])
    return [
        job_row(job, run, figures.get(run.pk) if run else None, configs.get(job.dag_id, {}))
        for job in jobs
        for run in (runs.get(job.dag_id),)
    ]


@routes.get("/jobs/{dag_id}", dependencies=access.OF_ONE_DAG)
def one_job(
    session: SessionDep,
    user: GetUserDep,
    dag_id: str,
    run_id: Annotated[str | None, Query(max_length=250, pattern=_NO_NUL)] = None,
    before: Annotated[int | None, Query(ge=1, le=_PK_MAX)] = None,
) -> HTMLResponse:
    """Show one job: its runs, and the chosen run or the last."""
    job = next(iter(queries.find_jobs(session, dag_id)), None)
    if job is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    runs = queries.find_runs(session, dag_id, detail.RUNS_SHOWN + 1, before)
    chosen = queries.find_run(session, dag_id, run_id) if run_id else next(iter(runs), None)
    if run_id and chosen is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, _NO_RUN)
    shown, now = runs[: detail.RUNS_SHOWN], datetime.now(UTC)
    results = load_results(session, [*shown, *([chosen] if chosen else [])], chosen)
    rows = detail.run_rows(shown, results.figures, now)
    config = _configs.load(session, [dag_id]).get(dag_id, {})
    pool = find_pool(config)
    problems = _config_problems(session, user, access.readable_dags(user, session))
    return _html(
        "job.html",
        job=job,
        problems=group_problems([one for one in problems if one.job == job.name]),
        route=find_route(config),
        schedule=describe_schedule(config) if config else "",
        missing_pool=None if pool is None or queries.pool_exists(session, pool) else pool,
        rows=rows,
        charts=detail.charts(rows),
        chosen=_chosen(session, chosen, results, now) if chosen else None,
        settings=list_settings(config),
        run_id=run_id,
        before=before,
        older=shown[-1].pk if len(runs) > len(shown) else None,
    )


def _chosen(session: Session, run: Run, results: Results, now: datetime) -> detail.RunView:
    by_tasks = pushed_by_tasks(session, run.pk, (ENTRIES, BATCHES, CONFIG))
    return detail.run_view(
        detail.run_rows([run], results.figures, now)[0],
        queries.find_tasks(session, run),
        by_tasks if run.pk in results.summarized else {CONFIG: by_tasks.get(CONFIG)},
        results.pushed.get(run.pk, {}),
        now,
    )


def _config_problems(session: Session, user: BaseUser, readable: set[str]) -> list[ConfigProblem]:
    """Return the problems that the user may see, by Airflow's rule for import errors, each once.

    The importer reports an error for each file, so invalid defaults are in the errors of all their jobs.
    """
    if not access.sees_import_errors(user):
        return []
    sees_all = access.sees_errors_without_dags(user)
    reported = [
        error
        for error in queries.import_errors(session)
        if error.dag_ids <= readable and (error.dag_ids or sees_all)
    ]
    problems = (problem for error in reported for problem in parse_problems(error.stacktrace))
    return list(dict.fromkeys(problems))


def _html(template: str, *, code: int = status.HTTP_200_OK, **values: Any) -> HTMLResponse:
    page = _templates().get_template(template).render(now=datetime.now(UTC), style=Markup(_STYLE), **values)  # noqa: S704 - from this package
    return HTMLResponse(page, status_code=code, headers=_HEADERS)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(words, name) for name in ("number", "size", "rate", "duration", "money")
    }
    environment.filters["segment"] = lambda text: quote(text, safe="")
    environment.globals |= {"distance": words.distance, "moment": words.moment, "geometry": charts}
    return environment


def _visible(value: Any) -> Any:
    """Return a value for a template: control characters and changes of text direction become visible."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _error(code: int, sentence: str | None = None) -> HTMLResponse:
    sentence = sentence or _WORDS.get(code, "This request failed.")
    return _html("error.html", code=code, words=sentence)


async def _refused(_: Request, error: Exception) -> HTMLResponse:
    if not isinstance(error, AnyHTTPException):
        return _error(status.HTTP_500_INTERNAL_SERVER_ERROR)
    return _error(error.status_code, error.detail if error.detail is _NO_RUN else None)


async def _invalid(_: Request, __: Exception) -> HTMLResponse:
    return _error(status.HTTP_422_UNPROCESSABLE_CONTENT)


async def _broken(request: Request, error: Exception) -> HTMLResponse:
    log.error("the page failed", path=request.url.path, error=type(error).__name__)
    return _error(status.HTTP_500_INTERNAL_SERVER_ERROR)
