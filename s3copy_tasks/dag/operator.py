"""The operator for users who write their own Dags; it calls the same code as the generated Dags."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from threading import Thread
from typing import TYPE_CHECKING, Any

import structlog
from airflow.sdk import BaseOperator

from s3copy_tasks.config.check.template import refuse_missing_values
from s3copy_tasks.copy.single import copy_single
from s3copy_tasks.copy.uploads import Attempt
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.operation import OperationState, S3CopyOperation
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.core.text import printable
from s3copy_tasks.dag.airflow_versions import AirflowFailException
from s3copy_tasks.dag.memory import recall_attempts
from s3copy_tasks.dag.objects_to_copy import find_objects_to_copy
from s3copy_tasks.dag.outcome import airflow_errors, judge, report_run, will_retry
from s3copy_tasks.dag.storable import escape
from s3copy_tasks.dag.telemetry.lineage import list_entries, report_lineage
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.errors import Code, ConfigError, CopyError, as_copy_error
from s3copy_tasks.plan.ahead import ListingAhead
from s3copy_tasks.report import events
from s3copy_tasks.report.summary import report, without_job, without_plan
from s3copy_tasks.run import InProcessRun

if TYPE_CHECKING:
    from airflow.sdk import Context

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.location import Location
    from s3copy_tasks.engine.sender import Sender
    from s3copy_tasks.interfaces import CopyResult, ListedObject, RunDetails
    from s3copy_tasks.s3.connections import Sides

log = structlog.get_logger(__name__)


class S3CrossAccountCopyOperator(BaseOperator):
    """Copy one object, or everything below a prefix, from one bucket to another, on S3's side.

    Roles, buckets and permissions on both sides are checked before the first copy. The metrics are the
    return value, and, however the task ends, the XCom `metrics`. A task with failed objects copies the rest,
    and then fails. A retry copies only what is missing.

    Args:
        source_bucket: name of the bucket. Templated, like the next three.
        source_key: key of the object; with `recursive` a prefix that ends with "/", empty for the whole
            bucket.
        destination_bucket: name of the bucket.
        destination_key: key of the copy; with `recursive` the prefix that replaces the source's prefix.
        recursive: copy everything below the prefix.
        source_aws_conn_id: Airflow connection of type aws whose extra holds the role to assume. Templated.
            None means the environment's own credentials.
        dest_aws_conn_id: the same for the destination. Its principal signs the copies, so it must be able to
            read the source, too. Templated.
        batch_size: objects per batch, 1 to 1,000: the unit of progress in the log.
        overwrite: True replaces objects at the destination, False leaves them.
        manifest: copy what this list names instead of all below `source_key`: s3://bucket/key, or a prefix of
            lists that ends with "/". Its reader is the source's connection. Needs `recursive`. Templated.
        manifest_columns: what each column of the list holds, such as ["key", "etag", "size"]: docs/lists.md;
            None means those of a list of failed objects. Keys are percent-encoded.
        **kwargs: arguments of any Airflow operator.

    Attributes:
        operation: what is copied, and its state; None before `execute`.

    Example:
        >>> copy = S3CrossAccountCopyOperator(
        ...     task_id="copy_daily",
        ...     source_bucket="science",
        ...     source_key="daily/{{ ds }}/",
        ...     destination_bucket="archive",
        ...     destination_key="daily/{{ ds }}/",
        ...     recursive=True,
        ...     source_aws_conn_id="aws_science",
        ...     dest_aws_conn_id="aws_archive",
        ... )
        >>> copy.validate_inputs()
        True
    """

    template_fields: Sequence[str] = (
        "source_bucket",
        "source_key",
        "destination_bucket",
        "destination_key",
        "source_aws_conn_id",
        "dest_aws_conn_id",
        "manifest",
    )

    shallow_copy_attrs: Sequence[str] = ("_known", "_sender")

    def __init__(  # noqa: PLR0913 - the contract's signature
        self,
        *,
        source_bucket: str,
        source_key: str,
        destination_bucket: str,
        destination_key: str,
        recursive: bool = False,
        source_aws_conn_id: str | None = None,
        dest_aws_conn_id: str | None = None,
        batch_size: int = 100,
        overwrite: bool = True,
        manifest: str | None = None,
        manifest_columns: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_bucket = source_bucket
        self.source_key = source_key
        self.destination_bucket = destination_bucket
        self.destination_key = destination_key
        self.recursive = recursive
        self.source_aws_conn_id = source_aws_conn_id
        self.dest_aws_conn_id = dest_aws_conn_id
        self.batch_size = batch_size
        self.overwrite = overwrite
        self.manifest = manifest
        self.manifest_columns = manifest_columns
        self.operation: S3CopyOperation | None = None
        self._templates = {name: getattr(self, name) for name in self.template_fields}
        self._digest: str | None = None
        self._sender: Sender | None = None
        self._known: dict[tuple[Location, ...], Sides] = {}

    def execute(self, context: Context) -> RunDetails:
        """Check, plan and copy; return the metrics: docs/metrics.md.

        Raises:
            AirflowFailException: the inputs are wrong, something is missing or not allowed, or objects failed
                and a retry can't fix them.
            AirflowException: objects failed, and a retry may fix them.
            TransientError: S3 can't be reached.
        """
        operation_id, earlier = _operation_id(context), recall_attempts(context)
        with airflow_errors(), ExitStack() as ending:
            sender = self._sender = make_sender(
                TransferOptions()
            )  # before the checks, which can be killed, too
            try:
                job, sides, ahead = self._check_inputs(operation_id, sender, ending)
            except BaseException as error:
                metrics = without_plan(operation_id, "preflight", as_copy_error(error))
                failed = report(metrics, job=self.task_id, config_digest=self._digest, dry_run=False)
                self._end(OperationState.VALIDATION_FAILED, without_job(failed), context, error)
                raise
            self._move(OperationState.COPYING)
            job, retried = earlier.continue_job(job)
            attempt = Attempt(retried=retried, uploads=earlier.uploads(job, sides, sender))
            report_lineage(job, list_entries(job))
            run = InProcessRun(job, sides.stores, sender, attempt=attempt, ahead=ahead)
            return escape(self._copy_objects(run, context))

    def validate_inputs(self) -> bool:
        """Return True.

        Raises:
            ValueError: lists every wrong input.
        """
        self._operation()
        return True

    def get_s3_objects_to_copy(self) -> list[ListedObject]:
        """Return the source objects that a run would copy now; writes nothing.

        They are in key order; those of a manifest in the order of its rows, with a HEAD of each side.

        Raises:
            ValueError: an input is wrong.
            MissingError: the object does not exist, and the operation is not recursive; or the list does not.
            CopyError: a listing or a HEAD failed, or the list is not valid.
        """
        job = self._operation().job(self.task_id, "listing")
        return [*find_objects_to_copy(job, self._sides(job))]

    def copy_single_object(
        self, source_bucket: str, source_key: str, dest_bucket: str, dest_key: str
    ) -> CopyResult:
        """Copy one object with this operator's connections and `overwrite`.

        Nothing is checked beforehand. An error of S3 is returned as `error_message`; an object that
        `overwrite` keeps is a success of 0 bytes.
        """
        collector = MetricsCollector()
        collector.start_operation("single")
        error: Exception | None
        try:
            operation = self._operation(source_bucket, source_key, dest_bucket, dest_key)
            job = operation.job(self.task_id, "single")
            error = copy_single(job, self._sides(job).stores, collector)
        except (ValueError, CopyError) as refused:
            error = refused
        return {
            "success": error is None,
            "bytes_transferred": collector.metrics().total_bytes_transferred,
            "error_message": None if error is None else printable(str(error)),
        }

    def on_kill(self) -> None:
        """Stop sending requests and abort multipart uploads: Airflow is about to kill the task."""
        if self._sender is not None:
            Thread(target=self._sender.stop).start()  # a signal handler must not wait for a lock

    def _operation(self, *places: str) -> S3CopyOperation:
        """Return the operation, or one for a single object at other places: source, then destination."""
        configured = self.source_bucket, self.source_key, self.destination_bucket, self.destination_key
        source_bucket, source_key, destination_bucket, destination_key = places or configured
        return S3CopyOperation(
            source_bucket=source_bucket,
            source_key=source_key,
            destination_bucket=destination_bucket,
            destination_key=destination_key,
            recursive=False if places else self.recursive,
            source_aws_conn_id=self.source_aws_conn_id,
            dest_aws_conn_id=self.dest_aws_conn_id,
            batch_size=self.batch_size,
            overwrite=self.overwrite,
            manifest=None if places else self.manifest,
            manifest_columns=None if places else self.manifest_columns,
        )

    def _sides(self, job: EffectiveJob) -> Sides:
        from s3copy_tasks.s3.connections import Sides  # noqa: PLC0415 - boto3 stays out of parsing

        if job.locations not in self._known:
            self._known[job.locations] = Sides.from_job(job)
        return self._known[job.locations]

    def _check_inputs(
        self, operation_id: str, sender: Sender, ending: ExitStack
    ) -> tuple[EffectiveJob, Sides, ListingAhead]:
        from s3copy_tasks.preflight.preflight import preflight  # noqa: PLC0415 - boto3 stays out of parsing

        self.operation = self._digest = None
        try:
            refuse_missing_values(self._templates, {name: getattr(self, name) for name in self._templates})
            self.operation = self._operation()
        except ValueError as error:
            raise ConfigError(str(error), code=Code.INVALID_CONFIG) from None
        job = self.operation.job(self.task_id, operation_id)
        self._digest = job.digest
        events.operation_started(job)
        self._move(OperationState.VALIDATING)
        sides = self._sides(job)
        ahead = ending.enter_context(ListingAhead(job, sides.stores, sender))
        proven = preflight(job, sides, on_listed=ahead.begin)
        events.list_found(proven.job, proven.on_list)
        events.preflight_passed(job, proven.not_proven, proven.relay)
        return proven.job, sides, ahead

    def _copy_objects(self, run: InProcessRun, context: Context) -> RunDetails:
        try:
            run.carry_out()
            judge(run.metrics, run.job.max_failed_objects)
        except BaseException as error:
            self._end(OperationState.COPY_FAILED, run.details, context, error)
            if isinstance(error, AirflowFailException):  # final: a cleared task starts from the beginning
                recall_attempts(context).forget()
            raise
        ended = run.details
        self._end(OperationState.COMPLETED, ended, context)
        recall_attempts(context).forget()
        return ended

    def __getstate__(self) -> dict[str, Any]:
        """Leave connections out: each process makes its own."""
        return super().__getstate__() | {"_known": {}, "_sender": None}  # type: ignore[no-untyped-call, no-any-return]

    def _move(self, state: OperationState) -> None:
        if self.operation is not None:  # it is None if its inputs are wrong
            self.operation = self.operation.moved_to(state)

    def _end(
        self,
        state: OperationState,
        details: RunDetails,
        context: Context,
        error: BaseException | None = None,
    ) -> None:
        """Report the result: state, XCom, log line, statistics."""
        self._move(state)
        final = error is None or not will_retry(error, context)
        report_run(details, context, failed=error is not None, final=final)


def _operation_id(context: Context) -> str:
    """Return the id of the operation, which is the same in every attempt."""
    ti = context["ti"]
    index = "" if (ti.map_index or 0) < 0 or ti.map_index is None else f"[{ti.map_index}]"
    return f"{ti.run_id}.{ti.task_id}{index}"
