"""Reads one file and says everything that is wrong with it, or returns the job."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from s3copy_tasks.config.job import CopyJob
from s3copy_tasks.config.problem import Problem
from s3copy_tasks.config.schedule import cron_of
from s3copy_tasks.config.schema import problems_of_schema, with_defaults
from s3copy_tasks.config.template import DATE_NAMES, UnknownNameError, names_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml: ten times as fast
_NAME_CHARACTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


def load_job(file: Path) -> CopyJob | list[Problem]:
    """Return the job of a file, or every problem of it; never raises for what is in the file."""
    name = str(file)
    try:
        document = yaml.load(file.read_bytes(), _LOADER)  # noqa: S506 - a safe loader, both of them
    except OSError as error:
        return [Problem(file=name, message=f"can't be read: {error.strerror}")]
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        return [_syntax_problem(name, error)]
    if not isinstance(document, dict):
        return [Problem(file=name, message="is no job: a job is a mapping that begins with `version: 1`")]
    problems = list(problems_of_schema(document, name))
    if problems:
        return _sorted(problems)
    return _checked(file, with_defaults(document))


def _syntax_problem(file: str, error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    text = getattr(error, "problem", None) or str(error).splitlines()[0]
    return Problem(
        file=file,
        line=mark.line + 1 if mark else None,
        column=mark.column + 1 if mark else None,
        message=f"not YAML: {text}",
    )


def _checked(file: Path, document: dict[str, Any]) -> CopyJob | list[Problem]:
    """Check what the schema can't say; the job where nothing is wrong."""
    name = str(file)
    problems = [
        Problem(file=name, path=path, message=message) for path, message in _beyond_schema(file, document)
    ]
    if problems:
        return _sorted(problems)
    job = CopyJob.of(file.stem, file, document)
    problems = [Problem(file=name, path=path, message=message) for path, message in _template_problems(job)]
    return _sorted(problems) or job


def _sorted(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.place)


def _beyond_schema(file: Path, document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if not set(file.stem) <= _NAME_CHARACTERS:
        yield "", "the file's name is the job's name: use letters, digits, dashes, dots and underscores"
    try:
        ZoneInfo(document["timezone"])
    except (ZoneInfoNotFoundError, ValueError):
        yield "timezone", f"{document['timezone']!r} is no time zone of the IANA database, such as UTC"
    try:
        date.fromisoformat(document["start_date"])
    except ValueError:
        yield "start_date", f"there is no day {document['start_date']}"
    if isinstance(document["schedule"], str):
        try:
            cron_of(document["schedule"])
        except ValueError as error:
            yield "schedule", str(error)
    since = document["filters"]["modified_since"]
    if since is not None and "{" not in since:
        try:
            parse_moment(since, ZoneInfo("UTC"))
        except ValueError as error:
            yield "filters.modified_since", str(error)


def _template_problems(job: CopyJob) -> Iterator[tuple[str, str]]:
    for path, template in job.templates():
        try:
            names = names_in(template)
        except UnknownNameError as error:
            yield path, str(error)
            continue
        dates = sorted(names & DATE_NAMES)
        if job.schedule_assets and dates:
            instead = "Use dag_run.run_after, such as {{ dag_run.run_after | ds }}"
            yield path, f"{', '.join(dates)}: a run that assets start has no logical date. {instead}"


def parse_moment(text: str, zone: ZoneInfo) -> datetime:
    """Return a date at midnight in `zone`, or a time that says its own zone.

    Raises:
        ValueError: it is neither, or it is a time without a zone.
    """
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), tzinfo=zone)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is no date or time, such as 2026-01-01 or 2026-01-01T02:00:00+00:00"
        raise ValueError(msg) from None
    if moment.tzinfo is None:
        msg = f"{text!r} has no time zone. Write {text}Z or {text}+00:00"
        raise ValueError(msg)
    return moment
