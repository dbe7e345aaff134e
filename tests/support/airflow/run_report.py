"""Runs a config's Dag in this process and prints everything that the run reported, as JSON.

It is a separate process, with an empty database: Airflow reads only once from its environment where to send
statistics and lineage.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(config: Path, empty: Path) -> None:
    """Run the Dag of `config`; `empty` is a folder without Dags."""
    from airflow import settings  # noqa: F401, PLC0415 - its import configures logging, so it comes first

    from s3copy_tasks.dag.factory import build_dag  # noqa: PLC0415
    from tests.support.airflow.dag_store import store_dags  # noqa: PLC0415
    from tests.support.builders.documents import job_of  # noqa: PLC0415
    from tests.support.builders.logs import log_lines  # noqa: PLC0415

    dag = build_dag(job_of(config))
    store_dags([dag], empty)
    with log_lines() as lines:
        run = dag.test()
    summarize = next(ti for ti in run.get_task_instances() if ti.task_id == "summarize")

    def pulled(key: str) -> Any:
        return summarize.xcom_pull(task_ids="summarize", key=key, map_indexes=-1)

    reported = {
        "state": str(run.state),
        "returned": pulled("return_value"),
        "xcom": {key: pulled(key) for key in ("metrics", "entries", "batches")},
        "events": [line for line in lines if line["event"].startswith("operation ")],
        "asset_events": asset_events(),
    }
    sys.stdout.write("\n" + json.dumps(reported) + "\n")


def asset_events() -> list[dict[str, Any]]:
    """Return all asset events in the database."""
    from airflow.models.asset import AssetEvent  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415

    with create_session() as session:
        return [{"uri": event.asset.uri, "extra": event.extra} for event in session.query(AssetEvent)]


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
