"""What a run of a mirror does, as it was started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.config.modes import choose_mode
from s3copy_tasks.config.render import render_job
from s3copy_tasks.errors import ConfigError
from tests.support.builders.documents import document, job_of, write

if TYPE_CHECKING:
    from pathlib import Path

    from s3copy_tasks.core.job import EffectiveJob

NAMES = {"run_id": "manual__1", "params": {"force": False, "dry_run": False, "prefixes": []}}


def start(tmp_path: Path, mirror: dict[str, Any] | None, **parameters: Any) -> EffectiveJob:
    job = job_of(write(tmp_path, document(mirror=mirror)))
    run = render_job(job, NAMES, run_id="manual__1")
    chosen: dict[str, Any] = {"copy_only": False, "delete_folder": None, "others": {}}
    return choose_mode(job, run, **(chosen | parameters))


def test_copy_only(tmp_path: Path) -> None:
    """The run copies the same, and deletes nothing, as a run of any job without `mirror`."""
    limits = {"max_deleted_objects": 1}
    whole, copies = start(tmp_path, limits), start(tmp_path, limits, copy_only=True)
    assert whole.mirror is not None
    assert (copies.mirror, copies.prefixes, copies.digest) == (None, whole.prefixes, whole.digest)


@pytest.mark.parametrize(
    ("mirror", "parameters", "words"),
    [
        (None, {"copy_only": True}, "copy_only: can only be given to a job with `mirror`"),
        (
            {"max_deleted_objects": 1, "delete_folder": True},
            {"copy_only": True, "delete_folder": "x/"},
            "can't be used with copy_only",
        ),
    ],
    ids=["no mirror", "two modes"],
)
def test_what_is_refused(
    tmp_path: Path, mirror: dict[str, Any] | None, parameters: dict[str, Any], words: str
) -> None:
    """The error names the parameter."""
    with pytest.raises(ConfigError, match=words):
        start(tmp_path, mirror, **parameters)
