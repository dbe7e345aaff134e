"""The effective configs of jobs, read from the serialized Dags, once for each version of a Dag."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy.orm import Session

from s3copy_tasks.dag.page import queries
from s3copy_tasks.dag.page.settings import read_config

_KEPT_MAX = 5_000


class Configs:
    """Remembers configs by the hash of their Dag.

    Parsing the JSON of 200 Dags takes a third of the time of an answer, and leaves so much garbage that
    collecting it takes even longer.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Any]] = {}

    def load(self, session: Session, dag_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """Return the config of each Dag; it is empty if the serialized Dag has none."""
        hashes = queries.dag_hashes(session, dag_ids)
        known = {dag_hash: self._known[dag_hash] for dag_hash in hashes.values() if dag_hash in self._known}
        missing = [dag_id for dag_id, dag_hash in hashes.items() if dag_hash not in known]
        if missing:
            serialized = queries.serialized(session, missing)
            read = {dag_hash: read_config(data) for dag_hash, data in serialized.items()}
            if len(self._known) + len(read) > _KEPT_MAX:
                self._known.clear()
            self._known.update(read)
            known |= read
        return {dag_id: known.get(dag_hash, {}) for dag_id, dag_hash in hashes.items()}
