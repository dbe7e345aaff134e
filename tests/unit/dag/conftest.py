"""One API server for all tests of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.page_server import Page, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Airflow's own app over SQLite, with jobs, runs and an import error."""
    with serving(tmp_path_factory.mktemp("page")) as made:
        yield made
