"""The extra of a connection may hold anything: its check never fails."""

from __future__ import annotations

from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.s3.extra import METHODS, find_problems, suggest_names

SECRET = "hunter2-is-secret"
FIELDS = (
    "aws_access_key_id",
    "aws_secret_access_key",
    "region_name",
    "profile_name",
    "endpoint_url",
    "verify",
    "role_arn",
    "assume_role_method",
    "assume_role_kwargs",
    "config_kwargs",
    "service_config",
    "session_kwargs",
    "assume_role_with_saml",
    "assume_role_with_web_identity_federation",
    "external_id",
)
NAMES = st.sampled_from([*FIELDS, *Config.OPTION_DEFAULTS, "s3", "sts", "endpoint_url", "mode"])
TEXTS = st.sampled_from([*METHODS, "arn:aws:iam::111122223333:role/reader", "file", "\0"])
SECRETS = st.sampled_from([SECRET, f"http://user:{SECRET}@host"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=6,
)


GIVEN = VALUES.filter(lambda value: value not in (None, "")) | SECRETS  # empty fields are left out before


@given(st.dictionaries(st.sampled_from(FIELDS), GIVEN, max_size=4), st.sampled_from([None, SECRET]))
def test_any_extra_is_checked(extra: dict[str, object], password: str | None) -> None:
    """Whatever its values are, the problems are words, and none quotes a secret."""
    words = [*find_problems(extra, login="AKIA", password=password), suggest_names(extra)]
    assert all(SECRET not in one for one in words)


def test_an_ordinary_extra() -> None:
    """What the Amazon provider documents has no problem."""
    extra = {
        "role_arn": "arn:aws:iam::111122223333:role/reader",
        "region_name": "us-west-2",
        "assume_role_kwargs": {"ExternalId": "ext-1", "DurationSeconds": 3600},
        "config_kwargs": {
            "retries": {"max_attempts": 10, "mode": "standard"},
            "signature_version": "unsigned",
        },
        "service_config": {"s3": {"bucket_name": "ops"}, "sts": {"endpoint_url": "https://sts.example.org"}},
        "verify": False,
    }
    assert find_problems(extra, login=None, password=None) == []
