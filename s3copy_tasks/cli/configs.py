"""`s3copy validate`, `explain`, `new` and `schema`: they work without Airflow and AWS."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from s3copy_tasks.cli.jobs import DONE, FAILED, UsageError, files_of, job_file
from s3copy_tasks.config.catalog import load_files
from s3copy_tasks.config.check.schema import SCHEMA_FILE
from s3copy_tasks.config.layers import ENDINGS, find_defaults, read_layers
from s3copy_tasks.config.load import job_of, judge_job
from s3copy_tasks.config.show.explain import explained
from s3copy_tasks.config.show.report import as_github, as_json, as_text, text_lines
from s3copy_tasks.config.show.scaffold import commented

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from s3copy_tasks.config.problem import Problem

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_FORMATS = {"json": as_json, "github": as_github}


def validate(options: argparse.Namespace) -> int:
    """Report everything that is wrong with files and folders."""
    paths = options.paths or [options.config_dir]
    files = files_of(paths)
    if not files:
        where = ", ".join(map(str, paths))
        raise UsageError(
            f"no configs in {where}: config files end in .yaml or .yml, and subfolders are not read"
        )
    catalog = load_files(files)
    found = sorted([*catalog.problems, *catalog.warnings], key=lambda problem: problem.place)
    if options.format in _FORMATS:
        sys.stdout.write(_FORMATS[options.format](found))
    else:
        _show(found)
    wrong = {problem.file for problem in catalog.problems}
    valid = sum(str(job.file) not in wrong for job in catalog.jobs)
    counts = [_counted(catalog.problems, "problem")]
    counts += [_counted(catalog.warnings, "warning")] if catalog.warnings else []
    sys.stderr.write(f"{valid} of {len(files)} configs valid, {', '.join(counts)}\n")
    return FAILED if catalog.problems else DONE


def _counted(found: Sequence[Problem], noun: str) -> str:
    return f"{len(found)} {noun}{'' if len(found) == 1 else 's'}"


def _show(problems: Sequence[Problem]) -> None:
    """Write the report, in colour on a terminal."""
    if not sys.stdout.isatty():
        sys.stdout.write(as_text(problems))
        return
    from rich.console import Console  # noqa: PLC0415 - slow, and only a terminal has colours
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    for line in text_lines(problems):
        console.print(Text.assemble(*line), soft_wrap=True)


def explain(options: argparse.Namespace) -> int:
    """Show every value of a job, and where it comes from."""
    file = job_file(options.job, options.config_dir)
    layers = read_layers(file, find_defaults(file.parent))
    job, warnings = judge_job(layers)
    if isinstance(job, list):
        _show(job)
        return FAILED
    sys.stderr.write(as_text(warnings))
    sys.stdout.write(explained(layers))
    return DONE


def new(options: argparse.Namespace) -> int:
    """Write a valid config; if the answers make an invalid one, report that and write nothing."""
    folder, name = options.config_dir, options.name
    if not _NAME.fullmatch(name) or name.endswith(ENDINGS):
        words = "use letters, digits, dashes, dots and underscores, start with a letter or a digit"
        raise UsageError(f"{name!r} is not a valid job name: {words}, and leave out the extension")
    file = folder / f"{name}{ENDINGS[0]}"
    content = commented(_document(options)).encode()
    job = job_of(read_layers(file, find_defaults(folder), content))
    if isinstance(job, list):
        placeless = (replace(one, line=None, column=None) if one.file == str(file) else one for one in job)
        _show([*placeless])
        return FAILED
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any((folder / f"{name}{ending}").exists() for ending in ENDINGS):
            raise UsageError(f"the job {name!r} already exists in {folder}")
        file.write_bytes(content)
    except OSError as error:
        raise UsageError(f"can't write {file}: {error.strerror}") from None
    sys.stdout.write(f"{file}\n")
    return DONE


def _document(options: argparse.Namespace) -> dict[str, Any]:
    sides = {
        side: {
            field: value
            for field in ("bucket", "account", "connection", "role_arn", "region")
            if (value := getattr(options, f"{side}_{field}")) is not None
        }
        for side in ("source", "destination")
    }
    entries = {
        field: [{"source": source, "destination": destination} for source, destination in given]
        for field, given in (("prefixes", options.prefix), ("objects", options.object))
        if given
    }
    known = {"description": options.description, "owner": options.owner, "schedule": options.schedule}
    return {
        "version": 1,
        **{field: value for field, value in known.items() if value is not None},
        **sides,
        **entries,
    }


def schema(_: argparse.Namespace) -> int:
    """Print the JSON schema of a config."""
    sys.stdout.write(SCHEMA_FILE.read_text(encoding="utf-8"))
    return DONE
