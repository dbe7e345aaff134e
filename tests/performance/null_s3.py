"""A null S3: nginx answers every copy and every listing at once, or after a delay, and keeps nothing.

It takes 10 microseconds of its own core per request, so a client on another core is what is measured. It
needs Debian's nginx-light and libnginx-mod-http-echo.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.performance.child import cores
from tests.scripted import certificate

if TYPE_CHECKING:
    from types import TracebackType

NGINX = Path("/usr/sbin/nginx")
ECHO = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
KEYS_OF_A_PAGE = 1_000
_XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_ETAG = "&quot;9b2cf535f27731c974343645a3985328&quot;"
_MODIFIED = "<LastModified>2026-11-01T12:34:56.000Z</LastModified>"
_DECLARED = '<?xml version="1.0" encoding="UTF-8"?>'
_COPIED = f"{_DECLARED}<CopyObjectResult {_XMLNS}>{_MODIFIED}<ETag>{_ETAG}</ETag></CopyObjectResult>"
_CONFIG = """
daemon off; master_process off; worker_processes 1; pid {home}/pid; error_log {home}/error.log error;
worker_rlimit_nofile 8192; load_module {echo};
events {{ worker_connections 4096; multi_accept on; }}
http {{
  access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 300s;
  default_type application/xml; etag off; merge_slashes off; root {home};
  client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home}; uwsgi_temp_path {home};
  scgi_temp_path {home}; ssl_certificate {certificate}; ssl_certificate_key {certificate};
  add_header x-amz-request-id 0123456789ABCDEF; add_header x-amz-id-2 abcdefghijklmnopqrstuvwxyz0123456789;
  {servers}
}}
"""
_SERVER = """
server {{ listen 127.0.0.1:{port} backlog=4096 {ssl};
  location = /bucket {{ rewrite ^ /page.xml last; }}
  location = /page.xml {{ }}
  location / {{ {answer} }}
}}
"""


class NullS3:
    """The server, on the second core; `urls` by scheme and delay."""

    def __enter__(self) -> Self:
        self._home = tempfile.TemporaryDirectory(prefix="s3copy-null-")
        home = Path(self._home.name)
        self.ca_bundle = str(certificate(home / "certificate.pem"))
        (home / "page.xml").write_text(_page())
        self.urls = {(scheme, delay): "" for scheme in ("http", "https") for delay in (0.0, 0.03)}
        servers = []
        for scheme, delay in self.urls:
            port = _free_port()
            self.urls[scheme, delay] = f"{scheme}://127.0.0.1:{port}"
            echo = f"echo_sleep {delay}; echo -n '{_COPIED}';"
            answer = echo if delay else f"return 200 '{_COPIED}';"
            servers.append(_SERVER.format(port=port, ssl="ssl" if scheme == "https" else "", answer=answer))
        config = home / "nginx.conf"
        config.write_text(
            _CONFIG.format(home=home, echo=ECHO, certificate=self.ca_bundle, servers="".join(servers))
        )
        self._process = subprocess.Popen([NGINX, "-c", config, "-e", home / "error.log"])
        if len(cores()) > 1:
            os.sched_setaffinity(self._process.pid, {cores()[1]})
        for url in self.urls.values():
            _wait_for(int(url.rpartition(":")[2]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        self._home.cleanup()


def is_installed() -> bool:
    """Say whether there is what it needs."""
    return NGINX.exists() and ECHO.exists()


def _page() -> str:
    rows = "".join(
        f"<Contents><Key>data/year%3D2026/part-{number:08}.parquet</Key>{_MODIFIED}<ETag>{_ETAG}</ETag>"
        f"<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        f"<Size>{number}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(KEYS_OF_A_PAGE)
    )
    head = f"<Name>bucket</Name><Prefix></Prefix><KeyCount>{KEYS_OF_A_PAGE}</KeyCount><MaxKeys>1000</MaxKeys>"
    head += "<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
    return f"{_DECLARED}<ListBucketResult {_XMLNS}>{head}{rows}</ListBucketResult>"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
