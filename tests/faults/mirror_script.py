"""Random runs of a mirror: objects, a job, and what happens to which request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from s3copy_tasks.core.delete_planner import Sizes
from s3copy_tasks.core.job import Approval, Filters, ObjectEntry, PrefixEntry
from tests.faults.mirror_rules import Rules
from tests.support.builders.bench import DESTINATION, SOURCE
from tests.support.builders.mirror import make_folder_deletes, make_mirror
from tests.support.s3.memory import DAY_ONE

if TYPE_CHECKING:
    from s3copy_tasks.core.job import EffectiveJob

SUFFIXES = ("a", "b.nc", "B.nc", "é", "e\u0301", "sub/", "sub/a", "sub/b.nc", "sub/deep/a", "x\ry", "x\ny")
KINDS = (
    "list source",
    "list destination",
    "head source",
    "head destination",
    "versioning",
    "delete",
    "delete key",
)
"""Of requests; the last is one key of a request that deletes many."""
WRITERS = ("put source", "remove source", "put destination", "remove destination")
PLACES = ("source leads elsewhere", "source is gone", "suspend", "enable")
FAULTS = (
    "slow down",
    "unavailable",
    "denied",
    "bad request",
    "no such bucket",
    "lost",
    "cut off",
    "empty",
    "stop",
    "lost, and stop",
    "die",
    "die after",
)
"""What strikes a request: it is refused, its answer is lost or spoiled, its process is stopped or killed."""


@dataclass(frozen=True)
class Happening:
    """What happens at a request: just before it, another client acts, or the request itself fails.

    Attributes:
        step: 0 is the first plan; each plan and each attempt of a batch is one more.
        kind: of the request.
        nth: number of the request of this kind in the step, from 1.
        times: how many are struck from then on, by faults.
        what: of `WRITERS`, `PLACES` or `FAULTS`.
        key: that a writer writes or deletes.
        content: that a writer writes.
    """

    step: int
    kind: str
    nth: int
    times: int
    what: str
    key: str
    content: bytes

    @property
    def bucket(self) -> str:
        """The bucket that a writer changes."""
        return SOURCE if self.what.endswith("source") else DESTINATION

    def denies_in(self, step: int) -> bool:
        """Say whether deletes of the key are denied in a step: over HTTP, the fault of a single key."""
        return self.step == step and self.kind == "delete key" and self.what in FAULTS


@dataclass(frozen=True)
class Attempt:
    """An attempt of a batch: by Airflow, or because its task was cleared.

    Attributes:
        plans_again: before it; the batch may be one of the earlier plan all the same.
        plan: index of the plan, from the last one backwards.
        batch: index of its batch, modulo their number.
        late: more than a day after the verdict.
    """

    plans_again: bool
    plan: int
    batch: int
    late: bool


@dataclass(frozen=True)
class Script:
    """A run of a mirror; `options` are of `make_run`. Without `conditional`, a DELETE has no If-Match."""

    source: dict[str, bytes]
    destination: dict[str, bytes]
    options: dict[str, Any]
    versioning: str | None
    page_keys: int
    fast: bool
    concurrency: int
    conditional: bool
    sizes: Sizes
    happenings: tuple[Happening, ...]
    attempts: tuple[Attempt, ...]
    circumstances: dict[str, Any]
    is_approved: bool

    @property
    def job(self) -> EffectiveJob:
        """The run."""
        return make_run(**self.options)


def make_run(delete_folder: str | None, **options: Any) -> EffectiveJob:
    """Return a run of a mirror, or one that deletes a folder of it."""
    return make_folder_deletes(delete_folder, **options) if delete_folder else make_mirror(**options)


CONTENTS = st.sampled_from([b"x", b"x", b"y"])
ENTRIES = st.builds(
    PrefixEntry,
    source=st.sampled_from(["in/", "in/", "in/sub/", "other/", ""]),
    destination=st.sampled_from(["out/", "out/", "out/sub/", "else/", ""]),
    recursive=st.sampled_from([True, True, True, False]),
)
FILTERS = st.builds(
    Filters,
    include=st.sampled_from([(), (), (), (), ("*.nc",), ("sub/*", "a")]),
    exclude=st.sampled_from([(), (), (), (), ("*.nc",), ("deep/*", "sub/deep/*")]),
    modified_since=st.sampled_from([None, None, DAY_ONE.replace(year=2030)]),
)
CIRCUMSTANCES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        *[{}] * 40,
        {"metrics": "a copy failed"},
        {"metrics": "a copy is unknown"},
        {"metrics": "a listing failed"},
        {"digest": "of another config"},
        {"is_backfill": True},
        {"other_runs": 1},
        {"overlap": "job b writes there"},
    ]
)
SIZES = st.sampled_from(
    [
        Sizes(),
        Sizes(batch_keys=1),
        Sizes(batch_keys=3, gap_keys=1, ranges=100),
        Sizes(batch_keys=2, gap_keys=1, ranges=2),
        Sizes(gap_keys=1, ranges=1),
    ]
)
ATTEMPTS = st.builds(
    Attempt,
    plans_again=st.sampled_from([False, False, False, True]),
    plan=st.integers(0, 1),
    batch=st.integers(0, 3),
    late=st.sampled_from([False] * 19 + [True]),
)


@st.composite
def jobs(draw: st.DrawFn, every: tuple[PrefixEntry, ...]) -> dict[str, Any]:
    """Return the options of a run of some of a job's entries, or of one folder below them."""
    chosen = draw(st.sets(st.sampled_from(every), min_size=1)) if draw(st.booleans()) else set(every)
    folder = draw(st.sampled_from(["", "", "", "", "sub/"]))

    def narrow(entry: PrefixEntry) -> PrefixEntry:
        source, destination = entry.source + folder, entry.destination + folder
        return replace(entry, source=source, destination=destination, folder=folder)

    below = {
        entry.destination + deleted for entry in every if entry.recursive for deleted in ("sub/", "sub/deep/")
    }
    below = {deleted for deleted in below if not any(e.destination.startswith(deleted) for e in every)}
    deleted = draw(st.sampled_from([None] * 7 + sorted(below)[:2]))
    named = draw(st.sets(st.sampled_from(["out/a", "out/sub/A", "else/B.nc"]), max_size=1))
    return {
        "prefixes": tuple(narrow(entry) for entry in every if entry in chosen),
        "all_prefixes": every,
        "all_objects": tuple(ObjectEntry(source="single/1", destination=key) for key in sorted(named)),
        "filters": draw(FILTERS) if deleted is None else Filters(),
        "delete_folder": deleted,
        "on_aws": draw(st.booleans()),
        "dry_run": draw(st.sampled_from([False] * 29 + [True])),
        "max_deleted_objects": draw(st.sampled_from([*[100] * 12, 3, 2, 1, 0])),
        "max_deleted_percent": draw(st.sampled_from([*[100] * 9, 50, 33.3, 8.2])),
        "approval": draw(st.sampled_from([Approval.NEVER, Approval.NEVER, *Approval])),
        "allows_unversioned": draw(st.sampled_from([False, False, True])),
    }


@st.composite
def happenings(draw: st.DrawFn, source: list[str], destination: list[str]) -> Happening:
    """Return something that happens."""
    kind = draw(st.sampled_from([*KINDS, "head source", "delete", "delete key"]))
    first = 2 if kind == "head source" else 1  # the first HEAD is the one of the witness
    what = draw(st.sampled_from([*WRITERS * 5, *PLACES, *FAULTS * 2]))
    return Happening(
        step=draw(st.sampled_from([1, 1, 1, 1, 1, 2, 2, 3, 0])),
        kind=kind,
        nth=draw(st.sampled_from([first, first, first, 1, 2, 3, 5])),
        times=draw(st.sampled_from([1, 1, 3, 12, 99])),
        what=what,
        key=draw(st.sampled_from(source if what.endswith("source") else destination)),
        content=draw(CONTENTS),
    )


def find_targets(
    options: dict[str, Any], source: dict[str, bytes], destination: dict[str, bytes]
) -> tuple[list[str], list[str]]:
    """Return the keys that other clients write: mostly what is extraneous, and its sources."""
    job = make_run(**options)
    assert job.mirror is not None
    rules = Rules(job, job.mirror)
    extraneous = sorted(rules.find_extraneous(source, destination))
    origins = sorted({key for each in extraneous for key in rules.find_sources(each)})
    return [*origins * 3, *sorted(source), "in/late"], [*extraneous * 3, *sorted(destination), "out/late"]


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Return a script: the sources are rarely empty, and what happens is mostly about objects there are."""
    pairs = st.lists(ENTRIES, min_size=1, max_size=3, unique_by=lambda e: (e.source, e.destination))
    every = tuple(draw(pairs))
    sources, destinations = ({getattr(e, side) for e in every} for side in ("source", "destination"))
    below = st.sampled_from(sorted(prefix + suffix for prefix in sources for suffix in ("", *SUFFIXES)))
    source = draw(st.dictionaries(below.filter(bool), CONTENTS, max_size=8))
    if draw(st.sampled_from([True] * 9 + [False])):
        source |= {prefix + kept: b"x" for prefix in sources for kept in ("keep", "sub/keep")}
    suffixes = ("", *SUFFIXES, "keep")
    below = st.sampled_from(sorted(prefix + suffix for prefix in destinations for suffix in suffixes))
    destination = draw(st.dictionaries(below.filter(bool), CONTENTS, min_size=3, max_size=12))
    options = draw(jobs(every))
    targets = find_targets(options, source, destination)
    least = draw(st.sampled_from([0, 3]))
    happening = happenings(*targets)
    return Script(
        source=source,
        destination=destination,
        options=options,
        versioning=draw(st.sampled_from(["Enabled"] * 12 + ["Suspended", None])),
        page_keys=draw(st.sampled_from([1_000, 2])),
        fast=draw(st.booleans()),
        concurrency=draw(st.sampled_from([1, 1, 4])),
        conditional=draw(st.sampled_from([True, True, True, False])),
        sizes=draw(SIZES),
        happenings=tuple(draw(st.lists(happening, min_size=least, max_size=7))),
        attempts=tuple(draw(st.lists(ATTEMPTS, min_size=1, max_size=4))),
        circumstances=draw(CIRCUMSTANCES),
        is_approved=draw(st.booleans()),
    )


SCRIPTS = scripts()
