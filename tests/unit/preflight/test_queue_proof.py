"""What preflight proves of a queue without receiving a message."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from s3copy_tasks.core.job import PrefixEntry
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.queue import Queue, QueueState, Received
from s3copy_tasks.errors import AccessError, ConfigError, CopyError
from s3copy_tasks.preflight.queue_proof import QueueProof
from s3copy_tasks.preflight.read_proofs import Proof, Readable
from tests.support.builders.bench import SOURCE, make_job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.preflight.checks import Checks

QUEUE = Queue(
    url="https://sqs.us-west-2.amazonaws.com/111122223333/created", location=Location(bucket=SOURCE)
)
ARN = "arn:aws:sqs:us-west-2:111122223333:created"
JOB = make_job(
    keys_from=QUEUE,
    prefixes=(
        PrefixEntry(source="in/", destination="out/"),
        PrefixEntry(source="new/", destination="later/"),
    ),
)


class Refusing:
    """A queue that refuses one method, and has no message to give."""

    def __init__(self, state: QueueState, refused: str = "") -> None:
        self._state = state
        self._refused = refused

    def _ask(self, method: str) -> None:
        if method == self._refused:
            raise AccessError(f"{method} is not allowed", code="AccessDenied")

    def read_state(self) -> QueueState:
        self._ask("read_state")
        return self._state

    def receive(self, *, wait_seconds: int, hidden_seconds: int) -> Sequence[Received]:
        raise NotImplementedError

    def try_receive(self) -> None:
        self._ask("try_receive")

    def delete(self, handles: Sequence[str]) -> Sequence[str]:
        self._ask("delete")
        return handles

    def hide(self, handles: Sequence[str], seconds: int) -> Sequence[str]:
        self._ask(f"hide for {seconds} s")
        return handles


class FirstKeys:
    """The first keys that a listing has found: none below new/."""

    def first_key(self, entry: PrefixEntry) -> str | None:
        return "in/a" if entry.source == "in/" else None


def prove(queue: Refusing, job: EffectiveJob = JOB) -> tuple[QueueProof, CopyError | None]:
    """Return the proof, and the first error that it found."""
    proof = QueueProof(job, QUEUE, queue, cast("Checks", FirstKeys()))
    found = proof.find()
    with ThreadPoolExecutor(1) as pool:
        errors = [found, *(each.result() for each in proof.begin(pool))]
    return proof, next((error for error in errors if error), None)


@pytest.mark.parametrize("refused", ["read_state", "try_receive", "delete", "hide for 0 s"])
def test_each_permission_is_asked_for(refused: str) -> None:
    """A refusal of any of the requests that batches make is found before the first one."""
    _, error = prove(Refusing(QueueState(waiting=1, arn=ARN), refused))
    assert isinstance(error, AccessError)
    assert refused in error.message


OTHERS: dict[str, tuple[str, type[CopyError]]] = {
    "account": (ARN.replace("111122223333", "444455556666"), AccessError),
    "region": (ARN.replace("us-west-2", "eu-central-1"), ConfigError),
}


@pytest.mark.parametrize(("arn", "kind"), OTHERS.values(), ids=OTHERS)
def test_the_queue_of_another_owner(arn: str, kind: type[CopyError]) -> None:
    """A queue that is in another account or region than its URL says is refused."""
    _, error = prove(Refusing(QueueState(waiting=1, arn=arn)))
    assert isinstance(error, kind)
    assert arn in error.message


@pytest.mark.parametrize("has_redrive", [True, False])
def test_what_a_passed_proof_says(has_redrive: bool) -> None:  # noqa: FBT001
    """The state is passed on; a missing redrive policy and an empty prefix are remarks, and no error."""
    state = QueueState(waiting=7, arn=ARN, has_redrive=has_redrive)
    proof, error = prove(Refusing(state))
    assert error is None
    assert proof.found.queue == state
    assert len(proof.found.remarks) == (0 if has_redrive else 1)
    assert all("no redrive policy" in remark for remark in proof.found.remarks)
    with ThreadPoolExecutor(1) as pool:
        first = Readable("in/*", "in/a")
        unproven = "read access not proven under s3://the-source/new/: no object there"
        assert proof.choose(pool) == Proof([first], [first], [unproven])


@pytest.mark.parametrize("bucket", ["arn:aws:s3:us-west-2:111122223333:accesspoint/ops", "ops-x1y2-s3alias"])
def test_an_access_point_does_not_say_its_bucket(bucket: str) -> None:
    """Events name the bucket behind it: a remark says that those of any bucket count."""
    job = replace(JOB, source=Location(bucket=bucket))
    proof, error = prove(Refusing(QueueState(waiting=7, arn=ARN, has_redrive=True)), job)
    assert error is None
    (remark,) = proof.found.remarks
    assert bucket in remark
