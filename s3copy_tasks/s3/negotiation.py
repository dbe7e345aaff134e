"""Finds out which optional headers a server supports, from its own answers, and leaves out those it does not.

`core.abilities` decides which headers a request can do without. What was found is remembered for all later
requests, and preflight passes it on to the tasks of the run. No request is sent twice with the same headers.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from s3copy_tasks.core.abilities import describe_lack, find_named, find_spared
from s3copy_tasks.errors import CopyError, RequestError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from s3copy_tasks.core.abilities import Demands
    from s3copy_tasks.s3.client import Client

log = structlog.get_logger(__name__)


class NegotiatingClient:
    """Carries out operations without the headers that the server lacks; see `Client`.

    Args:
        client: carries them out.
        demands: the headers that the job depends on.
        lacks: parameters that the server is known to lack.

    Attributes:
        lacks: those, and what was found since then.
        guesses: whether to try what is to blame if a server does not name it. Only in preflight: a request
            for an object is sent again only without what the server named.
    """

    def __init__(self, client: Client, demands: Demands, lacks: Iterable[str] = ()) -> None:
        self._client = client
        self._demands = demands
        self.lacks = frozenset(lacks)
        self.guesses = False

    async def call(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out an operation; see `Client`.

        Raises:
            UnsupportedError: the server lacks what the job depends on; the message says what to change.
        """
        sent = _leave_out(params, find_spared(operation, self.lacks)) if self.lacks else params
        try:
            return await self._client.call(operation, sent)
        except RequestError as error:
            return await self._call_without(operation, sent, error)

    async def close(self) -> None:
        """Close all connections; see `Client`."""
        await self._client.close()

    async def _call_without(
        self, operation: str, sent: Mapping[str, Any], error: RequestError
    ) -> Mapping[str, Any]:
        """Send a refused request without what the server named, or without one suspect after another."""
        is_named = bool(find_named(sent, error))
        for suspects in self._demands.find_suspects(operation, sent, error, guess=self.guesses):
            fewer = _leave_out(sent, suspects)
            try:
                reply = await self._client.call(operation, fewer)
            except CopyError as other:
                is_refused = isinstance(other, UnsupportedError) or bool(find_named(fewer, other))
                if is_named or not is_refused:
                    self._learn(suspects)
                if not is_refused:
                    raise
                if is_named and isinstance(other, RequestError):
                    return await self._call_without(operation, fewer, other)
            else:
                self._learn(suspects)
                return reply
        raise self._demands.explain(operation, sent, error) from None

    def _learn(self, lacks: frozenset[str]) -> None:
        if not lacks <= self.lacks:
            header, effect = describe_lack(lacks)
            log.warning("the server does not support a header", header=header, effect=effect)
        self.lacks |= lacks


@contextmanager
def guessing(*clients: NegotiatingClient) -> Iterator[None]:
    """Let clients guess what their servers lack."""
    for client in clients:
        client.guesses = True
    try:
        yield
    finally:
        for client in clients:
            client.guesses = False


def _leave_out(params: Mapping[str, Any], lacks: frozenset[str]) -> dict[str, Any]:
    return {param: value for param, value in params.items() if param not in lacks}
