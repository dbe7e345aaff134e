"""The command `s3copy`: validates configs, plans and runs jobs by the same code as the Dags."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3copy_tasks import __version__
from s3copy_tasks.config.catalog import ENDINGS, job_files, load_files
from s3copy_tasks.config.validate import load_job
from s3copy_tasks.errors import INVALID_CONFIG, ConfigError, CopyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from s3copy_tasks.listing import Stores
    from s3copy_tasks.s3.accounts import AwsConnectionManager

    Managers = tuple[AwsConnectionManager, AwsConnectionManager]

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


class WrongUseError(Exception):
    """The command was called in a way that it can't carry out."""


class RunFailedError(CopyError):
    """The run ended, with more failures than it may have."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 failed or invalid, 2 wrong use."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not know a file's letters
    try:
        return int(options.command(options))
    except WrongUseError as error:
        sys.stderr.write(f"s3copy: {error}\n")
        return WRONG_USE
    except CopyError as error:
        sys.stderr.write(f"s3copy: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("s3copy: interrupted. Run again to copy what is missing\n")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="s3copy", description="Copy S3 objects between AWS accounts.")
    parser.add_argument("--version", action="version", version=f"s3copy {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    validate = commands.add_parser("validate", help="say everything that is wrong with configs")
    validate.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files or folders")
    validate.add_argument("--format", choices=["text", "json"], default="text")
    validate.set_defaults(command=_validate)

    plan = commands.add_parser("plan", help="show what a run would copy, and what it would cost")
    plan.add_argument("--json", action="store_true", help="one JSON object on stdout")
    plan.set_defaults(command=_plan)

    run = commands.add_parser("run", help="copy, and show the metrics")
    run.add_argument("--json", action="store_true", help="one JSON object on stdout, logs on stderr")
    run.add_argument("--dry-run", action="store_true", help="plan and count, copy nothing")
    run.add_argument("--force", action="store_true", help="copy again what is unchanged")
    run.set_defaults(command=_run)

    for command in (validate, plan, run):
        command.add_argument(
            "--config-dir",
            type=Path,
            default=Path(os.environ.get("AIRFLOW__S3COPY__CONFIG_DIR") or "copy_configs"),
            help="folder of configs (AIRFLOW__S3COPY__CONFIG_DIR, else copy_configs)",
        )
    for command in (plan, run):
        command.add_argument("job", metavar="JOB", help="a config file, or a job's name in the folder")
        command.add_argument(
            "--logical-date",
            type=_moment,
            metavar="DATE",
            help="for dates in templates, such as 2026-01-31: the first run at or after it",
        )
        command.add_argument(
            "--prefix", action="append", default=[], help="only this source prefix, as it stands in the file"
        )
    return parser


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date, such as 2026-01-31") from None


def _validate(options: argparse.Namespace) -> int:
    files = list(_job_files(options.paths or [options.config_dir]))
    catalog = load_files(files)
    if options.format == "json":
        rows = [
            {"file": p.file, "line": p.line, "column": p.column, "path": p.path, "message": p.message}
            for p in catalog.problems
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        for problem in catalog.problems:
            sys.stdout.write(f"{problem}\n")
        jobs, problems = len(catalog.jobs), len(catalog.problems)
        noun = "problem" if problems == 1 else "problems"
        sys.stderr.write(f"{jobs} of {len(files)} configs valid, {problems} {noun}\n")
    return FAILED if catalog.problems else DONE


def _job_files(paths: Iterable[Path]) -> Iterable[Path]:
    """Return files as they are named, and those of folders; one that is named twice counts once."""
    files: dict[Path, Path] = {}
    for path in paths:
        try:
            path.stat()
            found = job_files(path) if path.is_dir() else [path]
            files |= {file.absolute(): file for file in found}
        except OSError as error:
            raise WrongUseError(f"can't read {path}: {error.strerror}") from None
    return files.values()


def _plan(options: argparse.Namespace) -> int:
    from s3copy_tasks.listing import Stores  # noqa: PLC0415 - validate starts without it
    from s3copy_tasks.planning import plan_job  # noqa: PLC0415
    from s3copy_tasks.s3.accounts import managers_of  # noqa: PLC0415
    from s3copy_tasks.show import plan_as_dict, plan_table, title  # noqa: PLC0415

    with _quiet(), _console(stderr=True).status("listing ...") as status:
        job = _effective(options, dry_run=True)
        source, destination = managers_of(job)
        stores = Stores(source=source.store, destination=destination.store)
        plan = plan_job(job, stores, on_listed=lambda n: status.update(f"listing ... {n:,} objects"))
    plain = plan_as_dict(plan, job.name)
    if options.json:
        sys.stdout.write(json.dumps(plain, indent=2) + "\n")
        return DONE
    _console().print(title(plain), plan_table(plain), sep="\n")
    if not plain["to_copy"] + plain["to_compare"]:
        _console().print("nothing to copy")
    return DONE


def _run(options: argparse.Namespace) -> int:
    from s3copy_tasks.listing import Stores  # noqa: PLC0415 - validate starts without boto3
    from s3copy_tasks.s3.accounts import managers_of  # noqa: PLC0415
    from s3copy_tasks.show import error_lines, metrics_table, title  # noqa: PLC0415 - validate starts without it
    from s3copy_tasks.verdict import report, verdict  # noqa: PLC0415

    with _quiet():
        rendered = _effective(options, dry_run=options.dry_run)
        source, destination = managers_of(rendered)
        job = _proven(rendered, (source, destination))
        metrics = _carried_out(job, Stores(source=source.store, destination=destination.store))
    summary = report(job, metrics)
    if options.json:
        sys.stdout.write(json.dumps(summary, indent=2) + "\n")
    else:
        _console().print(title(summary), metrics_table(summary), sep="\n")
        for line in error_lines(summary):
            _console().print(line, soft_wrap=True)
    reason = verdict(metrics, job.max_failed_objects)
    if reason is not None:
        raise RunFailedError(reason, code="RunFailed")
    return DONE


def _effective(options: argparse.Namespace, *, dry_run: bool) -> EffectiveJob:
    """Find, load and render the job that the command names."""
    from s3copy_tasks.config.render import render_job  # noqa: PLC0415 - validate starts without it
    from s3copy_tasks.config.schedule import first_run, interval_from  # noqa: PLC0415
    from s3copy_tasks.config.template import RunDates, date_names  # noqa: PLC0415

    job = load_job(_job_file(options.job, options.config_dir))
    if isinstance(job, list):
        raise ConfigError("\n".join(["invalid config", *map(str, job)]), code=INVALID_CONFIG)
    now = datetime.now(UTC)
    run_id = f"manual__{now.isoformat()}"
    names: dict[str, Any] = {"run_id": run_id, "params": {}, "dag_run": RunDates(now)}
    if options.logical_date is not None:
        moment = first_run(options.logical_date, job.schedule, job.timezone)
        names |= date_names(moment, interval_from(moment, job.schedule, job.timezone))
    return render_job(
        job,
        names,
        run_id=run_id,
        prefixes=options.prefix,
        force=getattr(options, "force", False),
        dry_run=dry_run,
    )


def _job_file(named: str, folder: Path) -> Path:
    path = Path(named)
    if path.suffix in ENDINGS:
        if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where a name is too long
            raise WrongUseError(f"there is no file {path}")
        return path
    files = _job_files([folder])
    same = [file for file in files if file.stem == named]
    if len(same) > 1:
        raise ConfigError(f"two files give the job {named!r}: {same[0]}, {same[1]}", code=INVALID_CONFIG)
    if same:
        return same[0]
    known = ", ".join(sorted(file.stem for file in files)) or "none"
    raise WrongUseError(f"there is no job {named!r} in {folder}. Jobs there: {known}")


def _proven(job: EffectiveJob, managers: Managers) -> EffectiveJob:
    from s3copy_tasks.s3.preflight import preflight  # noqa: PLC0415 - validate starts without boto3

    with _console(stderr=True).status("checking roles, buckets and permissions ..."):
        proven = preflight(job, *managers)
    for remark in proven.not_proven:
        sys.stderr.write(f"{remark}\n")
    return proven.job


def _carried_out(job: EffectiveJob, stores: Stores) -> TransferMetrics:
    """Carry out a run, with a progress bar on a terminal."""
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415

    from s3copy_tasks.inprocess import InProcessRun, Watch  # noqa: PLC0415 - validate starts without it
    from s3copy_tasks.sender import Sender  # noqa: PLC0415

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    console = _console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("listing", total=None)
        watch = Watch(
            listed=lambda objects: progress.update(bar, completed=objects),
            planned=lambda objects: progress.update(bar, description="copying", total=objects, completed=0),
            counted=lambda objects: progress.update(bar, completed=objects),
        )
        run = InProcessRun(job, stores, Sender(job.transfer.concurrency), watch=watch)
        run.carry_out()
    return run.metrics


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep stdout for the result: Airflow, once imported, logs to whatever stdout is then."""
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    with redirect_stdout(sys.stderr):
        yield


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console  # noqa: PLC0415 - validate starts without it

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = 120  # a pipe has no width; rich would take 80
    return console


if __name__ == "__main__":
    sys.exit(main())
