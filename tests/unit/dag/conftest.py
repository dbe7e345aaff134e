"""An API server for the tests of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.dag.airflow_versions import HAS_PAGES
from tests.support.airflow.databases import Settings
from tests.support.airflow.page_server import Page, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def page(database: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Airflow's own app over each kind of database, with jobs, runs and an import error."""
    if not HAS_PAGES:
        pytest.skip("Airflow 3.0 has no pages for plugins")
    with serving(tmp_path_factory.mktemp("page"), database) as made:
        yield made
