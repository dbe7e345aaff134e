"""What `s3copy run` refuses before it connects to anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.cli import main
from tests.support.builders.documents import document, prefix, write

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_mirror_is_refused_where_another_job_copies_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other configs of its folder are read, as in Airflow."""
    file = write(tmp_path, document(mirror={"max_deleted_objects": 1}))
    write(tmp_path, document(**prefix("a/", "backup/daily/a/")), "other.yaml")
    assert main(["run", str(file)]) == 1
    assert "the job 'other' copies to s3://partner-granules/backup/daily/a/" in capsys.readouterr().err
