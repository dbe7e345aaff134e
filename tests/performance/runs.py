"""Runs operators for the benchmarks, in a separate process, and times them.

The process needs the environment of `figures.airflow_environment`: Airflow reads it when it is imported.
"""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.sdk import DAG

from s3copy_tasks import S3CrossAccountCopyOperator
from s3copy_tasks.core.operation import S3CopyOperation
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.run import InProcessRun, Watch
from tests.performance.child import obey
from tests.support.airflow.dag_store import store_dags

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

CONNECTIONS: dict[str, Any] = {"source_aws_conn_id": "aws_source", "dest_aws_conn_id": "aws_destination"}


class TimedCopy(S3CrossAccountCopyOperator):
    """The operator, with the seconds that its last `execute` took."""

    seconds: ClassVar[float] = 0.0

    def execute(self, context: Context) -> Any:
        start = time.perf_counter()
        try:
            return super().execute(context)
        finally:
            type(self).seconds = time.perf_counter() - start


class Runs:
    """The methods that a benchmark calls. Times are wall seconds; each call makes a new operator.

    `inputs` are those of S3CrossAccountCopyOperator, without the connections.
    """

    def __init__(self) -> None:
        self._warm: S3CrossAccountCopyOperator | None = None

    def run_copy_operator(self, **inputs: Any) -> dict[str, Any]:
        """Measure `execute` of S3CrossAccountCopyOperator."""
        return _measure(S3CrossAccountCopyOperator(task_id="copy", **CONNECTIONS, **inputs))

    def run_prefix_operator(self, **inputs: Any) -> dict[str, Any]:
        """Measure `execute` of the Amazon provider's S3CopyPrefixOperator."""
        from airflow.providers.amazon.aws.operators.s3 import (  # noqa: PLC0415 - a cold start must not have it
            S3CopyPrefixOperator,
        )

        return _measure(
            S3CopyPrefixOperator(
                task_id="copy",
                source_bucket_name=inputs["source_bucket"],
                source_bucket_prefix=inputs["source_key"],
                dest_bucket_name=inputs["destination_bucket"],
                dest_bucket_prefix=inputs["destination_key"],
                aws_conn_id="aws_destination",
            )
        )

    def run_parts(self, **inputs: Any) -> dict[str, float]:
        """Do the parts of `execute`; return the seconds of each."""
        from s3copy_tasks.preflight.preflight import preflight  # noqa: PLC0415 - the same
        from s3copy_tasks.s3.connections import Sides  # noqa: PLC0415 - a cold start must not have it

        job = S3CopyOperation(**CONNECTIONS, **inputs).job("bench", "run.copy")
        sides = Sides.from_job(job)
        laps = _Laps()
        for manager in (sides.source, sides.destination):
            manager.endpoint_url()
        laps.end("role sessions")
        for manager in (sides.source, sides.destination):
            manager.connect()
        laps.end("S3 clients")
        job = preflight(job, sides).job
        laps.end("preflight")
        watch = Watch(planned=lambda _: laps.end("plan"))
        InProcessRun(job, sides.stores, Sender(job.transfer.in_flight), watch=watch).carry_out()
        laps.end("copy")
        return laps.seconds

    def copy_single(self, bucket: str, key: str, other: str) -> float:
        """Time `copy_single_object` of one operator; it connects at the first call."""
        if self._warm is None:
            self._warm = S3CrossAccountCopyOperator(
                task_id="warm",
                source_bucket=bucket,
                source_key=key,
                destination_bucket=other,
                destination_key=key,
                **CONNECTIONS,
            )
        laps = _Laps()
        done = self._warm.copy_single_object(bucket, key, other, key)
        laps.end("copy_single_object")
        if not done["success"]:
            raise RuntimeError(done["error_message"])
        return laps.seconds["copy_single_object"]

    def run_in_airflow(self, **inputs: Any) -> dict[str, float]:
        """Run the operator as the only task of a Dag with `dag.test()`; call `prepare_airflow` before."""
        laps = _Laps()
        run = _dag(**inputs).test()
        laps.end("dag.test()")
        if str(run.state) != "success":
            raise RuntimeError(f"dag.test() ended as {run.state}")
        return {**laps.seconds, "execute()": TimedCopy.seconds}

    def prepare_airflow(self) -> None:
        """Create Airflow's database, and store the Dag in it."""
        from airflow.utils.db import initdb  # noqa: PLC0415 - slow

        initdb()
        dag = _dag(source_bucket="x", source_key="x", destination_bucket="x", destination_key="x")
        store_dags([dag], Path(os.devnull))


class _Laps:
    """A stopwatch."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    def end(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name], self._start = now - self._start, now


class _State(dict[str, Any]):
    """Airflow's store of a task's state."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


class _TaskInstance:
    run_id, task_id, map_index = "run", "copy", -1

    def xcom_push(self, key: str, value: Any) -> None:
        """Discard the value."""


def _measure(operator: BaseOperator) -> dict[str, Any]:
    """Run `execute` with the part of a context that it uses."""
    context = cast("Context", {"ti": _TaskInstance(), "task_state_store": _State()})
    returned, error = None, ""
    laps, cpu = _Laps(), time.process_time()
    try:
        returned = operator.execute(context)
    except Exception as raised:  # noqa: BLE001 - shown in the benchmark's table
        error = f"{type(raised).__name__}: {raised}"
    laps.end("execute()")
    return {
        "seconds": laps.seconds["execute()"],
        "cpu": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024,
        "returned": returned,
        "error": error,
    }


def _dag(**inputs: Any) -> DAG:
    with DAG("bench", schedule=None) as dag:
        TimedCopy(task_id="copy", **CONNECTIONS, **inputs)
    return dag


if __name__ == "__main__":
    obey(Runs())
