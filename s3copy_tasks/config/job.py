"""A job as its file defines it: with defaults, templates not rendered yet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from s3copy_tasks.config.duration import parse_duration
from s3copy_tasks.config.lists import build_keys_from, build_results
from s3copy_tasks.config.notify import Notify
from s3copy_tasks.core.job import (
    Approval,
    Filters,
    Mirror,
    ObjectEntry,
    Overwrite,
    PrefixEntry,
    canonical,
    compute_digest,
    list_entries,
)
from s3copy_tasks.core.key_list import KeyList
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import ObjectOptions, TransferOptions
from s3copy_tasks.core.queue import Queue

if TYPE_CHECKING:
    from pathlib import Path

    from s3copy_tasks.core.key_list import ResultsPlace

_UNITS: dict[str, int] = {"B": 1} | {
    f"{letter}{infix}B": base**power
    for infix, base in (("", 1000), ("i", 1024))
    for power, letter in enumerate("KMGT", start=1)
}
_LATER_SECTIONS = frozenset({"from", "mirror", "results"})
_LATER_IN_FROM = frozenset({"queue"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowOptions:
    """How Airflow runs the tasks; None leaves it to Airflow.

    Attributes:
        queue: of all tasks.
        executor: of all tasks.
        pool: of the batches.
        priority_weight: of all tasks.
        execution_timeout: of one attempt of a task that sends requests to S3.
        retry_delay: between two attempts of a task.
    """

    queue: str | None = None
    executor: str | None = None
    pool: str | None = None
    priority_weight: int | None = None
    execution_timeout: timedelta | None = None
    retry_delay: timedelta | None = None

    @classmethod
    def of(cls, section: dict[str, Any]) -> AirflowOptions:
        """Build it from the section of a valid document with its defaults."""
        durations = {name: parse_duration(section[name]) for name in ("execution_timeout", "retry_delay")}
        return cls(**section | durations)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyJob:
    """One valid config file.

    Attributes:
        name: the file's stem.
        file: where it was read from.
        schedule: cron or a preset; None if it is started manually, by assets or by its queue.
        schedule_assets: asset URIs whose updates start it.
        schedule_queue: messages that wait in its queue start it.
        start_date: midnight in the job's time zone.
        prefixes: templates.
        objects: templates.
        keys_from: the list that names the keys, its own key a template, or a queue; None lists the prefixes.
        filters: without `modified_since`.
        modified_since: template of a date.
        results: where a row for each object is written; None means nowhere.
        mirror: what a run may delete, without entries, which `render_job` fills in; None means nothing.
        approvers: ids of the users who may approve deletes; none means whoever Airflow lets answer.
        answer_within: how long a run waits for that.
        deletes_folders: a run may be started that deletes a whole folder of the destination.
        retries: of a task, by Airflow.
        airflow: how Airflow runs the tasks.
        notify: who is notified of how a run ended.
        config: the document with its defaults, as canonical JSON; sizes in bytes.
        digest: sha256 of `config`.
    """

    name: str
    file: Path
    description: str
    owner: str
    tags: tuple[str, ...]
    schedule: str | None
    schedule_assets: tuple[str, ...]
    schedule_queue: bool
    timezone: ZoneInfo
    start_date: datetime
    source: Location
    destination: Location
    prefixes: tuple[PrefixEntry, ...]
    objects: tuple[ObjectEntry, ...]
    keys_from: KeyList | Queue | None
    filters: Filters
    modified_since: str | None
    overwrite: Overwrite
    verify: str
    on_empty: str
    options: ObjectOptions
    transfer: TransferOptions
    max_failed_objects: int
    retries: int
    results: ResultsPlace | None
    mirror: Mirror | None
    approvers: tuple[str, ...]
    answer_within: timedelta | None
    deletes_folders: bool
    airflow: AirflowOptions
    notify: Notify
    config: str
    digest: str

    @classmethod
    def of(cls, name: str, file: Path, document: dict[str, Any]) -> CopyJob:
        """Build the job of a valid document with its defaults."""
        schedule = document["schedule"]
        events: dict[str, Any] = schedule if isinstance(schedule, dict) else {}
        transfer = document["transfer"] | {"batch_bytes": parse_bytes(document["transfer"]["batch_bytes"])}
        former_pool = transfer.pop("pool", None)  # deprecated: the same job has the same digest
        airflow = document["airflow"] | {"pool": document["airflow"]["pool"] or former_pool}
        filters, failure = document["filters"], document["failure"]
        effective = _drop_later_fields(document | {"transfer": transfer, "airflow": airflow})
        source, destination = Location(**document["source"]), Location(**document["destination"])
        zone = ZoneInfo(document["timezone"])
        return cls(
            name=name,
            file=file,
            description=document["description"],
            owner=document["owner"],
            tags=tuple(document["tags"]),
            schedule=None if events else schedule,
            schedule_assets=tuple(events.get("assets", ())),
            schedule_queue=events.get("queue", False),
            timezone=zone,
            start_date=datetime.combine(
                date.fromisoformat(document["start_date"]), datetime.min.time(), tzinfo=zone
            ),
            source=source,
            destination=destination,
            prefixes=tuple(PrefixEntry(**entry) for entry in document["prefixes"]),
            objects=tuple(ObjectEntry(**entry) for entry in document["objects"]),
            keys_from=build_keys_from(document["from"], source),
            filters=Filters(include=tuple(filters["include"]), exclude=tuple(filters["exclude"])),
            modified_since=filters["modified_since"],
            overwrite=Overwrite(document["overwrite"]),
            verify=document["verify"],
            on_empty=document["on_empty"],
            options=ObjectOptions(**document["object"]),
            transfer=TransferOptions(**transfer),
            max_failed_objects=failure["max_failed_objects"],
            retries=failure["retries"],
            results=build_results(document["results"], destination),
            mirror=_build_mirror(document["mirror"]),
            approvers=tuple((document["mirror"] or {}).get("approvers", ())),
            answer_within=parse_duration((document["mirror"] or {}).get("answer_within")),
            deletes_folders=(document["mirror"] or {}).get("delete_folder", False),
            airflow=AirflowOptions.of(airflow),
            notify=Notify.of(document["notify"]),
            config=canonical(effective),
            digest=compute_digest(effective),
        )

    @property
    def key_list(self) -> KeyList | None:
        """The list that names the keys; None without a list."""
        return self.keys_from if isinstance(self.keys_from, KeyList) else None

    @property
    def queue(self) -> Queue | None:
        """The queue whose messages name the keys; None without a queue."""
        return self.keys_from if isinstance(self.keys_from, Queue) else None

    def templates(self) -> list[tuple[str, str]]:
        """Return every template of the job with its path in the file."""
        found = [
            (f"{field}[{index}].{side}", getattr(entry, side))
            for field, index, entry in list_entries(self.prefixes, self.objects)
            for side in ("source", "destination")
        ]
        if self.key_list is not None and not self.key_list.inventory:
            found.append(("from.manifest", self.key_list.key))
        if self.modified_since is not None:
            found.append(("filters.modified_since", self.modified_since))
        return found


def _drop_later_fields(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without later fields that are null: the job had its digest before them."""
    kept = _drop_nulls(document, _LATER_SECTIONS)
    return kept | {"from": _drop_nulls(kept["from"], _LATER_IN_FROM)} if "from" in kept else kept


def _drop_nulls(section: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in section.items() if value is not None or name not in names}


def _build_mirror(section: dict[str, Any] | None) -> Mirror | None:
    """Return the limits of deletes; None without the section."""
    if section is None:
        return None
    return Mirror(
        max_deleted_objects=section["max_deleted_objects"],
        max_deleted_percent=section["max_deleted_percent"],
        approval=Approval(section["approval"]),
        allows_unversioned=section["unversioned"] == "allow",
    )


def parse_bytes(text: str | int) -> int:
    """Return a size such as `100 GiB`, `1 MB` or a number in bytes."""
    if isinstance(text, int):
        return text
    number, unit = re.findall(r"[0-9]+|[A-Za-z]+", text)
    return int(number) * _UNITS[unit]
