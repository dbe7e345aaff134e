"""The queue in the section `from`: what is wrong with its URL, and what can't be used with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.check.document import find_text
from s3copy_tasks.config.check.schema import schema
from s3copy_tasks.config.problem import Code, Finding
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.queue import Queue, find_queue_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.config.read.place import Parts

QUEUE: Parts = ("from", "queue")
_OF_LISTS = {"columns": "manifest", "keys": "manifest", "header": "manifest", "max_age": "inventory"}
"""Fields that say how a list is read, and what each of them needs."""


def check_queue(document: dict[str, Any], section: dict[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with a job that has a queue; defaults may be written.

    Args:
        document: of the job.
        section: its `from`.
    """
    url = section.get("queue")
    if not isinstance(url, str):
        return
    if find_text(document, ("on_empty",)) == "succeed":
        words = (
            "can't be used with `from.queue`: a run without messages always succeeds. Remove it. "
            "If it comes from _defaults.yaml, write `on_empty: fail` here"
        )
        yield Finding(parts=("on_empty",), code=Code.EXCLUSIVE_FIELDS, message=words, at_name=True)
    problem = find_queue_problem(url)
    if problem is not None and url.startswith(("http://", "https://")):  # if not, the schema says so
        yield Finding(parts=QUEUE, code=Code.WRONG_FORM, message=problem)
    fields = schema()["properties"]["from"]["properties"]
    for name, other in _OF_LISTS.items():
        is_default = section.get(name, fields[name]["default"]) == fields[name]["default"]
        if not is_default and not any(isinstance(section.get(one), str) for one in ("manifest", "inventory")):
            words = f"`{name}` needs `{other}`: the messages of a queue have one form"
            yield Finding(parts=("from", name), code=Code.EXCLUSIVE_FIELDS, message=words, at_name=True)


def find_queue(document: dict[str, Any]) -> Queue | None:
    """Return the queue of a job; None if it has none, or not a valid one."""
    url = find_text(document, QUEUE)
    return None if url is None or find_queue_problem(url) else Queue(url=url, location=Location(bucket=""))
