"""S3 over boto3, in threads: slow, and the reference for correct behaviour."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from s3copy_tasks.errors import Code, ConfigError, ExpiredError
from s3copy_tasks.s3.errors import from_client_error, from_transport
from s3copy_tasks.s3.fast.xml import unreadable_reply
from s3copy_tasks.s3.raw_headers import send_headers_raw
from s3copy_tasks.s3.results import check_confirmed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.s3.client import Connect

_CONDITIONAL_COPIES = "1.40.61"


class Boto3Client:
    """Carries out operations by boto3; see `Client`.

    Args:
        connect: makes boto3's client; called again, with `renew`, when its credentials have expired.
        threads: concurrent requests.
    """

    def __init__(self, connect: Connect, *, threads: int = 32) -> None:
        self._connect = connect
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="s3")
        self._lock = Lock()
        self._current: S3Client | None = None
        self._expired = False

    async def call(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out an operation; see `Client`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._call, operation, params)

    async def close(self) -> None:
        """Close all connections, after the requests in flight."""
        await asyncio.to_thread(self._threads.shutdown)
        with self._lock:
            if self._current is not None:
                self._current.close()
            self._current = None

    def _call(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        client = self._client()
        try:
            result: dict[str, Any] = getattr(client, xform_name(operation))(**params)
            if "Body" in result:
                result["Body"] = result["Body"].read()
        except ClientError as error:
            refusal = from_client_error(error)
            if isinstance(refusal, ExpiredError):
                self._drop(client)
            raise refusal from None
        except BotoCoreError as error:
            raise from_transport(error) from None
        except (ResponseParserError, ValueError):  # the latter for a number or a date that is none
            raise unreadable_reply(operation) from None
        check_confirmed(operation, result)
        return result

    def _client(self) -> S3Client:
        with self._lock:
            if self._current is None:
                self._current = self._connect(renew=self._expired)
                send_headers_raw(self._current)
            return self._current

    def _drop(self, expired: S3Client) -> None:
        """Forget an expired client, unless another thread has already replaced it."""
        with self._lock:
            if self._current is expired:
                self._current, self._expired = None, True


def check_copies_are_conditional(client: S3Client) -> None:
    """Check that boto3 supports conditional copies (rule 3).

    Raises:
        ConfigError: it is too old; the message names both solutions.
    """
    asked: Any = client.meta.service_model.operation_model("CopyObject").input_shape
    if "IfNoneMatch" not in asked.members:
        from boto3 import __version__ as boto3_version  # noqa: PLC0415 - slow, and its other modules are not used

        msg = (
            f"transfer.client: boto3 needs boto3 {_CONDITIONAL_COPIES} or later for conditional copies, and "
            f"{boto3_version} is installed. Upgrade it, or remove `client`: the default, `fast`, works"
        )
        raise ConfigError(msg, code=Code.INVALID_CONFIG)
