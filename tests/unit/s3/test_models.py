"""The models of AWS's services are those of botocore, however they are read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import JSONFileLoader, Loader

from s3copy_tasks.s3.models import LOADER, Models


@pytest.mark.parametrize("service", ["s3", "sts", "sso", "sso-oidc"])
@pytest.mark.parametrize("kind", ["service-2", "endpoint-rule-set-1"])
def test_the_models_of_services(service: str, kind: str) -> None:
    """S3, and whatever gives credentials."""
    models = Models(type(LOADER.file_loader)())  # clients change the models that they use
    assert models.load_service_model(service, kind) == Loader().load_service_model(service, kind)


@pytest.mark.parametrize("name", ["endpoints", "partitions", "_retry", "sdk-default-configuration"])
def test_other_data(name: str) -> None:
    """Regions, partitions and retries."""
    assert Models(type(LOADER.file_loader)()).load_data(name) == Loader().load_data(name)


def test_a_service_that_does_not_exist() -> None:
    """The error is botocore's."""
    with pytest.raises(UnknownServiceError, match="Unknown service: 'nope'"):
        LOADER.load_service_model("nope", "service-2")


def test_two_sides_read_each_file_once() -> None:
    """Both connect at the same time: the second waits for what the first is reading."""
    read, both = [], Barrier(2)

    class Slow(JSONFileLoader):
        """Waits a moment for the other side."""

        def load_file(self, file_path: str) -> Any:
            read.append(file_path)
            with suppress(BrokenBarrierError):
                both.wait(timeout=0.2)
            return super().load_file(file_path)

    models = Models(Slow())
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: models.load_service_model("sts", "service-2"), range(2))
    assert first == second == Loader().load_service_model("sts", "service-2")
    assert len(read) == len(set(read))
