"""The arguments of `s3copy`, and what each command calls: the same code as the Dags."""

from __future__ import annotations

import argparse
import atexit
import gc
import io
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from s3copy_tasks import __version__
from s3copy_tasks.cli import configs, dag_files
from s3copy_tasks.cli.jobs import FAILED, USAGE_ERROR, UsageError, default_folder
from s3copy_tasks.core.text import printable
from s3copy_tasks.engine.garbage import collect_garbage_rarely
from s3copy_tasks.errors import CopyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_YEARS = range(1970, 9000)


@collect_garbage_rarely()
def run_command(arguments: Sequence[str] | None) -> int:
    """Run the command of these arguments, by default of the process's own, and return its exit code."""
    atexit.register(gc.freeze)  # or the last collection scans all imported modules again: half a second
    options = _parser().parse_args(arguments)
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()  # None if closed
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may lack a file's characters
    try:
        return int(options.command(options))
    except UsageError as error:
        _say(f"s3copy: {error}")
        return USAGE_ERROR
    except CopyError as error:
        _say(f"s3copy: {error}")
        return FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        sys.stderr.write(f"s3copy: can't write: {error.strerror}\n")
        return FAILED


def _nowhere() -> io.TextIOWrapper:
    return Path(os.devnull).open("w", encoding="utf-8")


def _say(words: str) -> None:
    """Write lines to stderr, escaped: file names and S3's messages are untrusted input."""
    sys.stderr.write("".join(f"{printable(line)}\n" for line in words.split("\n")))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="s3copy", description="Copy S3 objects between AWS accounts.")
    parser.add_argument("--version", action="version", version=f"s3copy {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    validate = commands.add_parser("validate", help="report everything that is wrong with configs")
    validate.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files or folders")
    validate.add_argument("--format", choices=["text", "json", "github"], default="text")
    validate.set_defaults(command=configs.validate)

    explain = commands.add_parser("explain", help="show every value of a job, and where it comes from")
    explain.set_defaults(command=configs.explain)

    plan = commands.add_parser("plan", help="show what a run would copy and delete, and what it would cost")
    plan.add_argument("--json", action="store_true", help="one JSON object on stdout")
    plan.set_defaults(command=_plan)

    run = commands.add_parser("run", help="copy, for a mirror delete, and show the metrics")
    _add_run_modes(run)
    run.set_defaults(command=_run)

    audit = commands.add_parser("audit", help="compare both sides, including checksums, metadata and tags")
    audit.add_argument("--json", action="store_true", help="one JSON object per line on stdout")
    audit.set_defaults(command=_audit)

    undelete = commands.add_parser("undelete", help="restore what a run of a mirror has deleted")
    _add_markers(undelete)
    undelete.set_defaults(command=_undelete, prefix=[], folder=None, manifest=None)

    policy = commands.add_parser("policy", help="print a job's least-privilege policies as JSON for AWS")
    policy.set_defaults(command=_policy)

    new = commands.add_parser("new", help="write a new config, with comments")
    _add_answers(new)
    new.set_defaults(command=configs.new)

    schema = commands.add_parser("schema", help="print the JSON schema of a config")
    schema.set_defaults(command=configs.schema)

    install = commands.add_parser("install-dags", help="write the files that turn configs into Dags")
    install.add_argument(
        "folder", type=Path, metavar="FOLDER", help="Airflow's Dags folder; created if missing"
    )
    install.set_defaults(command=dag_files.install_dags)

    _add_shared(commands.choices)
    return parser


def _add_shared(commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """Add the arguments that several commands have."""
    for name in ("validate", "explain", "plan", "run", "audit", "undelete", "policy", "new"):
        _add_folder(commands[name])
    for name in ("explain", "plan", "run", "audit", "undelete", "policy"):
        commands[name].add_argument("job", metavar="JOB", help="a config file, or a job's name in the folder")
    for name in ("plan", "run", "audit", "undelete"):
        _add_date(commands[name])
    for name in ("plan", "run", "audit"):
        _add_run(commands[name])
    for name in ("plan", "run"):
        _add_modes_of_mirrors(commands[name])


def _add_modes_of_mirrors(command: argparse.ArgumentParser) -> None:
    command.add_argument("--copy-only", action="store_true", help="delete nothing; for jobs with mirror")
    command.add_argument(
        "--delete-folder",
        metavar="FOLDER",
        help="copy nothing, and delete all below this folder of the destination, such as out/2026/01/; "
        "for jobs with mirror.delete_folder",
    )


def _add_run_modes(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="one JSON object on stdout, logs on stderr")
    how = command.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="plan and count, copy and delete nothing")
    how.add_argument(
        "--confirm",
        type=_count,
        metavar="COUNT",
        help="number of objects that a mirror may delete: exactly as many as `s3copy plan` shows",
    )
    command.add_argument(
        "--force",
        action="store_true",
        help="copy unchanged objects again; `overwrite: never` still applies",
    )


def _add_folder(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config-dir",
        type=Path,
        default=default_folder(),
        help="folder of configs (default: AIRFLOW__S3COPY__CONFIG_DIR if set, or copy_configs)",
    )


def _add_markers(command: argparse.ArgumentParser) -> None:
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--run", metavar="RUN", help="id of the run; its job must write results")
    which.add_argument(
        "--since",
        type=_moment_with_zone,
        metavar="MOMENT",
        help="all deletes in the job's prefixes since then, whoever made them, such as 2026-01-31T02:00Z",
    )
    how = command.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="show what can be restored, restore nothing")
    how.add_argument(
        "--confirm",
        type=_count,
        metavar="COUNT",
        help="number of objects to restore: exactly as many as can be; with --since, needed to restore any",
    )
    command.add_argument("--json", action="store_true", help="one JSON object on stdout, with all keys")


def _add_date(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--logical-date",
        type=_moment,
        metavar="DATE",
        help="templates use the first scheduled run at or after this date, such as 2026-01-31",
    )


def _add_run(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--folder",
        help="only what is below this folder of the prefixes, such as 2026/01/; for jobs with mirror",
    )
    what = command.add_mutually_exclusive_group()
    what.add_argument(
        "--prefix", action="append", default=[], help="only this source prefix, as written in the file"
    )
    what.add_argument(
        "--manifest",
        metavar="FILE_OR_URL",
        help="only what this list names: a local file, s3://bucket/key, or a prefix of lists, s3://bucket/prefix/",
    )


def _add_answers(new: argparse.ArgumentParser) -> None:
    new.add_argument("name", metavar="NAME", help="name of the job and of its file")
    for side in ("source", "destination"):
        new.add_argument(f"--{side}-bucket", required=True, metavar="BUCKET")
        new.add_argument(f"--{side}-account", metavar="DIGITS", help="account that owns the bucket")
        new.add_argument(f"--{side}-connection", metavar="ID", help="Airflow connection with the role")
        new.add_argument(f"--{side}-role-arn", metavar="ARN", help="role, instead of a connection")
        new.add_argument(f"--{side}-region", metavar="REGION")
    for kind in ("prefix", "object"):
        new.add_argument(
            f"--{kind}",
            action="append",
            nargs=2,
            default=[],
            metavar=("SOURCE", "DESTINATION"),
            help=f"{kind} to copy, and its destination; may be repeated",
        )
    new.add_argument("--schedule", help='cron such as "0 2 * * *", or a preset such as @daily')
    new.add_argument("--description", help="what the job is for")
    new.add_argument("--owner", help="person or team that is responsible for it")


def _plan(options: argparse.Namespace) -> int:
    from s3copy_tasks.cli.plan import plan  # noqa: PLC0415 - validate starts without boto3 and Airflow

    return plan(options)


def _audit(options: argparse.Namespace) -> int:
    from s3copy_tasks.cli.audit import audit  # noqa: PLC0415 - validate starts without boto3 and Airflow

    return audit(options)


def _policy(options: argparse.Namespace) -> int:
    from s3copy_tasks.cli.policy import policy  # noqa: PLC0415 - validate starts without boto3 and Airflow

    return policy(options)


def _run(options: argparse.Namespace) -> int:
    from s3copy_tasks.cli.runs import run  # noqa: PLC0415 - validate starts without boto3 and Airflow

    return run(options)


def _undelete(options: argparse.Namespace) -> int:
    from s3copy_tasks.cli.undelete import undelete  # noqa: PLC0415 - validate starts without boto3 and Airflow

    return undelete(options)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of objects (example: 12)")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid date (example: 2026-01-31)") from None
    if moment.year not in _YEARS:
        raise argparse.ArgumentTypeError(f"{text!r}: the year must be from {_YEARS[0]} to {_YEARS[-1]}")
    return moment


def _moment_with_zone(text: str) -> datetime:
    moment = _moment(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone (example: 2026-01-31T02:00Z)")
    return moment
