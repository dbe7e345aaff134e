"""Globs of a job's filters that match nothing, or not what they seem to.

Globs are matched below the prefix. A glob of another language, or of the whole key, is a valid glob here that
matches other keys: an exclude of this kind copies what should stay out. docs/design/globs.md
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.check.forms import Form, find_form
from s3copy_tasks.config.problem import Code, Finding
from s3copy_tasks.config.read.hints import SHOWN_MAX, written
from s3copy_tasks.core.globs import can_pass, find_literal_start, hide_classes
from s3copy_tasks.core.job import PrefixEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s3copy_tasks.core.job import Entries

_GLOBS_MAX = 200
"""Globs that are checked; a job has a few."""
_ALL = ("*",)
_BELOW = "globs are matched below the prefix"


_DIALECTS = (
    Form(
        re.compile(r"\{[^{}]*(,|\.\.)[^{}]*\}"),
        "braces are ordinary characters here. Write a glob for each alternative",
    ),
    Form(re.compile(r"\*\*/"), "`*` also matches `/` here, so `**/` requires a `/`. Write `*` for `**/`"),
    Form(
        re.compile(r"\\"),
        "a backslash is an ordinary character here. Write `/` between folders, and a literal * as [*]",
    ),
    Form(re.compile(r"[?*+@!]\([^)]*\)"), "parentheses are ordinary characters here"),
    Form(re.compile(r"^!"), "`!` at the start is an ordinary character here. Write the glob to `exclude`"),
    Form(re.compile(r"^\^|\$$"), "this is a regular expression; a glob has no `^` and `$`"),
    Form(re.compile(r"\["), "a `[` without its `]` is an ordinary character here"),
    Form(re.compile(r"^\s|\s$"), "a blank at the start or the end is a part of the key here"),
    Form(
        re.compile(r"(^|/)[^/*?]+/$"),
        "matches only the object with exactly this name. Write {glob}* for all below",
    ),
)


def check_filters(document: dict[str, Any], entries: Entries, bucket: str | None) -> Iterator[Finding]:
    """Yield what is wrong with the globs of a job.

    Args:
        document: of the job.
        entries: of the job.
        bucket: of the source.
    """
    prefixes = [entry for _, _, entry in entries if isinstance(entry, PrefixEntry)]
    include, exclude = _globs(document, "include"), _globs(document, "exclude")
    if not prefixes or not (include or exclude):
        return
    folders = any(entry.recursive for entry in prefixes)
    if not can_pass(include or _ALL, exclude, folders=folders):
        words = f"no key can pass these filters: {_explain_nothing(include, exclude)}"
        yield Finding(parts=("filters",), code=Code.NOTHING_PASSES, message=words)
        return
    for field, globs in (("include", include), ("exclude", exclude)):
        hidden = exclude if field == "include" else ()
        for index, glob in enumerate(globs):
            found = _check_glob(glob, hidden, prefixes, bucket or "", folders=folders)
            if found is not None:
                code, words, suggestion = found
                yield Finding(
                    parts=("filters", field, index), code=code, message=words, suggestion=suggestion
                )


def _globs(document: dict[str, Any], field: str) -> tuple[str, ...]:
    section = document.get("filters")
    values = section.get(field) if isinstance(section, dict) else None
    globs = values[:_GLOBS_MAX] if isinstance(values, list) else []
    return tuple(glob if isinstance(glob, str) else "" for glob in globs)


def _explain_nothing(include: tuple[str, ...], exclude: tuple[str, ...]) -> str:
    if can_pass(include or _ALL, exclude):
        return "with `recursive: false` no key below a prefix contains `/`. Set it to true, or remove the `/`"
    if can_pass(include or _ALL, ()):
        return "`exclude` overrides `include`. Leave out of `exclude` what should be copied"
    return "no key matches `include`"


def _check_glob(
    glob: str, exclude: tuple[str, ...], prefixes: Sequence[PrefixEntry], bucket: str, *, folders: bool
) -> tuple[Code, str, str | None] | None:
    """Return what is wrong with one glob: the code, the words, and what to write instead."""
    if "{{" in glob or "{%" in glob:
        return Code.WRONG_FORM, "globs are not templates. Write `*` in place of each expression", None
    below = _strip_place(glob, bucket, prefixes)
    if glob.startswith("s3://"):
        hint = f"Write {written(below)}" if below else "Leave out the bucket and the prefix"
        return Code.WRONG_FORM, f"{_BELOW}, not as a URI. {hint}", below or None
    if not can_pass((glob,), exclude, folders=folders):
        return Code.UNLIKELY_GLOB, _explain_no_match(glob, folders=folders), None
    if below not in {glob, ""}:
        start = glob[: len(glob) - len(below)][:SHOWN_MAX]
        words = f"{_BELOW}, and this one requires {start!r} there. Write {written(below)}"
        return Code.UNLIKELY_GLOB, f"{words}. {_explain_escape(glob)}", below
    place = next((entry.source for entry in prefixes if _repeats(glob, entry.source)), None)
    if place is not None:
        words = f"{_BELOW}: leave out what is in {place[:SHOWN_MAX]!r}. {_explain_escape(glob)}"
        return Code.UNLIKELY_GLOB, words, None
    odd = _find_odd_folder(glob) or _find_dialect(glob)
    return None if odd is None else (Code.UNLIKELY_GLOB, odd, None)


def _explain_no_match(glob: str, *, folders: bool) -> str:
    if not can_pass((glob,), ()):
        return "matches no key: a range such as [z-a] is empty, or it is longer than a key"
    if not folders and not can_pass((glob,), (), folders=False):
        return "matches no key: with `recursive: false` no key below a prefix contains `/`"
    return "includes no key: `exclude` overrides it, and leaves out all that it matches"


def _explain_escape(glob: str) -> str:
    return f"If keys below the prefix do begin so, write {written(f'[{glob[0]}]{glob[1:]}'[:SHOWN_MAX])}"


def _strip_place(glob: str, bucket: str, prefixes: Sequence[PrefixEntry]) -> str:
    """Return a glob without the bucket, the slash or the source prefix that it begins with."""
    rest = glob.removeprefix("s3://")
    rest = rest.removeprefix(f"{bucket}/") if bucket else rest
    rest = re.sub(r"^(\.?/)+", "", rest)
    for source in sorted((entry.source for entry in prefixes if entry.source), key=len, reverse=True):
        if rest.lower().startswith(source.lower()):
            return rest[len(source) :]
    return rest


def _repeats(glob: str, source: str) -> bool:
    """Say whether a glob begins like a source prefix: with its first folder, and in agreement with it."""
    start, literal = (
        find_literal_start(glob).lower(),
        source.partition("{")[0].rpartition("/")[0].lower() + "/",
    )
    first = literal.partition("/")[0] + "/"
    agrees = start.startswith(literal) or literal.startswith(start)
    return len(literal) > 1 and start.startswith(first) and agrees


def _find_odd_folder(glob: str) -> str | None:
    folders = find_literal_start(glob).split("/")[:-1]
    odd = next((name for name in folders if name in {"", ".", ".."}), None)
    if odd is None:
        return None
    return f"keys are not paths: `{odd}/` is not resolved, and has to be in the key. {_explain_escape(glob)}"


def _find_dialect(glob: str) -> str | None:
    shown = hide_classes(glob)
    if re.search(r"\[\^", glob):
        return "`[^...]` matches `^` and the others here. Write `[!...]` for any other character"
    found = find_form(_DIALECTS, shown)
    return found and found.format(glob=glob[:SHOWN_MAX])
