"""The models of AWS's services are those of botocore, however they are read."""

from __future__ import annotations

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader

from s3copy_tasks.s3.models import LOADER


@pytest.mark.parametrize("service", ["s3", "sts", "sso", "sso-oidc"])
@pytest.mark.parametrize("kind", ["service-2", "endpoint-rule-set-1"])
def test_the_models_of_services(service: str, kind: str) -> None:
    """S3, and whatever gives credentials."""
    assert LOADER.load_service_model(service, kind) == Loader().load_service_model(service, kind)


@pytest.mark.parametrize("name", ["endpoints", "partitions", "_retry", "sdk-default-configuration"])
def test_other_data(name: str) -> None:
    """Regions, partitions and retries."""
    assert LOADER.load_data(name) == Loader().load_data(name)


def test_a_service_that_does_not_exist() -> None:
    """The error is botocore's."""
    with pytest.raises(UnknownServiceError, match="Unknown service: 'nope'"):
        LOADER.load_service_model("nope", "service-2")
