"""Undelete removes exactly the delete markers that a run has left, while they hide its objects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.job import Filters
from s3copy_tasks.core.store import ListedVersion, VersionPage, VersionPlace
from s3copy_tasks.core.undelete import NULL, DeletedObject, Restoration, judge_marker
from s3copy_tasks.delete.undelete import find_markers, list_markers, read_deleted, remove_markers
from s3copy_tasks.engine.paced_store import PacedStore
from s3copy_tasks.errors import AccessError, ConfigError, MissingError, RequestError, TransientError
from tests.support.builders.bench import DESTINATION, Bench, impatient
from tests.support.builders.mirror import MirrorBench, make_mirror
from tests.support.builders.results import PLACE, RESULTS
from tests.support.s3.memory import MemoryStore, fails, on, threaded

if TYPE_CHECKING:
    from s3copy_tasks.core.undelete import Marker

GONE = ("out/=gone", "out/again", "out/by hand", "out/twice", "out/é")


@pytest.fixture
def mirror() -> MirrorBench:
    """A run that has something to delete; its listings have small pages."""
    made = MirrorBench(make_mirror(results=PLACE, on_aws=False), Bench(page_keys=2))
    made.bench.clock.now = datetime.now(UTC)
    made.bench.put("in/a")
    made.put_copies("out/a", *GONE)
    return made


def store(mirror: MirrorBench, bucket: str) -> PacedStore:
    return PacedStore(threaded(MemoryStore(mirror.bench.server, bucket)), impatient())


def deleted_by(mirror: MirrorBench) -> list[DeletedObject]:
    return read_deleted(store(mirror, RESULTS), PLACE, mirror.job.name, mirror.job.run_id)


def find(mirror: MirrorBench) -> list[Marker]:
    return find_markers(store(mirror, DESTINATION), deleted_by(mirror))


def restore(mirror: MirrorBench) -> dict[str, Restoration]:
    removed = remove_markers(store(mirror, DESTINATION), find(mirror))
    return {marker.key: marker.outcome for marker in removed}


def test_what_a_run_deleted_comes_back(mirror: MirrorBench) -> None:
    """What was written or deleted again since stays as it is; a second undelete finds nothing to do."""
    assert mirror.run().total.deleted == len(GONE)
    server = mirror.bench.server
    mirror.put_copies("out/again", "out/twice", "out/longer than out/é", content=b"new")
    server.delete(DESTINATION, "out/twice")
    server.remove_marker(DESTINATION, "out/by hand", server.markers[DESTINATION, "out/by hand"])
    assert restore(mirror) == {
        "out/=gone": Restoration.RESTORED,
        "out/again": Restoration.WRITTEN_SINCE,
        "out/by hand": Restoration.MARKER_GONE,
        "out/twice": Restoration.WRITTEN_SINCE,
        "out/é": Restoration.RESTORED,
    }
    there = mirror.bench.written
    assert (there["out/=gone"], there["out/é"], there["out/again"]) == (b"x", b"x", b"new")
    assert "out/twice" not in there
    assert Restoration.RESTORABLE not in {marker.outcome for marker in find(mirror)}


def test_what_an_earlier_attempt_deleted_comes_back(mirror: MirrorBench) -> None:
    """Each attempt of a batch has rows of its own: for the second, these objects are just gone."""
    plan = mirror.plan()
    for _ in range(2):
        mirror.delete(plan.batches[0])
    assert len(mirror.bench.results) == 2
    assert set(restore(mirror).values()) == {Restoration.RESTORED}


def test_a_lost_reply(mirror: MirrorBench) -> None:
    """The only marker since, above the object that was deleted, is the run's."""
    lost = on("delete_object", fails(TransientError("reset", code="500")), key="out/é")
    mirror.bench.server.after.append(lost)
    mirror.run()
    assert [each.key for each in deleted_by(mirror) if each.marker is None] == ["out/é"]
    assert set(restore(mirror).values()) == {Restoration.RESTORED}
    assert mirror.bench.written["out/é"] == b"x"


NOW = datetime(2026, 1, 31, tzinfo=UTC)
MINE, ETAG = "mine", '"900150983cd24fb0d6963f7d28e17f72"'


def version(name: str, *, latest: bool = False, etag: str = "", minutes: int = 5) -> ListedVersion:
    return ListedVersion(
        key="k",
        version_id=name,
        is_latest=latest,
        is_marker=not etag,
        last_modified=NOW + timedelta(minutes=minutes),
        etag=etag,
    )


UNNAMED: dict[str, tuple[list[ListedVersion], Restoration]] = {
    "nothing": ([], Restoration.UNCLEAR),
    "two markers": ([version("b", latest=True), version("a"), version("v", etag=ETAG)], Restoration.UNCLEAR),
    "an old marker": (
        [version("a", latest=True, minutes=-5), version("v", etag=ETAG, minutes=-9)],
        Restoration.UNCLEAR,
    ),
    "another object": ([version("a", latest=True), version("v", etag='"b"')], Restoration.UNCLEAR),
    "written since": ([version("v", latest=True, etag=ETAG), version("a")], Restoration.WRITTEN_SINCE),
}


@pytest.mark.parametrize(("versions", "outcome"), UNNAMED.values(), ids=UNNAMED)
def test_a_marker_that_is_not_certain_stays(versions: list[ListedVersion], outcome: Restoration) -> None:
    """Without the version of its marker, an object is restored only if nothing else happened to its key."""
    deleted = DeletedObject(key="k", etag=ETAG, marker=None, since=NOW)
    assert judge_marker(deleted, versions).outcome is outcome


def test_a_marker_without_a_version_stays() -> None:
    """Where versioning is suspended, an object that is written meanwhile gets the same version: "null"."""
    deleted = DeletedObject(key="k", etag=ETAG, marker=NULL, since=NOW)
    assert judge_marker(deleted, [version(NULL, latest=True)]).outcome is Restoration.UNCLEAR


def test_without_results_markers_in_scope_are_listed(mirror: MirrorBench) -> None:
    """Those that hide an object of the job's scope since a moment, whoever has written them."""
    mirror.job = make_mirror(filters=Filters(exclude=("*.tmp",)))
    server = mirror.bench.server
    mirror.put_copies("out/x.tmp", "elsewhere/x")
    server.delete(DESTINATION, "out/twice")
    mirror.bench.clock.tick(60)
    since = mirror.bench.clock()
    for key in ("out/=gone", "out/again", "out/é", "out/x.tmp", "elsewhere/x"):
        server.delete(DESTINATION, key)
    mirror.put_copies("out/again")
    found = list_markers(store(mirror, DESTINATION), mirror.job, since.replace(microsecond=0))
    assert [marker.key for marker in found] == ["out/=gone", "out/é"]
    assert {marker.outcome for marker in found} == {Restoration.RESTORABLE}


def test_pages_that_lead_back_end_it(mirror: MirrorBench) -> None:
    """A listing that would never end is an error of the server."""

    class Circle:
        async def list_versions(self, prefix: str, *, after: VersionPlace | None) -> VersionPage:
            return VersionPage(versions=(), next=VersionPlace(key="out/b" if after is None else "out/a"))

    circle: Any = Circle()
    with pytest.raises(RequestError, match="goes from 'out/b' back to 'out/a'"):
        list_markers(PacedStore(circle, impatient()), mirror.job, NOW)


def test_a_missing_right_ends_it(mirror: MirrorBench) -> None:
    """The first marker that may not be removed is the only one that is tried."""
    mirror.run()
    server = mirror.bench.server
    server.before.append(on("delete_marker", fails(AccessError("no", code="AccessDenied")), times=99))
    with pytest.raises(AccessError):
        restore(mirror)
    assert server.count("delete_marker") == 1


def test_what_s3_refuses_has_failed(mirror: MirrorBench) -> None:
    """The others are restored; a second undelete tries it again."""
    mirror.run()
    for verb, key in (("delete_marker", "out/é"), ("list_versions", "out/=gone")):
        refusal = RequestError("no", code="InvalidRequest")
        mirror.bench.server.before.append(on(verb, fails(refusal), key=key))
    outcomes = restore(mirror)
    assert {key for key, outcome in outcomes.items() if outcome is Restoration.FAILED} == {
        "out/é",
        "out/=gone",
    }
    assert "out/again" in mirror.bench.written
    assert restore(mirror)["out/é"] is Restoration.RESTORED


def test_a_run_that_has_no_rows(mirror: MirrorBench) -> None:
    """Its id is wrong, or it deleted nothing: that is said, and no marker is looked for."""
    with pytest.raises(MissingError, match=r"s3://the-results/copies/demo/manual__1/: check the run's id"):
        deleted_by(mirror)


def test_a_file_of_another_kind(mirror: MirrorBench) -> None:
    """A file that does not hold results is named."""
    mirror.run()
    (key,) = mirror.bench.results
    mirror.bench.server.put(RESULTS, key, b"not compressed")
    with pytest.raises(ConfigError, match=f"{key} is not a file of results"):
        deleted_by(mirror)
