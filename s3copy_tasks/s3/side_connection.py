"""The connection of a side: for sessions, and for messages that name its fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from s3copy_tasks.s3.identity import find_identity

if TYPE_CHECKING:
    from s3copy_tasks.core.location import Location
    from s3copy_tasks.s3.identity import Identity
    from s3copy_tasks.s3.settings import Settings

SideName: TypeAlias = Literal["source", "destination", "from", "results"]
"""What a connection is for, by the field of the YAML that names it."""


def describe(place: Location) -> str:
    """Return how a bucket is reached, in words."""
    if place.role_arn:
        return f"role {place.role_arn}"
    if place.connection:
        return f"Airflow connection {place.connection!r}"
    return "the environment's own credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideConnection:
    """The connection of a side.

    Attributes:
        side: for messages.
        location: the bucket and how to reach it.
        settings: what it says; of the environment, or of a role in the YAML, without a connection.
    """

    side: SideName
    location: Location
    settings: Settings

    def __str__(self) -> str:
        return describe(self.location)

    @property
    def identity(self) -> Identity:
        """The role of this side, and how it is assumed."""
        return find_identity(self.settings)

    def fields(self) -> dict[str, str]:
        """Return where each setting is written: the connection's extra, the YAML, or the environment."""
        region = f"{self.side}.region of the YAML or AWS_REGION"
        if not self.location.connection:
            by_role = f"{self.side}.role_arn and {self.side}.external_id of the YAML"
            return {
                "call": by_role if self.location.role_arn else "AWS_ROLE_ARN",
                "connection": "the environment",
                "keys": "the environment",
                "profile": "AWS_PROFILE",
                "region": region,
                "s3_endpoint": f"{self.side}.endpoint_url of the YAML and the environment",
                "sts_endpoint": "AWS_ENDPOINT_URL_STS",
                "verify": "AWS_CA_BUNDLE",
            }
        extra = f"the extra of {self}"
        return {
            "call": f"role_arn and assume_role_kwargs in {extra}",
            "connection": extra,
            "keys": f"login and password of {self}",
            "profile": f"profile_name in {extra}" if self.settings.profile else "AWS_PROFILE",
            "region": f"region_name in {extra}, {region}",
            "s3_endpoint": f"endpoint_url and config_kwargs in {extra}",
            "sts_endpoint": f"service_config.sts.endpoint_url in {extra}",
            "verify": f"verify in {extra}",
        }
