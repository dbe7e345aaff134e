"""Builds the Dag of a job, and the Dags of a folder of configs, without using the network or the clock."""

from __future__ import annotations

from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    DAG,
    Asset,
    AssetAlias,
    AssetWatcher,
    get_current_context,
    get_parsing_context,
    task,
)

from s3copy_tasks.config.catalog import job_files, load_folder
from s3copy_tasks.config.check.schedule import asset_uri, resolve_cron
from s3copy_tasks.config.layers import ENDINGS
from s3copy_tasks.config.load import load_job
from s3copy_tasks.config.show.report import as_text
from s3copy_tasks.core.job import Approval
from s3copy_tasks.dag.airflow_versions import (
    HAS_APPROVALS,
    CronDataIntervalTimetable,
    conf,
    find_executors,
)
from s3copy_tasks.dag.notify import build_deadline, publish_callbacks, summary_callbacks
from s3copy_tasks.dag.parameters import declare_parameters
from s3copy_tasks.dag.registered import find_importer
from s3copy_tasks.dag.storable import escape, unescape
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3copy_tasks.config.job import AirflowOptions, CopyJob
    from s3copy_tasks.config.problem import Problem
    from s3copy_tasks.core.job import ObjectEntry, PrefixEntry
    from s3copy_tasks.core.queue import Queue

DAG_PREFIX = "s3copy__"
DEFAULT_POOL = "default_pool"
_TWICE = (
    "copy jobs come from {place}, so the Dag files make none. Remove s3copy_jobs.py and "
    "s3copy_config_errors.py from the Dags folder, or the importer from Airflow's configuration"
)


def config_dir(default: Path) -> Path:
    """Return the folder of configs: Airflow's option `[s3copy] config_dir`, else `default`."""
    return Path(conf.get("s3copy", "config_dir", fallback=None) or default)


def job_dags(folder: Path) -> dict[str, DAG]:
    """Return the Dags of a folder's valid jobs by id; on a worker only the one that it runs.

    Returns none in the Dag processor if Airflow imports the jobs itself: each would be there twice. A worker
    is asked only for a Dag that came from here.

    Raises:
        ConfigError: on a worker, if the config of the requested Dag is invalid or not there. Never in the Dag
            processor: an error in this file would remove all other jobs.
    """
    wanted = get_parsing_context().dag_id
    if wanted is None:
        if find_importer():
            return {}
        return {dag.dag_id: dag for dag in map(build_dag, load_folder(folder, find_executors()).jobs)}
    loaded = [load_job(file) for file in _wanted_files(folder, wanted)]
    broken = [problem for problems in loaded if isinstance(problems, list) for problem in problems]
    if broken:
        raise _invalid(broken)
    dags = [build_dag(job) for job in loaded if not isinstance(job, list)]
    return {dag.dag_id: dag for dag in dags}


def raise_problems(folder: Path) -> None:
    """Raise one report of all problems in a folder: Airflow shows it as an import error.

    Raises:
        ConfigError: a config is invalid, or Airflow imports the jobs itself.
    """
    if get_parsing_context().dag_id is not None:
        return
    place = find_importer()
    if place:
        raise ConfigError(_TWICE.format(place=place), code=Code.INVALID_CONFIG)
    problems = load_folder(folder, find_executors()).problems
    if problems:
        raise _invalid(problems)


def _wanted_files(folder: Path, dag_id: str) -> list[Path]:
    """Return the configs of a Dag on a worker; none if it is not the Dag of a copy job.

    Raises:
        ConfigError: it is, and there is none: Airflow itself only says that it has not found the Dag.
    """
    if not dag_id.startswith(DAG_PREFIX):
        return []
    name, why = dag_id.removeprefix(DAG_PREFIX), "has no such file"
    try:
        files = [file for file in job_files(folder) if file.stem == name]
    except OSError as error:
        files, why = [], f"can't be read ({error.strerror})"
    if not files:
        raise ConfigError(
            f"no config for the Dag {dag_id} on the host {gethostname()}: "
            f"{' or '.join(name + ending for ending in ENDINGS)} is wanted, and the folder {folder} {why}. "
            "If the file was deleted or renamed, restore it, or mark the run as failed. If not, this worker "
            "has other files than the Dag processor: docs/problems.md says what to check",
            code=Code.INVALID_CONFIG,
        )
    return files


def _invalid(problems: tuple[Problem, ...] | list[Problem]) -> ConfigError:
    return ConfigError(format_import_error(problems), code=Code.INVALID_CONFIG)


def format_import_error(problems: Iterable[Problem]) -> str:
    """Return the text of an import error for invalid configs; the page finds it by its first line."""
    return "invalid copy configs\n" + as_text(problems).rstrip()


def build_dag(job: CopyJob) -> DAG:
    """Return a job's Dag: preflight, plan, mapped copies, for a mirror the deletes, summarize, publish."""
    limits = _limit_time(job)
    copied = AssetAlias(DAG_PREFIX + job.name)  # an Asset with an s3:// URI would import boto3 at every parse
    waiting = AssetAlias(f"{DAG_PREFIX}{job.name}:waiting") if job.schedule_queue else None
    with _new_dag(job) as dag:

        @task(multiple_outputs=False, doc_json=job.config, **limits)  # the page shows the config
        def preflight() -> dict[str, Any]:
            from s3copy_tasks.dag.tasks.preflight import preflight  # noqa: PLC0415 - see the package

            return escape(preflight(job, get_current_context()))

        @task(multiple_outputs=False, **limits)
        def plan(job: Any) -> list[dict[str, Any]]:
            from s3copy_tasks.dag.tasks.plan import plan  # noqa: PLC0415

            return escape(plan(unescape(job), get_current_context()))

        @task(
            map_index_template="{{ label }}",
            max_active_tis_per_dagrun=job.transfer.max_active_batches,
            pool=job.airflow.pool or DEFAULT_POOL,
            **limits,
        )
        def copy_batch(job: dict[str, Any], batch: dict[str, Any]) -> None:
            from s3copy_tasks.dag.tasks.copy_batch import copy_batch  # noqa: PLC0415

            copy_batch(unescape(job), unescape(batch), get_current_context())

        @task(trigger_rule="all_done", retries=0, multiple_outputs=False, **summary_callbacks(job))
        def summarize() -> Any:
            from s3copy_tasks.dag.tasks.summarize import summarize  # noqa: PLC0415

            return escape(summarize(get_current_context()))

        @task(outlets=[copied, waiting] if waiting else [copied], **publish_callbacks(job))
        def publish() -> None:
            from s3copy_tasks.dag.tasks.publish import publish  # noqa: PLC0415

            publish(get_current_context(), copied, waiting)

        effective = preflight()
        batches = plan(effective)
        copies = copy_batch.partial(job=effective).expand(batch=batches)
        summary = summarize()
        [effective, batches, copies] >> summary >> publish()
        if job.mirror is not None:
            _add_deletes(job, effective, copies) >> summary
    return dag


def _add_deletes(job: CopyJob, effective: Any, copies: Any) -> list[Any]:
    """Add the tasks that delete, downstream of the copies, and return them."""
    limits = _limit_time(job)

    # However the copies end, and if there are none, it says whether the run deletes.
    @task(trigger_rule="all_done", multiple_outputs=False, **limits)
    def deletions() -> list[dict[str, Any]]:
        from s3copy_tasks.dag.tasks.deletions import deletions  # noqa: PLC0415

        return escape(deletions(job, get_current_context()))

    @task(
        map_index_template="{{ label }}",
        max_active_tis_per_dagrun=job.transfer.max_active_batches,
        pool=job.airflow.pool or DEFAULT_POOL,
        **limits,
    )
    def delete_batch(job: dict[str, Any], batch: dict[str, Any]) -> None:
        from s3copy_tasks.dag.tasks.delete_batch import delete_batch  # noqa: PLC0415

        delete_batch(unescape(job), unescape(batch), get_current_context())

    judged = deletions()
    copies >> judged
    asks = job.deletes_folders or (job.mirror is not None and job.mirror.approval is not Approval.NEVER)
    if HAS_APPROVALS and asks:
        from s3copy_tasks.dag.approval import ApproveDeletes  # noqa: PLC0415 - Airflow 3.0 can't import it

        copies >> ApproveDeletes(task_id="approve", config=job) >> judged
    return [judged, delete_batch.partial(job=effective).expand(batch=judged)]


def _new_dag(job: CopyJob) -> DAG:
    return DAG(
        dag_id=DAG_PREFIX + job.name,
        description=job.description or None,
        doc_md=_doc(job),
        schedule=_schedule(job),
        start_date=job.start_date,
        catchup=False,
        max_active_runs=1,
        tags=["s3copy", *job.tags],
        default_args={"owner": job.owner, "retries": job.retries, **_arguments_of_all(job.airflow)},
        params=declare_parameters(job),
        **build_deadline(job),
    )


def _arguments_of_all(options: AirflowOptions) -> dict[str, Any]:
    """Return the arguments of all tasks of a job."""
    return _given(
        queue=options.queue,
        executor=options.executor,
        priority_weight=options.priority_weight,
        retry_delay=options.retry_delay,
    )


def _limit_time(job: CopyJob) -> dict[str, Any]:
    """Return the time limit of every task but `summarize`: however a run ends, it has a summary."""
    return _given(execution_timeout=job.airflow.execution_timeout)


def _given(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that are not None: the others have a default in Airflow's configuration."""
    return {name: value for name, value in arguments.items() if value is not None}


def _schedule(job: CopyJob) -> Any:
    """Return the schedule; cron always has data intervals: docs/design/who-renders.md says why."""
    if job.schedule_assets:
        uris = [asset_uri(text) for text in job.schedule_assets]
        return [Asset(name=uri, uri=uri) for uri in uris]
    if job.schedule_queue and job.queue:
        return [_watch_queue(job.queue)]
    if job.schedule is None:
        return None
    return CronDataIntervalTimetable(resolve_cron(job.schedule), timezone=str(job.timezone))


def _watch_queue(queue: Queue) -> Asset:
    """Return the asset of a queue, which Airflow's triggerer updates while messages wait."""
    uri = queue.asset
    if get_parsing_context().dag_id is not None:  # a worker watches nothing, and may have no triggers
        return Asset(name=uri, uri=uri)
    from s3copy_tasks.dag.queue_trigger import QueueTrigger  # noqa: PLC0415 - as above

    return Asset(name=uri, uri=uri, watchers=[AssetWatcher(name=uri, trigger=QueueTrigger.of(queue))])


def _doc(job: CopyJob) -> str:
    entries: list[PrefixEntry | ObjectEntry] = [*job.prefixes, *job.objects]
    rows = "\n".join(
        f"| `{job.source}/{entry.source}` | `{job.destination}/{entry.destination}` |" for entry in entries
    )
    return (
        f"{job.description}\n\n| source | destination |\n| --- | --- |\n{rows}\n\n"
        f"config `{job.file.name}`, sha256 `{job.digest}`\n"
    )
