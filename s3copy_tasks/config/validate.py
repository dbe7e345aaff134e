"""Reads one file and says everything that is wrong with it, or returns the job."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from s3copy_tasks.config.job import CopyJob
from s3copy_tasks.config.problem import Problem
from s3copy_tasks.config.schedule import cron_of
from s3copy_tasks.config.schema import problems_of_schema, with_defaults
from s3copy_tasks.config.source import SourceError, read_document
from s3copy_tasks.config.template import DATE_NAMES, UnknownNameError, names_in
from s3copy_tasks.core.job import EffectiveJob
from s3copy_tasks.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME_CHARACTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
_NAME_MAX = 200  # Airflow takes 250 characters for the id of a Dag


def load_job(file: Path) -> CopyJob | list[Problem]:
    """Return the job of a file, or every problem of it; never raises for what is in the file."""
    name = str(file)
    try:
        document = read_document(file)
    except OSError as error:
        return [Problem(file=name, message=f"can't be read: {error.strerror}")]
    except SourceError as error:
        return [Problem(file=name, line=error.line, column=error.column, message=error.message)]
    if document is None:
        return [Problem(file=name, message="is empty: a job begins with `version: 1`")]
    if not isinstance(document, dict):
        return [Problem(file=name, message="is no job: a job is a mapping that begins with `version: 1`")]
    problems = list(problems_of_schema(document, name))
    if problems:
        return _sorted(problems)
    return _checked(file, with_defaults(document))


def _checked(file: Path, document: dict[str, Any]) -> CopyJob | list[Problem]:
    """Check what the schema can't say; the job where nothing is wrong."""
    name = str(file)
    problems = [
        Problem(file=name, path=path, message=message) for path, message in _beyond_schema(file, document)
    ]
    if problems:
        return _sorted(problems)
    job = CopyJob.of(file.stem, file, document)
    later = [*_template_problems(job), *_static_problems(job)]
    problems = [Problem(file=name, path=path, message=message) for path, message in later]
    return _sorted(problems) or job


def _sorted(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.place)


def _beyond_schema(file: Path, document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if not set(file.stem) <= _NAME_CHARACTERS:
        yield "", "the file's name is the job's name: use letters, digits, dashes, dots and underscores"
    if len(file.stem) > _NAME_MAX:
        yield "", f"the file's name is the job's name: use {_NAME_MAX} characters at most"
    try:
        ZoneInfo(document["timezone"])
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones, such as Europe
        yield (
            "timezone",
            f"{document['timezone']!r} is no time zone of the IANA database, such as UTC or Europe/Berlin",
        )
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


def _static_problems(job: CopyJob) -> Iterator[tuple[str, str]]:
    """Yield what every run would refuse; where there are templates, only the run itself can tell."""
    if any("{" in template for _, template in job.templates()):
        return
    try:
        EffectiveJob(
            name=job.name,
            run_id="",
            digest=job.digest,
            source=job.source,
            destination=job.destination,
            prefixes=job.prefixes,
            objects=job.objects,
        )
    except ConfigError as error:
        for line in error.message.splitlines():
            yield "", line


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
