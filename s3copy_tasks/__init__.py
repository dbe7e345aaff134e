"""Copies S3 objects between AWS accounts with Airflow: one YAML file is one Dag.

For hand-written Dags there is `S3CrossAccountCopyOperator`. Each name is imported when it is first used: the
package itself takes no time, and only the operator imports Airflow.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # `typing` itself takes some milliseconds, before the command can handle Ctrl-C
if TYPE_CHECKING:
    from typing import Any

    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.metrics import TransferMetrics
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.operation import OperationState, S3CopyOperation
    from s3copy_tasks.dag.operator import S3CrossAccountCopyOperator
    from s3copy_tasks.errors import CopyError
    from s3copy_tasks.interfaces import MetricsCollectorInterface, S3CopyOperatorInterface

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


_MODULES = {
    "CopyError": "errors",
    "MetricsCollector": "core.collector",
    "MetricsCollectorInterface": "interfaces",
    "OperationState": "core.operation",
    "S3CopyOperation": "core.operation",
    "S3CopyOperatorInterface": "interfaces",
    "S3CrossAccountCopyOperator": "dag.operator",
    "S3Object": "core.objects",
    "TransferMetrics": "core.metrics",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
