"""Random runs of a mirror, with faults and other clients at any request: never is a wrong object deleted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, example, given, settings

from s3copy_tasks.core.delete_planner import Sizes
from tests.faults.mirror_http import HttpStage
from tests.faults.mirror_memory import MemoryStage
from tests.faults.mirror_script import SCRIPTS, Attempt, Happening, Script
from tests.faults.mirror_stage import play
from tests.support.builders.mirror import entries

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from tests.faults.proxy import FaultProxy

EXAMPLES = int(os.environ.get("S3COPY_FAULT_EXAMPLES", "120"))
SAME = "S3COPY_FAULT_EXAMPLES" not in os.environ
"""Whether to play the same scripts in each run: thousands of others are played by hand."""
CALM: dict[str, Any] = {
    "deadline": None,
    "report_multiple_bugs": False,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}


def write_again(kind: str, *, on_aws: bool = True) -> Script:
    """Return a script in which another client writes an object again before a request of its batch."""
    every = entries(("in/", "out/"))
    options = {"prefixes": every, "all_prefixes": every, "on_aws": on_aws, "delete_folder": None}
    happens = Happening(
        step=1, kind=kind, nth=1, times=1, what="put destination", key="out/gone", content=b"new"
    )
    return Script(
        source={"in/a": b"x"},
        destination={"out/a": b"x", "out/gone": b"x"},
        options=options,
        versioning="Enabled",
        page_keys=1_000,
        fast=True,
        concurrency=1,
        conditional=True,
        sizes=Sizes(),
        happenings=(happens,),
        attempts=(Attempt(plans_again=False, plan=0, batch=0, late=False),),
        circumstances={},
        is_approved=False,
    )


@example(script=write_again("versioning"))
@settings(max_examples=EXAMPLES, derandomize=SAME, **CALM)
@given(script=SCRIPTS)
def test_nothing_but_what_is_proven_is_deleted(script: Script) -> None:
    """Whatever happens; and the account says what became of each object."""
    play(MemoryStage(script))


@example(script=write_again("delete"))
@example(script=write_again("delete", on_aws=False))
@settings(max_examples=EXAMPLES // 4, derandomize=SAME, **CALM)
@given(script=SCRIPTS)
def test_the_same_over_http(script: Script, fault_proxy: FaultProxy, fault_client: S3Client) -> None:
    """With the product's clients, real replies, and what networks do to them."""
    with HttpStage(script, fault_proxy, fault_client) as stage:
        play(stage)
