"""SQS over libcurl, for threads that wait for their reply.

botocore finds the credentials and how to connect, as for S3.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
"""

from __future__ import annotations

import json
import time
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from s3copy_tasks.s3.errors import from_reply
from s3copy_tasks.s3.fast.blocking import BlockingCurl
from s3copy_tasks.s3.fast.endpoints import CredentialSource, host_header, read_transport
from s3copy_tasks.s3.fast.replies import parse_headers
from s3copy_tasks.s3.fast.signing import Signer, hash_body
from s3copy_tasks.s3.fast.xml import unreadable_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.client import BaseClient

    from s3copy_tasks.errors import CopyError
    from s3copy_tasks.s3.fast.signing import Credentials

_MULTIPLE_CHOICES = 300
_CONTENT_TYPE = "application/x-amz-json-1.0"
_QUERY_ERROR = "x-amzn-query-error"
"""Has the code that SQS had before it spoke JSON, then `;` and whose fault it is: boto3 returns this one."""


class SqsClient:
    """Carries out operations of SQS; safe to use from many threads. Nothing is retried here.

    Attributes:
        meta: of botocore's client.

    Args:
        client: of botocore, for a queue's endpoint.
    """

    def __init__(self, client: BaseClient) -> None:
        self.meta = client.meta
        url = urlsplit(client.meta.endpoint_url)
        self._host = host_header(url)
        self._url = f"{url.scheme}://{self._host}/"
        self._signer = Signer(client.meta.region_name, client.meta.service_model.signing_name)
        self._source = CredentialSource(client)
        self._curl = BlockingCurl(read_transport(client))
        self._lock = Lock()

    def fetch_credentials(self) -> Credentials:
        """Return the credentials to sign with.

        Raises:
            CopyError: there are none, or the role can't be assumed.
        """
        return self._source.fetch()

    def call(self, credentials: Credentials, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out an operation; both parameters and result are as boto3 has them.

        Raises:
            CopyError: SQS refused the request, no reply came, or one that is not SQS's.
        """
        body = json.dumps(params).encode()
        lines = self._sign(credentials, operation, body)
        status, received, content = self._curl.post(self._url, lines, body)
        headers = parse_headers(received)
        try:
            document = json.loads(content)
        except ValueError:
            document = None
        if status >= _MULTIPLE_CHOICES:
            raise _refused(operation, status, headers, document)
        if not isinstance(document, dict):
            raise unreadable_reply(operation, headers.get("content-type"))
        return document

    def _sign(self, credentials: Credentials, operation: str, body: bytes) -> list[str]:
        """Return the header lines of a request, and those that stop libcurl from adding headers."""
        headers = {
            "content-type": _CONTENT_TYPE,
            "host": self._host,
            "x-amz-target": f"AmazonSQS.{operation}",
        }
        with self._lock:  # a signer is not for two threads at once
            lines = self._signer.sign(credentials, "POST", "/", "", headers, hash_body(body), now=time.time())
        return [*lines, "accept-encoding:identity", "expect:"]


def _refused(operation: str, status: int, headers: Mapping[str, str], document: Any) -> CopyError:
    said = document if isinstance(document, dict) else {}
    code, separator, _ = headers.get(_QUERY_ERROR, "").partition(";")
    if not code or not separator:
        code = str(said.get("__type") or "").partition(":")[0].rpartition("#")[2]
    message = said.get("message") or said.get("Message")
    return from_reply(operation, code, message and str(message), status, headers)
