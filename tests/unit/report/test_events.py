"""Log lines that only some jobs have."""

from __future__ import annotations

from s3copy_tasks.core.key_list import KeyList, ListFile
from s3copy_tasks.core.location import Location
from s3copy_tasks.report import events
from tests.support.builders.bench import make_job
from tests.support.builders.logs import log_lines
from tests.support.s3.memory import DAY_ONE

FILES = (ListFile(key="daily/data/1.csv.gz", size=5, etag="a"), ListFile(key="b", size=7, etag="b"))


def test_the_list_of_a_run() -> None:
    """Its files and its age are logged; a job without a list logs nothing of it."""
    place = Location(bucket="lists")
    of = KeyList(location=place, key="daily/", inventory=True, files=FILES, made=DAY_ONE)
    with log_lines() as lines:
        events.list_found(make_job(keys_from=of), ("it is 2 hours old",))
        events.list_found(make_job(), ())
    assert lines == [
        {"event": "list", "level": "warning", "remark": "it is 2 hours old"},
        {
            "event": "list found",
            "level": "info",
            "operation_id": "manual__1",
            "list": "s3://lists/daily/",
            "files": 2,
            "bytes": 12,
            "made": "2026-01-01T00:00:00+00:00",
        },
    ]
