"""What botocore's data says about regions: their partition, and whether they are known. No network."""

from __future__ import annotations

import os
from functools import cache

from botocore.exceptions import UnknownRegionError
from botocore.session import Session

from s3copy_tasks.s3.models import LOADER

_ENVIRONMENT = "AWS_REGION"
"""The variable of all AWS SDKs but boto3, which reads AWS_DEFAULT_REGION alone."""


def find_partition_of_region(region: str | None) -> str | None:
    """Return the partition of a region, such as aws-cn for cn-north-1; None if no partition has its form."""
    if not region:
        return None
    try:
        return str(_session().get_partition_for_region(region))
    except UnknownRegionError:  # of an S3-compatible server, or a misspelt one
        return None


def is_known_region(region: str) -> bool:
    """Say whether the installed botocore has a region by name; a newer one may have it."""
    return region in _known_regions()


def region_of_environment() -> str | None:
    """Return the region of AWS_REGION."""
    return os.environ.get(_ENVIRONMENT) or None


def endpoint_of_environment() -> str | None:
    """Return the endpoint of S3 in the variables that botocore reads; None for AWS."""
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


@cache
def _known_regions() -> frozenset[str]:
    session = _session()
    partitions = session.get_available_partitions()
    return frozenset(region for name in partitions for region in session.get_available_regions("sts", name))


@cache
def _session() -> Session:
    session = Session()
    session.register_component("data_loader", LOADER)
    return session
