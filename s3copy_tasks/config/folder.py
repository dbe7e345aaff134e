"""The one folder that a run of a mirror may be limited to."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from s3copy_tasks.core.job import KEY_BYTES_MAX, key_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3copy_tasks.core.job import PrefixEntry


_PROBLEMS = (
    (
        re.compile(r"\A\Z"),
        "it is empty. Write a folder below the prefixes, such as 2026/01/, or leave the parameter out",
    ),
    (
        re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]"),
        "it has control characters. Write the folder as it is listed",
    ),
    (
        re.compile(r"\A/"),
        "it begins with `/`. Write it without: it is appended to the prefixes of the job",
    ),
    (
        re.compile(r"[^/]\Z"),
        "it does not end with `/`. Without it, all folders whose names begin so would be meant",
    ),
    (
        re.compile(r"//|(\A|/)\.\.?/"),
        "it has an empty part, `.` or `..`, which S3 does not resolve. Write the folder as it is listed",
    ),
)


def find_folder_problem(folder: str) -> str | None:
    """Return why a text can't be appended to prefixes as a folder, and what to write; None if it can."""
    problems = (words for pattern, words in _PROBLEMS if pattern.search(folder))
    if key_bytes(folder) > KEY_BYTES_MAX:
        return f"it has {key_bytes(folder):,} bytes, and a key of S3 has at most {KEY_BYTES_MAX:,}"
    return next(problems, None)


def append_folder(entries: Iterable[PrefixEntry], folder: str) -> tuple[PrefixEntry, ...]:
    """Return entries for what they copy below a folder, without those that copy direct children only."""
    return tuple(
        replace(entry, source=entry.source + folder, destination=entry.destination + folder, folder=folder)
        for entry in entries
        if entry.recursive
    )
