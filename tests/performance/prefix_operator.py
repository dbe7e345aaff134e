"""Runs `execute` of the Amazon provider's S3CopyPrefixOperator once: bucket, prefix, bucket, prefix."""

from __future__ import annotations

import sys
from typing import cast

from airflow.providers.amazon.aws.operators.s3 import S3CopyPrefixOperator
from airflow.sdk import Context


def main(source: str, prefix: str, destination: str, other: str) -> None:
    """Copy."""
    S3CopyPrefixOperator(
        task_id="copy",
        source_bucket_name=source,
        source_bucket_prefix=prefix,
        dest_bucket_name=destination,
        dest_bucket_prefix=other,
        aws_conn_id="aws_destination",
    ).execute(cast("Context", {}))


if __name__ == "__main__":
    main(*sys.argv[1:])
