"""What a run that may delete needs in addition, and what is asked of no other run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.job import EffectiveJob, Mirror, Overwrite, PrefixEntry
from s3copy_tasks.errors import AccessError, ConfigError, CopyError, UnsupportedError
from tests.support.s3.proxy import Reply, Request

if TYPE_CHECKING:
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

DENIED = Reply.error(403, "AccessDenied", "Access Denied")
OTHER = PrefixEntry(source="other/", destination="elsewhere/")


def make_job(sides: Sides, **changes: Any) -> EffectiveJob:
    """Return a mirror whose run leaves out one of its entries."""
    job = sides.job()
    limits = {"max_deleted_objects": 10, "max_deleted_percent": 10} | changes
    return sides.job(mirror=Mirror(**limits, prefixes=(*job.prefixes, OTHER)), overwrite=Overwrite.NEVER)


def set_versioning(sides: Sides, status: str) -> None:
    configuration: Any = {"Status": status}
    sides.destination.put_bucket_versioning(
        Bucket=sides.destination_bucket, VersioningConfiguration=configuration
    )


def refusal(sides: Sides, **changes: Any) -> CopyError:
    with pytest.raises(CopyError) as caught:
        sides.preflight(make_job(sides, **changes))
    return caught.value


def test_a_mirror_that_can_be_undone_passes(sides: Sides, proxy: Proxy) -> None:
    """Nothing is deleted to prove that it may be, and the remark says so; all its sources answer 404."""
    sides.put("data/a")
    set_versioning(sides, "Enabled")
    proven = sides.preflight(make_job(sides))
    assert proven.not_proven == (
        f"right to delete not proven in s3://{sides.destination_bucket}: only a delete can prove it",
    )
    assert (proven.job.mirror is not None, proxy.kinds()["GetBucketVersioning"]) == (True, 1)
    assert not {kind for kind in proxy.kinds() if kind.startswith("DeleteObject")}
    unused = ".s3copy-preflight-run-1"
    heads = {request.key for request in proxy.of_kind("HeadObject")}
    assert heads == {"data/a", f"data/{unused}", f"other/{unused}", f"copy/{unused}"}


@pytest.mark.parametrize("status", ["Suspended", None])
def test_deletes_that_can_not_be_undone_are_refused(sides: Sides, status: str | None) -> None:
    """Versioning that is suspended loses the version that a delete hides."""
    sides.put("data/a")
    if status is not None:
        set_versioning(sides, "Enabled")
        set_versioning(sides, status)
    error = refusal(sides)
    assert isinstance(error, ConfigError)
    assert f"versioning of {sides.destination_bucket} is not enabled" in error.message
    assert "write mirror.unversioned: allow" in error.message


@pytest.mark.parametrize("changes", [{"allows_unversioned": True}, {"max_deleted_objects": 0}])
def test_versioning_is_not_read_where_it_does_not_matter(
    sides: Sides, proxy: Proxy, changes: dict[str, Any]
) -> None:
    """A job may allow deletes for good, or only report."""
    sides.put("data/a")
    proven = sides.preflight(make_job(sides, **changes))
    assert proxy.kinds()["GetBucketVersioning"] == 0
    assert bool(proven.not_proven) is ("max_deleted_objects" not in changes)


def test_what_a_mirror_may_not_read_is_named(sides: Sides, proxy: Proxy) -> None:
    """Without s3:ListBucket the source answers 403 for what is gone: all missing statements come at once."""
    sides.put("data/a")

    def answer(request: Request) -> Reply | None:
        is_absent = request.kind == "HeadObject" and "other/.s3copy-preflight" in request.target
        return DENIED if is_absent or request.kind == "GetBucketVersioning" else None

    proxy.answer = answer
    error = refusal(sides)
    assert isinstance(error, AccessError)
    assert f"s3:GetBucketVersioning on arn:aws:s3:::{sides.destination_bucket} (" in error.message
    assert f"s3:ListBucket on arn:aws:s3:::{sides.source_bucket} (" in error.message
    assert '"Action": ["s3:GetBucketVersioning"]' in error.message


def test_a_server_without_versioning(sides: Sides, proxy: Proxy) -> None:
    """The message says how to delete there all the same."""
    sides.put("data/a")
    proxy.answer = lambda request: (
        Reply.error(501, "NotImplemented", "no versioning") if request.kind == "GetBucketVersioning" else None
    )
    error = refusal(sides)
    assert isinstance(error, UnsupportedError)
    assert "If the server has no versioning, write mirror.unversioned: allow" in error.message
