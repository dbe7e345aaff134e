"""A paced store is a store: each method sends one request, unchanged, and counts it by S3's name."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.options import ObjectOptions
from s3copy_tasks.core.store import CopyRequest, Store, UploadMarker, VersionPlace
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import PacedStore
from s3copy_tasks.errors import TransientError
from tests.support.builders.bench import impatient, make_object

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

ENTRY = 3
SOURCE = make_object()
REQUEST = CopyRequest(source=SOURCE, source_account=None, key="k", options=ObjectOptions(), entry=ENTRY)
OF_NO_ENTRY = {"is_versioned", "server_time"}

VERBS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "list_page": ("ListObjectsV2", ("p/",), {"after": None, "token": "t", "recursive": True}),
    "head_object": ("HeadObject", ("k",), {"version_id": "v", "checksums": True}),
    "object_tags": ("GetObjectTagging", ("k",), {"version_id": "v"}),
    "copy_object": ("CopyObject", (REQUEST,), {}),
    "create_multipart_upload": ("CreateMultipartUpload", (REQUEST, None, {}), {}),
    "copy_part": ("UploadPartCopy", (REQUEST, "u", 1, 0, 9), {}),
    "complete_multipart_upload": ("CompleteMultipartUpload", (REQUEST, "u", {1: "e"}), {}),
    "abort_multipart_upload": ("AbortMultipartUpload", ("k", "u"), {}),
    "list_uploads": ("ListMultipartUploads", ("p/",), {"after": UploadMarker(key="k")}),
    "get_bytes": ("GetObject", (SOURCE, 0, 9), {}),
    "put_object": ("PutObject", (REQUEST, None, {}, b"x"), {}),
    "put_bytes": ("PutObject", ("k", b"x", "text/csv"), {}),
    "put_part": ("UploadPart", (REQUEST, "u", 1, b"x"), {}),
    "server_time": ("ListObjectsV2", ("p/",), {}),
    "list_versions": ("ListObjectVersions", ("p/",), {"after": VersionPlace(key="k")}),
    "delete_marker": ("DeleteObject", ("k", "v"), {}),
    "is_versioned": ("GetBucketVersioning", (), {}),
}
"""Kind, arguments and keywords by method."""
ELSEWHERE = {"delete_object", "delete_objects"}
"""What they return depends on their retries: test_many_deletes.py."""


class Recorded:
    """A store that fails once, and then answers with the call itself."""

    def __init__(self) -> None:
        self.calls = 0

    def __getattr__(self, verb: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def call(*args: Any, **keywords: Any) -> Any:
            self.calls += 1
            if self.calls == 1:
                raise TransientError("reset", code="InternalError")
            return verb, args, keywords

        return call


def test_every_verb_is_paced() -> None:
    """A new method of `Store` is paced, too; type checkers see that it has the same parameters."""
    verbs = {name for name, _ in inspect.getmembers(Store, inspect.isfunction) if not name.startswith("_")}
    assert verbs == VERBS.keys() | ELSEWHERE
    recorded: Any = Recorded()
    _: Store = PacedStore(recorded, impatient(1))


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_sent_retried_and_counted(verb: str) -> None:
    """The store gets the arguments at each of two attempts; both are counted for the entry."""
    kind, args, keywords = VERBS[verb]
    recorded: Any = Recorded()
    sender = impatient(1)
    by_request = REQUEST in args or verb in OF_NO_ENTRY
    entry = {} if by_request else {"entry": ENTRY}
    done = wait_for(getattr(PacedStore(recorded, sender), verb)(*args, **keywords, **entry))
    assert done == (verb, args, keywords)
    tally = sender.counted()
    assert tally.requests().by_kind == {kind: 2}
    assert list(tally.by_entry()) == [-1 if verb in OF_NO_ENTRY else ENTRY]
