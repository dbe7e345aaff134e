"""`s3copy run`: the same code as the Dags; and what other commands share with it."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from s3copy_tasks.cli.deletes import confirm, describe_deletions, judge_run, show_deletions
from s3copy_tasks.cli.jobs import DONE, UsageError, same_prefixes
from s3copy_tasks.cli.log import LEVEL_VARIABLE, configure_log
from s3copy_tasks.cli.rendering import make_run_id, render, valid_job
from s3copy_tasks.config.catalog import refuse_other_writers
from s3copy_tasks.config.layers import ENDINGS
from s3copy_tasks.core.text import printable
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.errors import Code, ConfigError, CopyError, as_copy_error
from s3copy_tasks.plan.ahead import ListingAhead
from s3copy_tasks.preflight.apart import is_aws
from s3copy_tasks.preflight.list_files import find_list
from s3copy_tasks.preflight.preflight import preflight
from s3copy_tasks.report.deletion_tables import deletes_lines
from s3copy_tasks.report.summary import report, verdict, without_job, without_plan
from s3copy_tasks.report.tables import (
    error_lines,
    metrics_table,
    results_lines,
    title,
)
from s3copy_tasks.run import InProcessRun, Watch
from s3copy_tasks.s3.airflow_connection import needs_airflow
from s3copy_tasks.s3.connections import Sides

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.deletions import DeletePlan
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.interfaces import RunDetails


class RunFailedError(CopyError):
    """The run ended with more failed objects than its limit."""


def run(options: argparse.Namespace) -> int:
    """Copy, for a mirror delete, and show the metrics; as JSON they are shown however the run ends."""
    started = _Started(options)
    error = None
    try:
        with quiet(), _handle_sigterm_as_ctrl_c():
            started.carry_out()
    except (CopyError, KeyboardInterrupt) as ended:
        error = ended
    summary = started.details(error)
    if options.json:
        more = {} if started.would_delete is None else {"would_delete": started.would_delete}
        sys.stdout.write(json.dumps({**summary, **more}, indent=2) + "\n")
    elif started.run is not None and isinstance(error, RunFailedError | KeyboardInterrupt | None):
        make_console().print(title(summary), metrics_table(summary), sep="\n")
        deletes = deletes_lines(summary["deletions"]) if summary["deletions"] else []
        results = results_lines(summary, options.job, same_prefixes(options))
        for line in [*error_lines(summary), *deletes, *results]:
            make_console().print(line, soft_wrap=True)
        if started.would_delete is not None:
            show_deletions(make_console(), started.would_delete)
    if error is not None:
        raise error
    return DONE


class _Started:
    """A run that was started, and what is known of it however far it comes.

    Attributes:
        run: None before preflight has passed.
        would_delete: in a dry run of a mirror, as `s3copy plan` shows it; else None.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._now = datetime.now(UTC)
        self._config: CopyJob | None = None
        self._extraneous: list[str] = []
        self.run: InProcessRun | None = None
        self.would_delete: dict[str, Any] | None = None

    def carry_out(self) -> None:
        """Read the config, check, plan, copy and delete.

        Raises:
            CopyError: a step before the copies failed, more objects failed than the limit, or the deletes
                failed or were refused.
            UsageError: the number of deletes is confirmed for a run that never deletes.
        """
        self._config = config = valid_job(self._options)
        rendered = render(config, self._options, self._now, dry_run=self._options.dry_run)
        if rendered.mirror is None and self._options.confirm is not None:
            raise UsageError("--confirm: this run never deletes, because it is not one of a mirror")
        if config.mirror is not None and rendered.mirror is None:
            sys.stderr.write("this run deletes nothing: it copies only, or by a list\n")
        refuse_other_writers(config, rendered)
        sides = open_sides(rendered)
        sender = make_sender(rendered.transfer)
        with ListingAhead(rendered, sides.stores, sender) as ahead:
            job = _run_preflight(rendered, sides, ahead)
            with _progress_bar(self._keep_extraneous) as watch:
                self.run = InProcessRun(job, sides.stores, sender, watch=watch, ahead=ahead)
                self.run.carry_out()
            if self.run.delete_plan is not None:
                self._delete(config, self.run, self.run.delete_plan)
        reason = verdict(self.run.metrics, job.max_failed_objects, self.run.details["deletions"])
        if reason is not None:
            raise RunFailedError(reason, code="RunFailed")

    def _keep_extraneous(self, found: S3Object) -> None:
        if self._options.dry_run:
            self._extraneous.append(found.key)

    def _delete(self, config: CopyJob, run: InProcessRun, plan: DeletePlan) -> None:
        job, stores = run.job, run.stores
        if job.dry_run:
            self.would_delete = describe_deletions(config, job, stores, plan, self._extraneous)
        judged = judge_run(config, job, stores, plan, run.metrics)
        confirmed = confirm(job, plan, judged, self._options.confirm)
        with make_console(stderr=True).status("deleting ..."):
            run.delete(plan, confirmed)

    def details(self, error: BaseException | None) -> RunDetails:
        """Return the metrics; of a run that ended before the plan, only the error."""
        if self.run is not None:
            return self.run.details
        name = Path(self._options.job)
        metrics = without_plan(
            make_run_id(self._now), "preflight", as_copy_error(error or InterruptedError())
        )
        return without_job(
            report(
                metrics,
                job=name.stem if name.suffix in ENDINGS else name.name,
                config_digest=None if self._config is None else self._config.digest,
                dry_run=self._options.dry_run,
            )
        )


def _run_preflight(job: EffectiveJob, sides: Sides, ahead: ListingAhead) -> EffectiveJob:
    with make_console(stderr=True).status("checking roles, buckets and permissions ..."):
        proven = preflight(job, sides, on_listed=ahead.begin)
    for remark in (*proven.on_list, *proven.not_proven):
        sys.stderr.write(f"{printable(remark)}\n")
    if proven.relay is not None:
        why = "\n".join(map(printable, proven.relay.split("\n")))
        sys.stderr.write(f"the bytes go through this machine's memory: {why}\n")
    return proven.job


@contextmanager
def _progress_bar(on_extraneous: Callable[[S3Object], None]) -> Iterator[Watch]:
    """Show a progress bar on a terminal; `on_extraneous` is called with what a mirror may delete."""
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    console = make_console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("listing", total=None)

        def show(objects: int) -> None:
            progress.update(bar, completed=objects)

        yield Watch(
            listed=show,
            planned=lambda objects: progress.update(bar, description="copying", total=objects, completed=0),
            counted=show if console.is_terminal else None,
            extraneous=on_extraneous,
        )


@contextmanager
def _handle_sigterm_as_ctrl_c() -> Iterator[None]:
    """Handle SIGTERM, which stops a container or a service, as Ctrl-C: nothing is left behind."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep stdout for the result: Airflow logs to what stdout is when Airflow is imported."""
    os.environ.setdefault(LEVEL_VARIABLE, "WARNING")
    with redirect_stdout(sys.stderr):
        yield


def open_sides(job: EffectiveJob) -> Sides:
    """Return both sides of a job; from now on the log escapes control characters.

    Raises:
        ConfigError: Airflow is needed to look a connection up, and can't be imported.
    """
    if any(map(needs_airflow, job.locations)):
        _import_airflow()  # before the log is configured, because it configures the log, too
    configure_log()
    return Sides.from_job(job)


def with_list(job: EffectiveJob, sides: Sides) -> EffectiveJob:
    """Return a job with the files of its list, if it has one; remarks on them go to stderr.

    Raises:
        CopyError: they can't be found, or are not what the job needs.
    """
    found = find_list(job, sides, make_sender(job.transfer))
    sys.stderr.write("".join(f"{printable(remark)}\n" for remark in found.remarks))
    return found.job


def with_server(job: EffectiveJob, sides: Sides) -> EffectiveJob:
    """Return a job with what its mirror has to know of the destination, as preflight finds it."""
    if job.mirror is None:
        return job
    return replace(job, mirror=replace(job.mirror, on_aws=is_aws(sides.destination)))


def _import_airflow() -> None:
    try:
        import airflow  # noqa: F401, PLC0415, TID251 - slow
    except Exception as error:
        msg = (
            f"Airflow can't be imported here: {type(error).__name__}: {error}. "
            "Check AIRFLOW_HOME, its airflow.cfg, and the locale"
        )
        raise ConfigError(msg, code=Code.INVALID_CONFIG) from error


def make_console(*, stderr: bool = False) -> Console:
    """Return a console on stdout or stderr."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = 120  # a pipe has no width; rich would use 80
    return console
