"""An API server for the tests of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.dag.airflow_versions import HAS_PAGES
from tests.support.airflow.databases import Settings
from tests.support.airflow.page_server import JOB, Page, rows, serving, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def page(database: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Airflow's own app over each kind of database, with jobs, runs and an import error."""
    if not HAS_PAGES:
        pytest.skip("Airflow 3.0 has no pages for plugins")
    with serving(tmp_path_factory.mktemp("page"), database) as made:
        yield made


@pytest.fixture
def show(page: Page) -> Callable[..., str]:
    """Return a function that shows a new run of a job, with what its tasks pushed."""

    def show(run_id: str, **values: Any) -> str:
        with rows() as written:
            written.run("s3copy__page_mine", run_id, **values)
        return words(page.get(JOB, run_id=run_id))

    return show
