"""What `s3copy undelete` refuses before it connects to anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.cli import main
from tests.support.builders.documents import document, write

if TYPE_CHECKING:
    from pathlib import Path

MIRROR = {"mirror": {"max_deleted_objects": 1}}
REFUSALS: dict[str, tuple[dict[str, Any], tuple[str, str], str]] = {
    "without results": (MIRROR, ("--run", "manual__1"), "the job writes no results, so nothing says what"),
    "without a mirror": (
        {},
        ("--since", "2026-01-31T02:00Z"),
        "the job is not a mirror",
    ),
}


@pytest.mark.parametrize(("changes", "which", "words"), REFUSALS.values(), ids=REFUSALS)
def test_jobs_that_it_can_not_undo(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    which: tuple[str, str],
    words: str,
) -> None:
    """A usage error that says what the job lacks."""
    assert main(["undelete", str(write(tmp_path, document(**changes))), *which]) == 2
    assert words in capsys.readouterr().err


def test_a_moment_needs_a_zone(capsys: pytest.CaptureFixture[str]) -> None:
    """It could be the server's time, this machine's, or UTC."""
    with pytest.raises(SystemExit):
        main(["undelete", "daily", "--since", "2026-01-31T02:00"])
    assert "has no time zone (example: 2026-01-31T02:00Z)" in capsys.readouterr().err
