"""Stores Dags like the Dag processor, for each version of Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.dag.airflow_versions import AIRFLOW

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from airflow.sdk import DAG


def store_dags(dags: Iterable[DAG], folder: Path, bundle: str = "dags-folder") -> None:
    """Store Dags in Airflow's database as Dags of a bundle; `folder` has no other Dag files."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager  # noqa: PLC0415 - slow

    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
    bag = _dag_bag(folder, bundle)
    for dag in dags:
        bag.bag_dag(dag)
    if AIRFLOW >= (3, 2):
        from airflow.dag_processing.dagbag import sync_bag_to_db  # noqa: PLC0415 - slow
    elif AIRFLOW >= (3, 1):
        from airflow.models.dagbag import sync_bag_to_db  # type: ignore[no-redef] # noqa: PLC0415 - slow
    else:
        for dag in bag.dags.values():
            dag.relative_fileloc = dag.fileloc
        bag.sync_to_db(bundle, None)
        return
    sync_bag_to_db(bag, bundle, None)


def _dag_bag(folder: Path, bundle: str) -> Any:
    if AIRFLOW >= (3, 2):
        from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415 - slow

        return DagBag(dag_folder=str(folder), bundle_path=folder, bundle_name=bundle)
    from airflow.models.dagbag import DagBag as OldDagBag  # noqa: PLC0415 - slow

    return OldDagBag(dag_folder=str(folder), bundle_path=folder)


def serialization() -> Any:
    """Return the class that writes Dags as JSON and reads them: `to_dict`, `from_dict`."""
    from airflow.serialization import serialized_objects  # noqa: PLC0415 - slow

    return getattr(serialized_objects, "DagSerialization" if AIRFLOW >= (3, 2) else "SerializedDAG")
