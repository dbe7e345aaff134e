"""The section `mirror`: what can't be used with it, and templates with which it would delete too much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.check.document import find_list, find_section, find_text
from s3copy_tasks.config.check.overlap import PrefixIndex
from s3copy_tasks.config.check.template import UnknownNameError, names_in, template_parts
from s3copy_tasks.config.problem import Code, Finding
from s3copy_tasks.config.read.hints import written
from s3copy_tasks.core.bucket_names import is_access_point, is_alias
from s3copy_tasks.core.globs import can_pass
from s3copy_tasks.core.job import PrefixEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s3copy_tasks.config.read.place import Parts
    from s3copy_tasks.core.job import Entries, ObjectEntry

_SECTION: Parts = ("mirror",)
_BUCKET: Parts = ("destination", "bucket")
_ELSEWHERE = "If it comes from _defaults.yaml, set it to null here"


def check_mirror(document: dict[str, Any], entries: Entries) -> Iterator[Finding]:
    """Yield why a job must not delete.

    Args:
        document: of the job.
        entries: of the job.
    """
    section = find_section(document, "mirror")
    if section is None:
        return
    if find_section(document, "from") is not None:
        words = (
            "can't be used with `from`: no list or queue says what the source no longer has. "
            f"Remove one of them. {_ELSEWHERE}"
        )
        yield Finding(parts=_SECTION, code=Code.EXCLUSIVE_FIELDS, message=words, at_name=True)
    if find_list(document, "objects") and not find_list(document, "prefixes"):
        words = (
            "needs `prefixes`: only objects below a destination prefix are deleted, never a single one of "
            f"`objects`. {_ELSEWHERE}"
        )
        yield Finding(parts=_SECTION, code=Code.EXCLUSIVE_FIELDS, message=words, at_name=True)
    bucket = find_text(document, _BUCKET) or ""
    if is_access_point(bucket) or is_alias(bucket):
        words = (
            "with `mirror`, write the name of the bucket: an access point does not say whether it is "
            "versioned, nor what other jobs write to it by its name"
        )
        yield Finding(parts=_BUCKET, code=Code.WRONG_FORM, message=words)
    is_asked = section.get("approval", "never") != "never" or section.get("delete_folder")
    if section.get("approvers") and not is_asked:
        words = (
            "without mirror.approval, no one is asked. Write approval: above_caps or always, or remove them"
        )
        yield Finding(parts=(*_SECTION, "approvers"), code=Code.EXCLUSIVE_FIELDS, message=words, at_name=True)
    yield from _check_templates(entries)


def _check_templates(entries: Entries) -> Iterator[Finding]:
    """Yield the entries whose copies of other runs a run would delete."""
    valid = [one for one in entries if _has_known_names(one[-1])]
    prefixes = [(index, entry) for _, index, entry in valid if isinstance(entry, PrefixEntry)]
    scope = PrefixIndex(entry.destination for _, entry in prefixes)
    for field, index, entry in valid:
        lost = _find_lost_expression(entry) if isinstance(entry, PrefixEntry) else None
        words = lost or _find_scope_around(entry, prefixes, scope)
        if words is not None:
            parts = (field, index, "destination")
            yield Finding(parts=parts, code=Code.MIRROR_OTHER_RUNS, message=words)


def _has_known_names(entry: PrefixEntry | ObjectEntry) -> bool:
    try:
        names_in(entry.source)
        names_in(entry.destination)
    except UnknownNameError:  # it is reported
        return False
    return True


def _find_lost_expression(entry: PrefixEntry) -> str | None:
    """Return that a destination is the same in runs that have other sources."""
    kept = template_parts(entry.destination)
    if all(isinstance(part, str) or part in kept for part in template_parts(entry.source)):
        return None
    lost = sorted(names_in(entry.source) - names_in(entry.destination))
    what = ", ".join(f"{{{{ {name} }}}}" for name in lost) or "each template"
    return (
        f"with `mirror`, needs {what} of the source, written alike: else what other runs copied here would "
        "be extraneous to this one, and deleted"
    )


def _find_scope_around(
    entry: PrefixEntry | ObjectEntry, prefixes: Sequence[tuple[int, PrefixEntry]], scope: PrefixIndex
) -> str | None:
    """Return that other runs copy to another place where this run deletes."""
    if "{" not in entry.destination:
        return None
    for place, found in scope.find(entry.destination, is_prefix=isinstance(entry, PrefixEntry)):
        index, outer = prefixes[place]
        if found.is_around or not found.has_template:
            continue
        if found.within is None:
            where = "templates leave open whether this is below"
        elif can_pass(("*",), (), within=found.within, folders=outer.recursive):
            where = "in each run this is another place below"
        else:
            continue
        return (
            f"{where} {written(outer.destination)}, the destination of prefixes[{index}]: with `mirror`, "
            "what other runs copied here would be extraneous, and deleted. Choose a destination apart from it"
        )
    return None
