"""Which tests pytest-xdist gives to the same worker."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

_LIVE = "tests/e2e/live/"


class OneAirflowScheduling(LoadFileScheduling):  # type: ignore[misc]
    """Keeps the tests of a file together, and all tests that share a live Airflow."""

    def _split_scope(self, nodeid: str) -> str:
        return _LIVE if nodeid.startswith(_LIVE) else str(super()._split_scope(nodeid))
