"""`s3copy policy`: the least privileges of a job as JSON."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from packaging.version import Version

from s3copy_tasks.cli.jobs import DONE
from s3copy_tasks.cli.runs import quiet, valid_job
from s3copy_tasks.config.check.template import literal_parts
from s3copy_tasks.core.bucket_names import is_alias
from s3copy_tasks.core.job import list_entries
from s3copy_tasks.errors import AccessError
from s3copy_tasks.iam.least_privileges import Side, least_privileges
from s3copy_tasks.iam.sizes import fit_policies
from s3copy_tasks.s3.connections import AwsConnectionManager
from s3copy_tasks.s3.identity import UNKNOWN

if TYPE_CHECKING:
    import argparse
    from typing import Literal

    from s3copy_tasks.config.job import CopyJob

_STORES_UPLOADS = (3, 3)
"""The first Airflow version that stores the open uploads of a task."""


def policy(options: argparse.Namespace) -> int:
    """Print the least policies that a job needs, without any request to AWS."""
    with quiet():
        job = valid_job(options)
        source, destination = _side(job, "source"), _side(job, "destination")
    listing = lists_uploads(version("apache-airflow-core"))
    found = least_privileges(source, destination, job.options, lists_uploads=listing)
    fitted, remarks = fit_policies(found)
    sys.stderr.write("".join(f"{remark}\n" for remark in remarks))
    sys.stdout.write(json.dumps(fitted, indent=2) + "\n")
    return DONE


def lists_uploads(airflow: str) -> bool:
    """Return whether a retry must list uploads on an Airflow version; a pre-release counts as its release."""
    return Version(airflow).release[:2] < _STORES_UPLOADS


def _side(job: CopyJob, side: Literal["source", "destination"]) -> Side:
    location = getattr(job, side)
    manager = AwsConnectionManager(location, side, job.transfer)
    try:
        identity = manager.identity()
    except AccessError:  # the connection is elsewhere, perhaps on the workers
        identity = UNKNOWN
    role = identity.role
    if role is None:
        partition = manager.partition()
        role = f"arn:{partition}:iam::{location.account or '0' * 12}:role/THE-{side.upper()}-ROLE"
        sys.stderr.write(f"{side}: unknown role: replace {role} with its ARN\n")
    if is_alias(location.bucket):
        sys.stderr.write(
            f"{side}: {location.bucket} is an access point's alias: policies need its ARN as bucket\n"
        )
    patterns = [
        [*literal_parts(getattr(entry, side)), *([None] if field == "prefixes" else [])]
        for field, _, entry in list_entries(job.prefixes, job.objects)
    ]
    versions = [list(literal_parts(one.source)) for one in job.objects if one.version_id and side == "source"]
    return Side(
        location=location, role=role, trust=identity.trust(role), patterns=patterns, versions=versions
    )
