"""Why no server can copy from one side to the other, so that only a relay can (rule 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.errors import Code, ConfigError, CopyError

if TYPE_CHECKING:
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.s3.connections import AwsConnectionManager, Sides

_NEEDS_RELAY = "Set transfer.relay to auto to send the bytes through the worker's memory"
_ELSEWHERE = frozenset(
    {
        "301",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidLocationConstraint",
        "InvalidToken",
        "NoSuchBucket",
        "NotSignedUp",
        "OptInRequired",
        "PermanentRedirect",
        "SignatureDoesNotMatch",
        "TemporaryRedirect",
        "UnrecognizedClientException",
    }
)
"""Codes with which S3 refuses credentials or buckets of another partition, server, or opt-in region."""


def explain_two_servers(job: EffectiveJob, sides: Sides) -> ConfigError | None:
    """Say why no server can copy, if roles, regions and endpoints show it; None if they do not."""
    source, destination = _server(sides.source.endpoint_url()), _server(sides.destination.endpoint_url())
    if source is None and destination is None:
        return _explain_two_partitions(job, sides)
    if source == destination:
        return None
    return _needs_relay(
        f"{job.source} is on {source or 'AWS'}, {job.destination} on {destination or 'AWS'}: "
        "one server can't copy from the other"
    )


def is_aws(manager: AwsConnectionManager) -> bool:
    """Say whether a side is AWS's own S3."""
    return _server(manager.endpoint_url()) is None


def explain_elsewhere(job: EffectiveJob, error: CopyError) -> ConfigError | None:
    """Say why no server can copy, if a refusal shows it; None if it does not.

    Args:
        job: the run.
        error: of a read of the source by the destination's side. Both have listed their own buckets.
    """
    if error.code not in _ELSEWHERE:
        return None
    return _needs_relay(
        f"{job.source} is out of reach of the destination's side ({error.code}: {error.reason}): the buckets "
        "are in two partitions or regions of AWS, or on two servers, and one can't copy from the other"
    )


def _explain_two_partitions(job: EffectiveJob, sides: Sides) -> ConfigError | None:
    source, destination = (side.partition(side.identity().role) for side in (sides.source, sides.destination))
    if source == destination:
        return None
    return _needs_relay(
        f"{job.source} is in the partition {source} of AWS, {job.destination} in {destination}: one can't "
        "copy from the other"
    )


def _needs_relay(reason: str) -> ConfigError:
    return ConfigError(reason, code=Code.RELAY_NEEDED, remedy=_NEEDS_RELAY)


def _server(endpoint_url: str | None) -> str | None:
    """Return the host, by which two endpoints of one server are the same; None for all endpoints of AWS.

    A connection may hold anything: a password in the URL is left out, and an invalid URL is not an error.
    """
    host = (endpoint_url or "").partition("://")[2].partition("/")[0].rpartition("@")[2].lower()
    return None if not host or host.removesuffix(".cn").endswith(".amazonaws.com") else host
