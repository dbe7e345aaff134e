"""Operators between the buckets of `Sides`, and their `execute` without the rest of Airflow."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from s3copy_tasks import S3CrossAccountCopyOperator
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import TransferOptions

if TYPE_CHECKING:
    from airflow.sdk import Context

    from s3copy_tasks.interfaces import RunReport
    from tests.support.s3.sides import Sides


def make_operator(sides: Sides, *, new_sessions: bool = False, **changes: Any) -> S3CrossAccountCopyOperator:
    """Return an operator that copies all of `data/` to `copy/`.

    Args:
        sides: the buckets.
        new_sessions: assume the roles again, in half a second; else operators of `sides` share sessions.
        changes: to the operator's arguments.
    """
    values: dict[str, Any] = {
        "task_id": "copy",
        "source_bucket": sides.source_bucket,
        "source_key": "data/",
        "destination_bucket": sides.destination_bucket,
        "destination_key": "copy/",
        "recursive": True,
        "source_aws_conn_id": "aws_source",
        "dest_aws_conn_id": "aws_destination",
    }
    operator = S3CrossAccountCopyOperator(**(values | changes))
    if not new_sessions and not {"source_aws_conn_id", "dest_aws_conn_id"} & changes.keys():
        source = Location(bucket=operator.source_bucket, connection="aws_source")
        destination = Location(bucket=operator.destination_bucket, connection="aws_destination")
        job = sides.job(source=source, destination=destination, transfer=TransferOptions())
        operator._known[source, destination] = sides.connected(job)
    return operator


def empty(sides: Sides) -> None:
    """Delete every object of both buckets, which hold at most one page each."""
    buckets = ((sides.source, sides.source_bucket), (sides.destination, sides.destination_bucket))
    for client, bucket in buckets:
        rows = client.list_objects_v2(Bucket=bucket).get("Contents", [])
        if rows:
            client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": row["Key"]} for row in rows]})


class Kept(dict[str, Any]):
    """What Airflow keeps for a task from one attempt to the next."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


@dataclass
class Attempt:
    """An attempt of a task, for an operator: a context with a task instance that keeps XComs."""

    kept: Kept = field(default_factory=Kept)
    run_id: str = "run-1"
    task_id: str = "copy"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = json.loads(json.dumps(value))

    def execute(self, operator: S3CrossAccountCopyOperator) -> RunReport:
        """Execute an operator and return its result."""
        context = cast("Context", {"ti": self, "task_state_store": self.kept})
        return operator.execute(context)

    @property
    def metrics(self) -> dict[str, Any]:
        """The XCom `metrics`."""
        pushed: dict[str, Any] = self.pushed["metrics"]
        return pushed
