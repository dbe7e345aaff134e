"""What a copy may replace: on the wire, by each value of `overwrite`, whole and in parts (rule 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.errors import AccessError, CopyError
from tests.support.s3.proxy import Reply

if TYPE_CHECKING:
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

LIMITS = Limits(single_copy_bytes=6 * 2**20, part_bytes=5 * 2**20)
LARGE = b"x" * (11 * 2**20)
GUARDS = ("if-match", "if-none-match")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(b"new", "CopyObject", id="whole"),
        pytest.param(LARGE, "CompleteMultipartUpload", id="parts", marks=pytest.mark.needs("parts_by_role")),
    ],
)
@pytest.mark.parametrize("overwrite", Overwrite)
@pytest.mark.parametrize("held", [True, False], ids=["held", "absent"])
def test_guards(
    sides: Sides,
    proxy: Proxy,
    body: bytes,
    kind: str,
    overwrite: Overwrite,
    held: bool,  # noqa: FBT001
) -> None:
    """`changed` replaces what was listed, `never` writes what is absent, `always` sets no condition."""
    sides.put("data/a", body)
    etag = ""
    if held:
        reply = sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/a", Body=b"old one")
        etag = reply["ETag"]
    sides.run(sides.job(overwrite=overwrite), limits=LIMITS)
    sent = [
        {name: request.headers[name] for name in GUARDS if name in request.headers}
        for request in proxy.of_kind(kind)
        if request.key == "copy/a"
    ]
    wanted = {
        Overwrite.ALWAYS: [{}],
        Overwrite.CHANGED: [{"if-match": etag} if held else {"if-none-match": "*"}],
        Overwrite.NEVER: [] if held else [{"if-none-match": "*"}],
    }
    assert sent == wanted[overwrite]


def test_what_was_to_be_replaced_is_gone(sides: Sides, proxy: Proxy) -> None:
    """S3 answers 404 if there is nothing to replace any more: the source has not vanished."""
    sides.put("data/a", b"new")
    sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/a", Body=b"old one")

    def gone(request: object) -> Reply | None:
        headers = getattr(request, "headers", {})
        if "if-match" not in headers:
            return None
        sides.destination.delete_object(Bucket=sides.destination_bucket, Key="copy/a")
        return Reply.error(404, "NoSuchKey")

    proxy.answer = gone
    metrics = sides.run(sides.job())
    assert (metrics.files_copied_successfully, metrics.files_vanished) == (1, 0)
    assert sides.copied() == {"copy/a": b"new"}


@pytest.mark.parametrize("overwrite", [Overwrite.ALWAYS, Overwrite.CHANGED])
def test_the_right_to_replace_is_proven(sides: Sides, proxy: Proxy, overwrite: Overwrite) -> None:
    """A role that may not read the destination can't guard what it replaces: preflight says so."""
    sides.put("data/a")
    bucket = sides.destination_bucket
    proxy.answer = lambda request: (
        Reply(403) if request.kind == "HeadObject" and bucket in request.target else None
    )
    if overwrite is Overwrite.ALWAYS:
        assert sides.run(sides.job(overwrite=overwrite)).files_copied_successfully == 1
        return
    with pytest.raises(CopyError) as caught:
        sides.preflight(sides.job(overwrite=overwrite))
    assert isinstance(caught.value, AccessError)
    assert f"is not allowed to perform s3:GetObject on arn:aws:s3:::{bucket}/copy/*" in caught.value.message
