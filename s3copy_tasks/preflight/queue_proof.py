"""The proof of a job whose keys a queue names: the queue is there, and its messages may be read and deleted.

No message is received. That receiving is allowed is asked for by a request for no message at all, which SQS
refuses for its number: a server that checks the number first proves nothing by that. What the messages name
is not known, so objects are read that lie below the job's prefixes now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.core.bucket_names import is_access_point, is_alias
from s3copy_tasks.errors import AccessError, Code, ConfigError, CopyError
from s3copy_tasks.preflight.list_files import FoundList
from s3copy_tasks.preflight.read_proofs import Proof, Readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.queue import MessageQueue, Queue, QueueState
    from s3copy_tasks.preflight.checks import Checks

_NO_MESSAGE = "s3copy-preflight"
"""A handle that no message has. SQS says so once it has found that the request is allowed."""
_NO_REDRIVE = (
    "{queue} has no redrive policy: a message that can never be settled comes again in every run, until the "
    "queue drops it. Give the queue a dead-letter queue"
)
_ANY_BUCKET = (
    "{queue}: events have the name of the bucket behind the access point {bucket}, which is not known. So "
    "events of any bucket count: let no other one send to this queue"
)
_ARN_PARTS = 6


class QueueProof:
    """See the module, and `ReadProof`.

    Args:
        job: the run.
        of: its queue.
        queue: the same, with the credentials of the job.
        checks: that list.
    """

    def __init__(self, job: EffectiveJob, of: Queue, queue: MessageQueue, checks: Checks) -> None:
        self._job = job
        self._of = of
        self._queue = queue
        self._checks = checks
        self.found = FoundList(job=job)

    def find(self) -> CopyError | None:
        """Read how many messages the queue has, and what its ARN and its redrive policy are."""
        try:
            state = self._queue.read_state()
            _check_owner(self._of, state)
        except CopyError as error:
            return error
        self.found = FoundList(job=self._job, remarks=tuple(self._remark(state)), queue=state)
        return None

    def _remark(self, state: QueueState) -> Iterator[str]:
        bucket = self._job.source.bucket
        if not state.has_redrive:
            yield _NO_REDRIVE.format(queue=self._of)
        if is_access_point(bucket) or is_alias(bucket):
            yield _ANY_BUCKET.format(queue=self._of, bucket=bucket)

    def begin(self, pool: Executor) -> list[Future[CopyError | None]]:
        """Begin to delete and to hide a message that does not exist, and to ask for none."""
        calls: list[Callable[[], object]] = [
            lambda: self._queue.delete([_NO_MESSAGE]),
            lambda: self._queue.hide([_NO_MESSAGE], 0),
            self._queue.try_receive,
        ]
        return [pool.submit(_find_error, call) for call in calls]

    def choose(self, pool: Executor) -> Proof:
        """Return the first key below each prefix; without messages a prefix may be empty."""
        prefixes = self._job.prefixes
        firsts = list(pool.map(self._checks.first_key, prefixes))
        found = list(zip(prefixes, firsts, strict=True))
        below = [Readable(entry.source + "*", key) for entry, key in found if key]
        empty = [f"{self._job.source}/{entry.source}" for entry, key in found if key is None]
        remarks = [f"read access not proven under {where}: no object there" for where in empty]
        return Proof(below, below, remarks)


def _check_owner(of: Queue, state: QueueState) -> None:
    """Refuse a queue of another account or region than its URL says.

    Raises:
        AccessError: of another account.
        ConfigError: of another region.
    """
    parts = state.arn.split(":")
    if len(parts) != _ARN_PARTS:
        return
    region, account = parts[3], parts[4]
    if account != of.account:
        msg = f"from.queue: {of} is the queue of another account: {state.arn}. Check the URL"
        raise AccessError(msg, code=Code.WRONG_ACCOUNT)
    if of.region is not None and region != of.region:
        msg = f"from.queue: {of} is in another region: {state.arn}. Check the URL"
        raise ConfigError(msg, code=Code.INVALID_CONFIG)


def _find_error(call: Callable[[], object]) -> CopyError | None:
    try:
        call()
    except CopyError as error:
        return error
    return None
