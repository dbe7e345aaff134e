"""The public names and shapes of the contract, exactly."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from datetime import datetime
from typing import Any, get_type_hints

import pytest

import s3copy_tasks
from s3copy_tasks import (
    MetricsCollector,
    MetricsCollectorInterface,
    S3CopyOperatorInterface,
    S3CrossAccountCopyOperator,
)
from s3copy_tasks.interfaces import (
    CopyResult,
    DeletionsReport,
    GroupDeletions,
    ListedObject,
    QueueReport,
    RunReport,
)

REQUIRED = inspect.Parameter.empty
OPERATOR_METHODS: dict[str, list[str]] = {
    "execute": ["context"],
    "validate_inputs": [],
    "get_s3_objects_to_copy": [],
    "copy_single_object": ["source_bucket", "source_key", "dest_bucket", "dest_key"],
}
COLLECTOR_METHODS: dict[str, list[str]] = {
    "start_operation": ["operation_id"],
    "record_file_success": ["bytes_transferred"],
    "record_file_failure": ["error_message"],
    "finish_operation": [],
}
METHODS: dict[str, tuple[type, type, str, list[str]]] = {
    f"{real.__name__}.{name}": (real, interface, name, parameters)
    for real, interface, methods in (
        (S3CrossAccountCopyOperator, S3CopyOperatorInterface, OPERATOR_METHODS),
        (MetricsCollector, MetricsCollectorInterface, COLLECTOR_METHODS),
    )
    for name, parameters in methods.items()
}
IMPORTED = """
import json, sys
import s3copy_tasks
first = sorted({"airflow", "boto3", "botocore"} & set(sys.modules))
s3copy_tasks.S3CrossAccountCopyOperator
print(json.dumps([first, sorted({"airflow", "boto3", "botocore"} & set(sys.modules))]))
"""


def make_operator() -> S3CrossAccountCopyOperator:
    return S3CrossAccountCopyOperator(
        task_id="copy", source_bucket="src", source_key="a", destination_bucket="dst", destination_key="b"
    )


def parameters_of(function: Any) -> list[inspect.Parameter]:
    return [one for name, one in inspect.signature(function).parameters.items() if name != "self"]


def test_constructor() -> None:
    """The operator's arguments have the contract's names, order and defaults; the rest is Airflow's."""
    *own, rest = parameters_of(S3CrossAccountCopyOperator)
    assert [(one.name, one.default) for one in own] == [
        ("source_bucket", REQUIRED),
        ("source_key", REQUIRED),
        ("destination_bucket", REQUIRED),
        ("destination_key", REQUIRED),
        ("recursive", False),
        ("source_aws_conn_id", None),
        ("dest_aws_conn_id", None),
        ("batch_size", 100),
        ("overwrite", True),
        ("manifest", None),
        ("manifest_columns", None),
    ]
    assert rest.kind is inspect.Parameter.VAR_KEYWORD


def test_templated() -> None:
    """The four places, both connection ids and the list are templated, and nothing else."""
    assert S3CrossAccountCopyOperator.template_fields == (
        "source_bucket",
        "source_key",
        "destination_bucket",
        "destination_key",
        "source_aws_conn_id",
        "dest_aws_conn_id",
        "manifest",
    )


@pytest.mark.parametrize(("real", "interface", "name", "parameters"), METHODS.values(), ids=METHODS)
def test_methods(real: type, interface: type, name: str, parameters: list[str]) -> None:
    """A method has the contract's parameters, in class and protocol; others are optional and keyword-only."""
    promised = parameters_of(getattr(interface, name))
    assert [(one.name, one.default) for one in promised] == [(each, REQUIRED) for each in parameters]
    actual = parameters_of(getattr(real, name))
    by_position = [one for one in actual if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert [(one.name, one.default) for one in by_position] == [(one.name, one.default) for one in promised]
    more = [one for one in actual if one not in by_position]
    assert all(one.kind is inspect.Parameter.KEYWORD_ONLY and one.default is not REQUIRED for one in more)


@pytest.mark.parametrize(
    ("interface", "methods"),
    [
        pytest.param(S3CopyOperatorInterface, OPERATOR_METHODS, id="operator"),
        pytest.param(MetricsCollectorInterface, COLLECTOR_METHODS, id="collector"),
    ],
)
def test_interfaces_have_no_other_methods(interface: type, methods: dict[str, list[str]]) -> None:
    """A protocol has exactly the contract's methods, and an object must have all of them."""
    assert {name for name in vars(interface) if not name.startswith("_")} == set(methods)
    everything: dict[str, Any] = dict.fromkeys(methods, lambda: None)
    assert isinstance(type("Whole", (), everything)(), interface)
    for missing in methods:
        some = {name: method for name, method in everything.items() if name != missing}
        assert not isinstance(type("Part", (), some)(), interface)


def test_the_operator_has_the_interface() -> None:
    """The operator is an `S3CopyOperatorInterface`, for a type checker and at run time."""
    interface: S3CopyOperatorInterface = make_operator()
    assert isinstance(interface, S3CopyOperatorInterface)
    assert not isinstance(interface, MetricsCollectorInterface)


def test_the_collector_has_the_interface() -> None:
    """The collector is a `MetricsCollectorInterface`, for a type checker and at run time."""
    interface: MetricsCollectorInterface = MetricsCollector()
    assert isinstance(interface, MetricsCollectorInterface)
    assert not isinstance(interface, S3CopyOperatorInterface)


def test_results() -> None:
    """Objects, results and metrics have the contract's keys and types; only metrics may have more."""
    assert get_type_hints(ListedObject) == {
        "bucket": str,
        "key": str,
        "size": int,
        "last_modified": datetime,
        "etag": str,
    }
    assert get_type_hints(CopyResult) == {
        "success": bool,
        "bytes_transferred": int,
        "error_message": str | None,
    }
    promised = {
        "operation_id": str,
        "duration_seconds": float,
        "total_files_found": int,
        "files_copied_successfully": int,
        "files_failed": int,
        "total_bytes_transferred": int,
        "errors": list[str],
    }
    assert promised.items() <= get_type_hints(RunReport).items()


def test_what_a_mirror_reports() -> None:
    """The keys are promised, of the run and of each group; None for a run that is not one of a mirror."""
    numbers = dict.fromkeys(("in_scope", "extraneous", "deleted", "gone", "failed", "unknown"), int)
    counts = {**numbers, "kept": dict[str, int]}
    more = {
        "refused": str | None,
        "at_least": bool,
        "errors": list[str],
        "errors_by_code": dict[str, int],
        "groups": list[GroupDeletions],
        "results": str | None,
        "delete_folder": str | None,
        "comes_back": bool,
    }
    assert get_type_hints(RunReport)["deletions"] == DeletionsReport | None
    assert get_type_hints(GroupDeletions) == {**counts, "destination": str}
    assert get_type_hints(DeletionsReport) == counts | more


def test_what_a_queue_reports() -> None:
    """The keys are promised; None for a run whose keys no queue names."""
    assert get_type_hints(RunReport)["queue"] == QueueReport | None
    assert get_type_hints(QueueReport) == {
        "waiting": int,
        "received": int,
        "deleted": int,
        "left": int,
        "oldest_seconds": float | None,
        "at_least": bool,
        "may_wait": bool,
    }


@pytest.mark.parametrize("name", s3copy_tasks.__all__)
def test_public_names(name: str) -> None:
    """Every public name can be imported from the package."""
    assert getattr(s3copy_tasks, name).__name__ == name


def test_unknown_names() -> None:
    """An unknown name raises an AttributeError that has the name."""
    with pytest.raises(AttributeError, match="module 's3copy_tasks' has no attribute 'S3CopyOperatr'"):
        getattr(s3copy_tasks, "S3CopyOperatr")  # noqa: B009 - mypy knows that it is not there


def test_importing_is_cheap() -> None:
    """The package imports neither Airflow nor boto3; the operator imports Airflow, but not boto3."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORTED], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [[], ["airflow"]]
