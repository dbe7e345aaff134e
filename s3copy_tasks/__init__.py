"""Copies S3 objects between AWS accounts with Airflow: one YAML file is one Dag.

For hand-written Dags there is `S3CrossAccountCopyOperator`. Airflow is imported when that name is first used,
not before.
"""

from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.core.objects import S3Object
from s3copy_tasks.core.operation import OperationState, S3CopyOperation
from s3copy_tasks.errors import CopyError
from s3copy_tasks.interfaces import MetricsCollectorInterface, S3CopyOperatorInterface

if TYPE_CHECKING:
    from s3copy_tasks.dag.operator import S3CrossAccountCopyOperator

__all__ = [
    "CopyError",
    "MetricsCollector",
    "MetricsCollectorInterface",
    "OperationState",
    "S3CopyOperation",
    "S3CopyOperatorInterface",
    "S3CrossAccountCopyOperator",
    "S3Object",
    "TransferMetrics",
]
__version__ = "1.0.0"


def __getattr__(name: str) -> Any:
    if name == "S3CrossAccountCopyOperator":
        from s3copy_tasks.dag.operator import S3CrossAccountCopyOperator  # noqa: PLC0415 - slow

        return S3CrossAccountCopyOperator
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
