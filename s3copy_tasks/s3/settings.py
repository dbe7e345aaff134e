"""What a connection says about AWS, by the rules of the Amazon provider, which takes a second to import.

https://airflow.apache.org/docs/apache-airflow-providers-amazon/stable/connections/aws.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore import UNSIGNED
from botocore.config import Config

from s3copy_tasks.s3.extra import ASSUME_ROLE

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a connection says: of Airflow, or of the YAML or the environment, whose fields are empty.

    Attributes:
        name: the connection's id.
        extra: its other fields, as they are.
        login: its access key's id; None if the extra has it, or none is there.
        password: its secret access key; like `login`.
    """

    name: str
    extra: Mapping[str, Any] = field(repr=False)
    login: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def keys(self) -> tuple[str | None, str | None, str | None]:
        """The access key's id, the secret key and the session token, as far as there are any."""
        older = self.extra.get("session_kwargs", {})
        key = [(self.login, self.password)]
        key += [
            (given.get("aws_access_key_id"), given.get("aws_secret_access_key"))
            for given in (self.extra, older)
        ]
        whole = next((pair for pair in key if all(pair)), (None, None))
        return *whole, self.extra.get("aws_session_token") or older.get("aws_session_token")

    @property
    def profile(self) -> str | None:
        """The name of a profile in ~/.aws/config."""
        return self.extra.get("profile_name")

    @property
    def region(self) -> str | None:
        """The region of STS, and by default of the bucket; None if the environment or a profile has it."""
        return self.extra.get("region_name")

    @property
    def verify(self) -> bool | str | None:
        """Whether certificates are checked, or the path of a CA bundle; None for botocore's default."""
        return self.extra.get("verify")

    @property
    def role_arn(self) -> str | None:
        """The role to assume."""
        return self.extra.get("role_arn")

    @property
    def method(self) -> str | None:
        """How the role is assumed; None without a role."""
        return self.extra.get("assume_role_method", ASSUME_ROLE) if self.role_arn else None

    @property
    def arguments(self) -> Mapping[str, Any]:
        """More arguments of the call that assumes the role."""
        return self.extra.get("assume_role_kwargs", {}) if self.role_arn else {}

    @property
    def config(self) -> Config | None:
        """Options of botocore; None if there are none."""
        given = self.extra.get("config_kwargs")
        if not given:
            return None
        unsigned = {"signature_version": UNSIGNED} if given.get("signature_version") == "unsigned" else {}
        return Config(**given | unsigned)

    @property
    def is_anonymous(self) -> bool:
        """Whether requests are not signed, as for a public bucket: config_kwargs.signature_version."""
        return self.config is not None and getattr(self.config, "signature_version", None) is UNSIGNED

    @property
    def s3_endpoint_url(self) -> str | None:
        """The endpoint of S3; None if only the environment or a profile has it."""
        return self._endpoint_url("s3", self.extra.get("endpoint_url"))

    @property
    def sts_endpoint_url(self) -> str | None:
        """The endpoint of STS, for which the extra's `endpoint_url` is not meant; None like that of S3."""
        return self._endpoint_url("sts", None)

    def _endpoint_url(self, service: str, otherwise: str | None) -> str | None:
        url: str | None = self.extra.get("service_config", {}).get(service, {}).get("endpoint_url", otherwise)
        return url
