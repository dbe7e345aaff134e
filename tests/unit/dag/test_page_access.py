"""Who sees what on the page, on every route, and that error pages show no details."""

from __future__ import annotations

import pytest

from s3copy_tasks.dag.airflow_versions import AIRFLOW
from tests.support.airflow.page_server import ALL, JOB, JOBS, MINE, OTHER, Page, asking, shown, words


def test_every_route_is_tested(page: Page) -> None:
    """A new route must be added here, with what each user may see."""
    from s3copy_tasks.dag.page.app import page as app  # noqa: PLC0415

    paths = {getattr(route, "path", "") for route in app().routes}
    assert {path for path in paths if path} == {"/jobs", "/jobs/{dag_id}"}


@pytest.mark.parametrize(
    ("user", "role", "path", "code", "seen"),
    [
        pytest.param(None, None, JOBS, 401, set(), id="anonymous, all jobs"),
        pytest.param(None, None, JOB, 401, set(), id="anonymous, one job"),
        pytest.param("ann", None, JOBS, 403, set(), id="no role, all jobs"),
        pytest.param("ann", None, JOB, 403, set(), id="no role, one job"),
        pytest.param("eve", "VIEWER", JOBS, 403, set(), id="no plugins, all jobs"),
        pytest.param("eve", "VIEWER", JOB, 403, set(), id="no plugins, one job"),
        pytest.param("max", "VIEWER", JOBS, 403, set(), id="no XComs, all jobs"),
        pytest.param("max", "VIEWER", JOB, 403, set(), id="no XComs, one job"),
        pytest.param("zoe", "VIEWER", JOBS, 200, set(), id="viewer of no Dag, all jobs"),
        pytest.param("zoe", "VIEWER", JOB, 403, set(), id="viewer of no Dag, one job"),
        pytest.param("bob", "VIEWER", JOBS, 200, {MINE}, id="viewer of one Dag, all jobs"),
        pytest.param("bob", "VIEWER", JOB, 200, {MINE}, id="viewer of one Dag, that one"),
        pytest.param("bob", "VIEWER", f"{JOBS}/{OTHER}", 403, set(), id="viewer of one Dag, another"),
        pytest.param("ann", "VIEWER", JOBS, 200, ALL, id="viewer, all jobs"),
        pytest.param("ann", "VIEWER", f"{JOBS}/{OTHER}", 200, {OTHER}, id="viewer, one job"),
        pytest.param("root", "ADMIN", JOBS, 200, ALL, id="admin, all jobs"),
        pytest.param("root", "ADMIN", JOB, 200, {MINE}, id="admin, one job"),
    ],
)
def test_each_user_sees_what_is_allowed(
    page: Page, user: str | None, role: str | None, path: str, code: int, seen: set[str]
) -> None:
    """Users see no job that Airflow would not show to them, not even its name."""
    reply = page.get(path, user, role)
    assert (reply.status_code, shown(reply)) == (code, seen)


@pytest.mark.parametrize("path", [JOBS, JOB])
@pytest.mark.parametrize("token", ["garbage", "a.b.c"])
def test_a_garbage_token_sees_nothing(page: Page, path: str, token: str) -> None:
    """A token that Airflow did not sign is refused, as cookie and as header."""
    assert page.get(path, None, token=token).status_code in {401, 403}
    header = {"Authorization": f"Bearer {token}"}
    reply = asking(page.app).get(path, headers=header)
    assert (reply.status_code, shown(reply)) == (403, set())


@pytest.mark.parametrize("path", [JOBS, JOB])
def test_an_expired_token_sees_nothing(page: Page, path: str) -> None:
    """After a session has expired, the user must log in again."""
    reply = page.get(path, None, token=page.token("ann", seconds=-100))
    assert (reply.status_code, shown(reply)) == (401, set())


def test_a_token_in_the_header_is_enough(page: Page) -> None:
    """Programs authenticate as for Airflow's API."""
    header = {"Authorization": f"Bearer {page.token('bob')}"}
    assert shown(asking(page.app).get(JOBS, headers=header)) == {MINE}


def test_query_parameters_give_no_access(page: Page) -> None:
    """A readable Dag in the query gives no access to another Dag."""
    assert page.get(f"{JOBS}/{OTHER}", "bob", dag_id=MINE).status_code == 403
    assert shown(page.get(JOBS, "bob", dag_id=MINE)) == {MINE}
    assert page.get(JOB, "bob", run_id="other").status_code == 404


def test_a_hidden_dag_looks_like_a_missing_one(page: Page) -> None:
    """The answers for a Dag that the user may not read and for a missing Dag are equal."""
    hidden, missing = page.get(f"{JOBS}/{OTHER}", "bob"), page.get(f"{JOBS}/s3copy__nothing", "bob")
    assert (hidden.status_code, words(hidden)) == (missing.status_code, words(missing))


@pytest.mark.parametrize("dag_id", ["etl", "s3copy__nothing", "s3copy_page_mine", "%00"])
def test_other_dags_have_no_page(page: Page, dag_id: str) -> None:
    """The tab of a Dag that is not a copy job says so."""
    reply = page.get(f"{JOBS}/{dag_id}")
    assert reply.status_code == 404
    assert "No copy job here" in words(reply)


VIEWERS_SEE = AIRFLOW < (3, 4)
"""Since Airflow 3.4 only admins see import errors of files without Dags."""


@pytest.mark.parametrize(
    ("user", "role", "is_shown"),
    [
        ("root", "ADMIN", True),
        ("ann", "VIEWER", VIEWERS_SEE),
        ("bob", "VIEWER", VIEWERS_SEE),
        ("ida", "VIEWER", False),
    ],
)
def test_invalid_configs_are_shown_by_airflows_rule(
    page: Page,
    user: str,
    role: str,
    is_shown: bool,  # noqa: FBT001
) -> None:
    """Only users who may see import errors see the problems, with place and text, first on the page.

    Two import errors report the same four problems, as for invalid defaults: each is shown once.
    """
    text = words(page.get(JOBS, user, role))
    assert text.count("broken.yaml") == (4 if is_shown else 0)
    assert ("unknown field" in text) is is_shown
    if is_shown:
        assert text.index("broken.yaml") < text.index("page_mine")


def test_an_error_page_does_not_show_the_exception(page: Page) -> None:
    """The text of an exception is only in the server's log."""
    from s3copy_tasks.dag.page.app import page as made  # noqa: PLC0415

    def broken() -> None:
        raise RuntimeError("password")

    app = made.__wrapped__()
    app.add_api_route("/broken", broken)
    client = asking(app)
    assert client.get("/broken").status_code == 401
    reply = client.get("/broken", headers={"Authorization": f"Bearer {page.token('ann')}"})
    assert reply.status_code == 500
    assert "password" not in reply.text
    assert "default-src 'none'" in reply.headers["content-security-policy"]
