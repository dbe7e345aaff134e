"""A retry aborts exactly the uploads that earlier attempts of its task left open."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from s3copy_tasks.copy.runner import copy_batch
from s3copy_tasks.copy.uploads import Attempt, OpenUpload
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.errors import AccessError
from tests.support.builders.bench import DESTINATION, Bench, impatient
from tests.support.s3.memory import fails, on

LIMITS = Limits(single_copy_bytes=10, part_bytes=4)
LARGE = b"0123456789abcdefghi"


@dataclass
class Record:
    """Remembers open uploads, as Airflow does between the attempts of a task, and all uploads ever opened."""

    open: list[OpenUpload] = field(default_factory=list)
    ever: list[OpenUpload] = field(default_factory=list)

    def left(self, _: object = None) -> list[OpenUpload]:
        return list(self.open)

    def opened(self, upload: OpenUpload) -> None:
        self.open.append(upload)
        self.ever.append(upload)

    def closed(self, upload: OpenUpload) -> None:
        self.open.remove(upload)


class Attempts:
    """A batch of one large object that is retried with the same record."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.bench.put("in/a", content=LARGE)
        self.job = self.bench.started()
        (self.batch,) = self.bench.plan(self.job).batches
        self.record = Record()

    def copy(self, *, retried: bool = False) -> int:
        """Carry out the batch; return how many objects it copied."""
        collector = self.bench.collector(self.job)
        attempt = Attempt(retried=retried, uploads=self.record)
        copy_batch(
            self.job,
            self.batch,
            self.bench.stores,
            metrics=collector,
            attempt=attempt,
            limits=LIMITS,
            sender=impatient(),
        )
        return collector.metrics().files_copied_successfully

    def start_another_upload(self) -> str:
        """Start an upload of another client to the same key; return its id."""
        server = self.bench.server
        upload_id = server.new_upload_id()
        server.uploads[upload_id] = next(iter(server.uploads.values()))
        return upload_id


def test_remembered_before_the_first_part_and_forgotten_at_the_end() -> None:
    """Key, upload id and source ETag are known from before part 1 until the object is complete."""
    attempts = Attempts()
    at_part_one: list[list[OpenUpload]] = []
    attempts.bench.server.before.append(on("copy_part", lambda: at_part_one.append(attempts.record.left())))
    assert attempts.copy() == 1
    ((upload,),) = at_part_one
    assert upload.key == "out/a"
    assert upload.source_etag == attempts.bench.server.buckets["the-source"]["in/a"].etag
    assert attempts.record.open == []


def test_a_retry_aborts_what_was_left_and_nothing_else() -> None:
    """A retry aborts what a killed attempt left; an upload of another client to the same key stays."""
    attempts = Attempts()
    denied = fails(AccessError("no", code="AccessDenied"))
    attempts.bench.server.before.append(on("copy_part", denied, times=9))
    attempts.bench.server.before.append(on("abort_multipart_upload", denied))  # as if it had been killed here
    assert attempts.copy() == 0
    (own,) = attempts.record.open
    another = attempts.start_another_upload()
    attempts.bench.server.before.clear()
    assert attempts.copy(retried=True) == 1
    assert list(attempts.bench.server.uploads) == [another]
    assert attempts.record.open == []
    assert own not in attempts.record.left()


def test_an_abort_that_is_denied_is_remembered() -> None:
    """An upload that can't be aborted is still remembered, and the batch is copied nevertheless."""
    attempts = Attempts()
    left = OpenUpload(key="out/old", upload_id="upload-0", source_etag='"e"')
    attempts.record.open.append(left)
    denied = fails(AccessError("no", code="AccessDenied"))
    attempts.bench.server.before.append(on("abort_multipart_upload", denied))
    assert attempts.copy(retried=True) == 1
    assert attempts.record.open == [left]


@pytest.mark.parametrize("verb", ["copy_part", "complete_multipart_upload"])
def test_failed_copies_leave_nothing_to_remember(verb: str) -> None:
    """After a failure that aborts its upload, the upload is forgotten."""
    attempts = Attempts()
    attempts.bench.server.before.append(on(verb, fails(AccessError("no", code="AccessDenied")), times=9))
    assert attempts.copy() == 0
    assert len(attempts.record.ever) == 1
    assert attempts.record.open == []
    assert attempts.bench.server.open_uploads(DESTINATION) == []
