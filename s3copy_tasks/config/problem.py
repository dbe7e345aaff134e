"""What is wrong with a config, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME_MAX = 200


class Code(StrEnum):
    """What can be wrong with a config. Part of the interface: docs/problems.md describes each in a line.

    Add, never rename.
    """

    # The file.
    FILE_NAME = "file-name"
    FILE_UNREADABLE = "file-unreadable"
    NAME_TAKEN = "name-taken"
    NOT_A_JOB = "not-a-job"

    # The YAML in it.
    YAML_ANCHOR = "yaml-anchor"
    YAML_DEPTH = "yaml-depth"
    YAML_DOCUMENTS = "yaml-documents"
    YAML_DUPLICATE = "yaml-duplicate-field"
    YAML_ENCODING = "yaml-encoding"
    YAML_MERGE = "yaml-merge"
    YAML_NUL = "yaml-nul"
    YAML_SIZE = "yaml-size"
    YAML_SYNTAX = "yaml-syntax"
    YAML_TAG = "yaml-tag"

    # Fields and values.
    DUPLICATE_ITEM = "duplicate-item"
    EXCLUSIVE_FIELDS = "exclusive-fields"
    MISSING_FIELD = "missing-field"
    NOT_ALLOWED = "not-allowed"
    OUT_OF_RANGE = "out-of-range"
    SECRET = "secret"  # noqa: S105 - the name of a problem
    UNKNOWN_FIELD = "unknown-field"
    WRONG_FORM = "wrong-form"
    WRONG_LENGTH = "wrong-length"
    WRONG_TYPE = "wrong-type"

    # Fields to replace.
    DEPRECATED_FIELD = "deprecated-field"

    # Rules beyond the schema.
    BAD_CRON = "bad-cron"
    BAD_DATE = "bad-date"
    BAD_TEMPLATE = "bad-template"
    BAD_TIMEZONE = "bad-timezone"
    NO_LOGICAL_DATE = "no-logical-date"
    NOTHING_PASSES = "nothing-passes"

    # Valid, but seldom meant.
    JOBS_WRITE_NESTED = "jobs-write-nested"
    LEGACY_BUCKET = "legacy-bucket"
    UNLIKELY_GLOB = "unlikely-glob"
    UNLIKELY_KEY = "unlikely-key"

    # Between entries, and between jobs.
    FEEDS_ITSELF = "feeds-itself"
    JOBS_LOOP = "jobs-loop"
    JOBS_SHARE_QUEUE = "jobs-share-queue"
    JOBS_WRITE_SAME = "jobs-write-same"
    KEY_TOO_LONG = "key-too-long"
    MIRROR_OTHER_RUNS = "mirror-other-runs"
    MIRROR_OTHER_WRITER = "mirror-other-writer"
    WRITTEN_TWICE = "written-twice"


_WARNINGS = frozenset(
    {
        Code.DEPRECATED_FIELD,
        Code.JOBS_WRITE_NESTED,
        Code.LEGACY_BUCKET,
        Code.UNLIKELY_GLOB,
        Code.UNLIKELY_KEY,
    }
)
"""Codes of what should be changed, but leaves the job valid."""


BETWEEN_JOBS = frozenset(
    {Code.JOBS_LOOP, Code.JOBS_SHARE_QUEUE, Code.JOBS_WRITE_SAME, Code.MIRROR_OTHER_WRITER}
)
"""Codes of problems between valid jobs: each of these jobs stays a Dag, and runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to fix.

    Attributes:
        file: the path as it was given.
        line: from 1; None if the problem is the whole file.
        column: from 1, in characters.
        path: of the value, such as `source.account` or `prefixes[0].source`; empty means the whole file.
        code: what kind of problem it is.
        message: what is wrong and what to write instead.
        suggestion: text that may replace the value or the name; None if unknown.
    """

    file: str
    line: int | None = None
    column: int | None = None
    path: str = ""
    code: Code
    message: str
    suggestion: str | None = None

    @property
    def is_warning(self) -> bool:
        """Whether the job is valid all the same."""
        return self.code in _WARNINGS

    @property
    def severity(self) -> str:
        """`warning` or `error`, as compilers and GitHub say it."""
        return "warning" if self.is_warning else "error"

    @property
    def where(self) -> str:
        """File, line and column in the form that editors accept, such as `daily.yaml:12:3`."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)

    @property
    def place(self) -> tuple[str, int, int, str, str]:
        """Key that sorts problems by file and place."""
        return (self.file, self.line or 0, self.column or 0, self.path, self.message)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.path, self.message) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem before its place is looked up.

    Attributes:
        parts: the path of the value.
        code: see Problem.
        message: see Problem.
        suggestion: see Problem.
        at_name: the name of the field is wrong, not its value.
    """

    parts: tuple[str | int, ...]
    code: Code
    message: str
    suggestion: str | None = None
    at_name: bool = False


def json_path(parts: Iterable[str | int]) -> str:
    """Return a path of names and indexes in the form `prefixes[0].source`."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if len(part) <= _NAME_MAX else f"(a name of {len(part)} characters)"
            text += f".{name}" if text else name
    return text
