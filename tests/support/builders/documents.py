"""Config documents for tests, and files that hold them."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import yaml

from s3copy_tasks.config.job import CopyJob
from s3copy_tasks.config.load import load_job

if TYPE_CHECKING:
    from pathlib import Path

    from s3copy_tasks.config.problem import Problem

MINIMAL: dict[str, Any] = {
    "version": 1,
    "source": {"bucket": "ops-granules"},
    "destination": {"bucket": "partner-granules"},
    "prefixes": [{"source": "daily/", "destination": "backup/daily/"}],
}


def document(**changes: Any) -> dict[str, Any]:
    """Return a minimal job with top-level fields replaced."""
    return copy.deepcopy(MINIMAL) | changes


def prefix(source: str, destination: str = "backup/") -> dict[str, Any]:
    """Return the field `prefixes` with one entry."""
    return {"prefixes": [{"source": source, "destination": destination}]}


class Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.2 would read as a number: PyYAML only knows 1.1."""


def _quoted(dumper: Dumper, text: str) -> yaml.ScalarNode:
    is_like_a_number = re.match(r"[-+.]*[0-9]", text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if is_like_a_number else None)


Dumper.add_representer(str, _quoted)


def write(folder: Path, content: dict[str, Any] | str | bytes, name: str = "job.yaml") -> Path:
    """Write a config file: a document as YAML, text and bytes as they are."""
    file = folder / name
    if isinstance(content, dict):
        content = yaml.dump(content, Dumper=Dumper, sort_keys=False, allow_unicode=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def problems_of(file: Path) -> list[Problem]:
    """Return the problems of an invalid file."""
    loaded = load_job(file)
    assert isinstance(loaded, list), f"{file.name} is valid"
    return loaded


def job_of(file: Path) -> CopyJob:
    """Return the job of a valid file."""
    loaded = load_job(file)
    assert isinstance(loaded, CopyJob), "\n".join(map(str, loaded))
    return loaded
