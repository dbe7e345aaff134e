"""The settings of a connection are those that the Amazon provider reads."""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.s3.extra import METHODS, find_problems
from s3copy_tasks.s3.settings import Settings

KEY = st.sampled_from(["", "AKIA", "other"])
KEYS = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), KEY)
URL = {"endpoint_url": st.sampled_from(["http://a.example.org", "https://b.example.org:9000"])}
EXTRA = st.fixed_dictionaries(
    {},
    optional={
        **KEYS,
        **URL,
        "region_name": st.sampled_from(["us-east-1", "garage"]),
        "profile_name": st.just("ops"),
        "verify": st.booleans(),
        "role_arn": st.just("arn:aws:iam::111122223333:role/reader"),
        "assume_role_method": st.sampled_from(METHODS),
        "assume_role_kwargs": st.dictionaries(st.just("ExternalId"), st.just("x")),
        "session_kwargs": st.fixed_dictionaries({}, optional=KEYS),
        "service_config": st.dictionaries(
            st.sampled_from(["s3", "sts", "sqs"]), st.fixed_dictionaries({}, optional=URL)
        ),
        "config_kwargs": st.fixed_dictionaries(
            {},
            optional={
                "signature_version": st.sampled_from(["unsigned", "s3v4"]),
                "s3": st.just({"addressing_style": "path"}),
                "proxies": st.just({"https": "http://proxy.example.org"}),
            },
        ),
        "something": st.just("else"),
    },
)


def options(config: Any) -> dict[str, Any] | None:
    return None if config is None else config._user_provided_options


@given(extra=EXTRA, login=KEY, password=KEY)
def test_settings(extra: dict[str, Any], login: str, password: str) -> None:
    """Keys, role, region, profile, endpoints and options are the provider's, in its order."""
    extra = {name: value for name, value in extra.items() if value != ""}
    if find_problems(extra, login=login, password=password):
        return
    found = Settings(name="src", extra=extra, login=login, password=password)
    wrapper = AwsConnectionWrapper.from_connection_metadata("src", login, password, extra)
    key_id, secret, token = found.keys
    expected = wrapper.aws_access_key_id, wrapper.aws_secret_access_key, wrapper.aws_session_token
    assert (key_id, secret, token or None) == (*expected[:2], expected[2] or None)
    assert (found.region, found.profile, found.verify) == (
        wrapper.region_name,
        wrapper.profile_name,
        wrapper.verify,
    )
    assert (found.role_arn, found.method, found.arguments) == (
        wrapper.role_arn,
        wrapper.assume_role_method,
        wrapper.assume_role_kwargs,
    )
    assert found.s3_endpoint_url == wrapper.get_service_endpoint_url("s3")
    assert found.sts_endpoint_url == wrapper.get_service_endpoint_url("sts", sts_connection_assume=True)
    assert options(found.config) == options(wrapper.botocore_config)


def test_settings_do_not_show_secrets() -> None:
    """Their text may be in a traceback."""
    secrets = {"aws_secret_access_key": "hunter2", "assume_role_kwargs": {"ExternalId": "hunter2"}}
    assert "hunter2" not in repr(Settings(name="src", extra=secrets, login="hunter2", password="hunter2"))
