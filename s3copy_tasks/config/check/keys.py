"""Prefixes and keys that are valid in S3, but seldom meant: another tool would read them otherwise."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from s3copy_tasks.config.check.forms import Form, find_form
from s3copy_tasks.config.check.template import NAMES, UnknownNameError, literal_parts
from s3copy_tasks.config.problem import Code, Finding
from s3copy_tasks.config.read.hints import written
from s3copy_tasks.core.job import PrefixEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.core.job import Entries, ObjectEntry

_EXPRESSION = "x"
"""What an expression of a template renders to, as far as these rules are concerned."""


_NAME = "|".join(sorted(NAMES))
_FORMS = (
    Form(re.compile(r"^/"), "keys of S3 do not begin with `/`, unless they were written so"),
    Form(re.compile(r"//"), "`//` has to be in the key: S3 does not join slashes"),
    Form(re.compile(r"(^|/)\.\.?/"), "`./` and `../` are not resolved: they have to be in the key"),
    Form(re.compile(r"\\"), "a backslash is an ordinary character. Write `/` between folders"),
    Form(
        re.compile(r"[*?]|\[!?[^\]]-[^\]]\]"),
        "a glob is an ordinary text here. Write the part before it, and the glob to `filters.include`",
    ),
    Form(
        re.compile(rf"(?<!\{{)\{{ *({_NAME}|[A-Za-z_]+(:[^{{}}]*)?) *\}}(?!\}})"),
        "single braces are ordinary characters. Write a name in double braces: {{ ds }}",
    ),
    Form(
        re.compile(r"\$(\{|\(|[A-Za-z_])"),
        "`$` is an ordinary character: no variable is filled in. Write {{ ds }} for the day of the run",
    ),
    Form(
        re.compile(r"%[YmdHMSjyBbGVU]|%-[dmH]|\b(yyyy|YYYY)\b"),
        "a format of a date is an ordinary text here. Write {{ logical_date.strftime('%Y/%m/%d') }}",
    ),
    Form(
        re.compile(r"%[0-9A-Fa-f]{2}"),
        "keys are written as they are, not percent-encoded: `%` is an ordinary character",
    ),
    Form(re.compile(r"<[A-Za-z_ -]+>"), "`<...>` is an ordinary text: nothing is filled in"),
    Form(
        re.compile(r"^\s|\s$|\s/|[\x00-\x1f\x7f]"),
        "blanks around a name, and control characters, are a part of the key",
    ),
)


def check_keys(entries: Entries, buckets: dict[str, str | None]) -> Iterator[Finding]:
    """Yield the prefixes and keys that are seldom meant.

    Args:
        entries: of the job.
        buckets: by side.
    """
    for field, index, entry in entries:
        for side in ("source", "destination"):
            template = getattr(entry, side)
            words = find_odd_form(template, side, buckets.get(side))
            if words is None and not isinstance(entry, PrefixEntry) and side == "destination":
                words = _find_missing_name(entry)
            if words is not None:
                yield Finding(parts=(field, index, side), code=Code.UNLIKELY_KEY, message=words)


def find_odd_form(template: str, side: str, bucket: str | None = None) -> str | None:
    """Return what a prefix or a key has that is seldom meant; None for nothing.

    Args:
        template: of the prefix or key.
        side: `source` if it is read, `destination` if it is written.
        bucket: that it should not begin with.
    """
    text = fill_expressions(template)
    if text is None or text.startswith("s3://"):
        return None  # an error
    if bucket and text.startswith(f"{bucket}/"):
        return "the bucket is set above: the keys would begin with its name. Write only what follows it"
    found = find_form(_FORMS, text)
    if found is not None and text.startswith("/"):
        shown = written(template.lstrip("/"))
        verb = "will begin" if side == "destination" else "have to begin"
        return f"the keys {verb} with `/`, which few tools expect. Write {shown} if that is not meant"
    return found


def fill_expressions(template: str) -> str | None:
    """Return a template with a letter for each expression; None if it is not valid."""
    try:
        parts = literal_parts(template)
    except UnknownNameError:
        return None
    return "".join(_EXPRESSION if part is None else part for part in parts)


def _find_missing_name(entry: ObjectEntry) -> str | None:
    """Return that a destination is a folder's name: other tools would add the name of the source."""
    if not entry.destination.endswith("/") or entry.source.endswith("/"):
        return None
    whole = entry.destination + entry.source.rpartition("/")[2]
    return f"ends with `/`, so it is not a complete key. Write {written(whole)} for a copy of that name"
