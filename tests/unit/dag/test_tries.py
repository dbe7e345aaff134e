"""What Airflow remembers between the tries of a task, and what happens when it does not."""

from __future__ import annotations

import json
from typing import Any

from s3copy_tasks.attempt import OpenUpload
from s3copy_tasks.dag.tries import TaskUploads
from tests.logs import log_lines

FIRST = OpenUpload(key="out/a", upload_id="id-1", source_etag='"e-2"')
SECOND = OpenUpload(key="out/b", upload_id="id-2", source_etag='"f-2"')


class StateStore:
    """Airflow's memory of one task instance: JSON by key."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str) -> Any:
        return json.loads(self.kept[key]) if key in self.kept else None

    def set(self, key: str, value: Any) -> None:
        self.kept[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)


class Broken:
    """A memory that can't be reached."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("the API server is gone")


def uploads(store: object) -> TaskUploads:
    context: Any = {"task_state_store": store}
    return TaskUploads(context)


def test_a_later_try_knows_what_an_earlier_left() -> None:
    """Uploads that were opened and not closed are known to the next try, until it closes them."""
    store = StateStore()
    first_try = uploads(store)
    assert first_try.left() == []
    first_try.opened(FIRST)
    first_try.opened(SECOND)
    first_try.closed(FIRST)
    second_try = uploads(store)
    assert second_try.left() == [SECOND]
    second_try.closed(SECOND)
    assert store.kept == {}


def test_what_is_left_stays_known_while_others_are_opened() -> None:
    """An upload of an earlier try that could not be aborted is not forgotten when a new one begins."""
    store = StateStore()
    uploads(store).opened(FIRST)
    again = uploads(store)
    again.left()
    again.opened(SECOND)
    again.closed(SECOND)
    assert uploads(store).left() == [FIRST]


def test_a_broken_memory_stops_no_copy() -> None:
    """Without Airflow's memory a try knows of no upload, says so, and goes on."""
    broken = uploads(Broken())
    with log_lines() as lines:
        assert broken.left() == []
        broken.opened(FIRST)
        broken.closed(FIRST)
    assert [line["event"] for line in lines] == [
        "uploads of earlier tries are not known",
        "open uploads are not remembered",
        "open uploads are not remembered",
    ]
