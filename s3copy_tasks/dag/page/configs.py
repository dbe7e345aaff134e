"""The effective configs of jobs, read from their serialized Dags once for each version of a Dag."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy.orm import Session

from s3copy_tasks.dag.page import queries
from s3copy_tasks.dag.page.settings import config_of

_KEPT_MAX = 5_000


class Configs:
    """Remembers configs by the hash of their Dag.

    Parsing the JSON of 200 Dags is a third of an answer, and so much garbage that collecting it takes longer.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Any]] = {}

    def of(self, session: Session, dag_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """Return the config of each Dag; it is empty where a Dag carries none."""
        hashes = queries.dag_hashes(session, dag_ids)
        known = {one: self._known[one] for one in hashes.values() if one in self._known}
        missing = [dag_id for dag_id, one in hashes.items() if one not in known]
        if missing:
            read = {one: config_of(data) for one, data in queries.serialized(session, missing).items()}
            if len(self._known) + len(read) > _KEPT_MAX:
                self._known.clear()
            self._known.update(read)
            known |= read
        return {dag_id: known.get(one, {}) for dag_id, one in hashes.items()}
