"""A bucket, and how to reach it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from s3copy_tasks.core.bucket_names import find_region


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A bucket, and how to reach it. Names of roles and connections only, never a secret.

    Attributes:
        bucket: the bucket's name, or the ARN of an access point.
        account: twelve digits; sent as the expected owner with every request to the bucket.
        connection: id of an Airflow AWS connection; not together with role_arn.
        role_arn: role to assume with the environment's own credentials.
        external_id: sent when role_arn is assumed.
        region: None means what the connection or the environment says; an ARN has its own.
        endpoint_url: of an S3-compatible server; None means AWS.
        requester_pays: declare in every request to the source that its signer pays.
    """

    bucket: str
    account: str | None = None
    connection: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    requester_pays: bool = False

    def __post_init__(self) -> None:
        if self.region is None:
            object.__setattr__(self, "region", find_region(self.bucket))

    def reach(self, bucket: str, connection: str | None = None) -> Location:
        """Return the location of a bucket that is reached in the same way, or by a connection.

        The owner, and whether its reader pays, are known of the same bucket only.
        """
        if bucket == self.bucket:
            place = self
        else:
            region = find_region(bucket) or self.region
            place = replace(self, bucket=bucket, account=None, region=region, requester_pays=False)
        if connection is None:
            return place
        return Location(
            bucket=bucket,
            account=place.account,
            connection=connection,
            region=self.region if place is self else None,
            requester_pays=place.requester_pays,
        )

    def __str__(self) -> str:
        return f"s3://{self.bucket}"
