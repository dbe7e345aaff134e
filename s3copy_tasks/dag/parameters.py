"""The parameters of a run: a closed set, however the run is started.

Airflow's own check accepts names that no Dag declares, and drops all of them if the site says so: a misspelt
`dry_run` would copy. docs/design/parameters.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from s3copy_tasks.config.lists import accepts_manifest
from s3copy_tasks.config.read.hints import SHOWN_MAX, did_you_mean
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from airflow.sdk import Context

    from s3copy_tasks.config.job import CopyJob

_OF_OTHERS = ("openlineage",)
"""Names that others add: `TriggerDagRunOperator` says which task started the run."""
_OF_AIRFLOW = "airflow/"
"""Begins the names that Airflow itself reads, such as `airflow/task_span_detail_level` since 3.2."""


def declare_parameters(job: CopyJob) -> dict[str, Param]:
    """Return the parameters of a job's Dag, with the types that Airflow checks when a run is started.

    Airflow checks them again in each task, with the config as it is then. So a prefix may be any text here:
    `render_job` refuses unknown ones, once, and an edit of the config in mid-run changes nothing.
    """
    parameters = {
        "force": Param(
            default=False,
            type="boolean",
            title="Force",
            description="Copy again what is unchanged. `overwrite: never` holds all the same.",
        ),
        "dry_run": Param(
            default=False, type="boolean", title="Dry run", description="Plan and count; copy nothing."
        ),
    }
    sources = [entry.source for entry in job.prefixes]
    if sources and job.queue is None:
        parameters["prefixes"] = Param(
            default=[],
            type="array",
            items={"type": "string"},
            examples=sources,
            title="Prefixes",
            description="Copy these prefixes only, and no single objects. None chosen means everything.",
        )
    if job.mirror is not None:
        parameters["copy_only"] = Param(
            default=False, type="boolean", title="Copy only", description="Copy, and delete nothing."
        )
        parameters["folder"] = Param(
            default=None,
            type=["null", "string"],
            title="Folder",
            description="Copy, and delete, only what is below this folder of the prefixes, such as 2026/01/.",
        )
    if job.deletes_folders:
        parameters |= _of_folder_deletes()
    if accepts_manifest(job):
        parameters["manifest"] = Param(
            default=None,
            type=["null", "string"],
            title="Manifest",
            description="Copy what this list names, such as the failed objects of an earlier run: "
            "s3://bucket/key, or a prefix of lists, s3://bucket/prefix/.",
        )
    return parameters


def _of_folder_deletes() -> dict[str, Param]:
    return {
        "delete_folder": Param(
            default=None,
            type=["null", "string"],
            title="Delete a folder",
            description="Copy nothing, and delete everything below this folder of the destination, such as "
            "out/2026/01/, whether the source has it or not. A person has to approve it.",
        ),
        "confirm": Param(
            default=None,
            type=["null", "string"],
            title="Confirm",
            description="The folder to delete, once more.",
        ),
    }


def read_parameters(context: Context) -> dict[str, Any]:
    """Return the parameters of every run, as arguments of `render_job`; templates may use them.

    Raises:
        ConfigError: the run was started with a name that the Dag does not declare, or Airflow ignores what
            the run was started with.
    """
    given, params = context["dag_run"].conf or {}, context["params"]
    problems = [
        *_find_unknown(given, {*context["dag"].params}),
        *_find_ignored(given, params),
    ]
    if problems:
        raise ConfigError("\n".join(problems), code=Code.INVALID_PARAMETERS)
    return {
        "force": params["force"],
        "dry_run": params["dry_run"],
        "prefixes": params.get("prefixes", []),
    }


def read_folder(context: Context) -> str | None:
    """Return the folder that a run is limited to; None if it is not."""
    folder: str | None = context["params"].get("folder")
    return folder


def read_copy_only(context: Context) -> bool:
    """Return whether a run of a mirror deletes nothing."""
    return bool(context["params"].get("copy_only"))


def read_delete_folder(context: Context) -> str | None:
    """Return the folder that a run deletes; None if it deletes none.

    Raises:
        ConfigError: `confirm` does not repeat it.
    """
    params = context["params"]
    folder: str | None = params.get("delete_folder")
    confirmed: str | None = params.get("confirm")
    if folder != confirmed:
        wrong = "is not given" if confirmed is None else f"is {confirmed[:SHOWN_MAX]!r}"
        shown = "is not given" if folder is None else f"is {folder[:SHOWN_MAX]!r}"
        msg = f"confirm: {wrong}, and delete_folder {shown}: repeat the folder, to show that it is meant"
        raise ConfigError(msg, code=Code.INVALID_PARAMETERS)
    return folder


def read_manifest(context: Context) -> str | None:
    """Return the list that a run was started with; None if its job says what is copied."""
    manifest: str | None = context["params"].get("manifest")
    return manifest


def _find_unknown(given: Mapping[str, Any], declared: AbstractSet[str]) -> Iterator[str]:
    for name in sorted(given):
        if name not in declared and name not in _OF_OTHERS and not name.startswith(_OF_AIRFLOW):
            hint = did_you_mean(name, sorted(declared))
            yield f"unknown parameter {name[:SHOWN_MAX]!r}.{hint} This job has: {', '.join(sorted(declared))}"


def _find_ignored(given: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[str]:
    ignored = sorted(name for name in given if name in params and params[name] != given[name])
    if ignored:
        yield (
            f"this Airflow ignores what a run is started with ({', '.join(ignored)}): its option "
            "[core] dag_run_conf_overrides_params is False. Set it to True, or start the run without them"
        )
