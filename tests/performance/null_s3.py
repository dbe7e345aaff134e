"""A null S3: nginx answers every copy at once, or after a delay, and stores nothing.

It takes 10 microseconds of its own core per request, so the client on another core is what is measured. nginx
answers copies, deletes of one object, and HEAD of objects: all exist, except in the bucket of one object.
`listings`, behind it, answers other requests.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.request import urlopen

from tests.performance.child import cores
from tests.performance.listings import (
    DELAY_HEADER,
    ETAG,
    MARKER,
    MODIFIED,
    MODIFIED_XML,
    SIZE,
    XMLNS,
    Listings,
    bucket_of,
)
from tests.performance.server_log import FORMAT, Logged, read_log
from tests.support.s3.scripted import certificate
from tests.support.s3.servers.processes import free_port, tied
from tools.installing import install_debian

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

NGINX = Path("/usr/sbin/nginx")
_MODULES = tuple(
    Path(f"/usr/lib/nginx/modules/ngx_http_{name}_module.so") for name in ("echo", "headers_more_filter")
)
_PACKAGES = ("nginx-light", "libnginx-mod-http-echo", "libnginx-mod-http-headers-more-filter")
KEYS_OF_A_PAGE = 1_000
_ETAG = f"&quot;{ETAG}&quot;"
_DECLARED = '<?xml version="1.0" encoding="UTF-8"?>'
_COPIED = f"{_DECLARED}<CopyObjectResult {XMLNS}>{MODIFIED_XML}<ETag>{_ETAG}</ETag></CopyObjectResult>"
_SLOW_DOWN = (
    f"{_DECLARED}<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
_CONFIG = """
daemon off; master_process off; worker_processes 1; pid {home}/pid; error_log {home}/error.log crit;
{modules}
events {{ worker_connections 16384; multi_accept on; }}
http {{
  access_log off; log_format requests escape=json '{log_format}'; tcp_nodelay on;
  keepalive_requests 1000000000; keepalive_timeout 300s; client_max_body_size 0;
  more_clear_input_headers If-None-Match If-Match; # nginx would compare its own ETag
  default_type application/xml; etag off; merge_slashes off; root {home};
  client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home}; uwsgi_temp_path {home};
  scgi_temp_path {home}; ssl_certificate {certificate}; ssl_certificate_key {certificate};
  add_header x-amz-request-id $request_id; add_header x-amz-id-2 abcdefghijklmnopqrstuvwxyz0123456789;
  map "$request_method:$uri" $answered_here {{
    default "";
    "~^HEAD:/{one}/.*/part-0+[.]" /head;
    "~^HEAD:/{one}/.*/part-" /absent;
    "~^HEAD:.*/part-" /head;
    "~^DELETE:/[^/]+/." /deleted;
  }}
  server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }}
  {servers}
}}
"""
_SERVER = """
limit_req_zone $server_port zone=rate{port}:1m rate={rate}r/s;
server {{ listen 127.0.0.1:{port} backlog=4096 {ssl};
  proxy_set_header {delay_header} {delay};
  error_page 418 = @rare; error_page 503 @slow_down; {log}
  location = /bucket {{ rewrite ^ /page.xml last; }}
  location = /page.xml {{ }}
  location ~ ^/[^/]*/?$ {{ proxy_pass http://127.0.0.1:{rare}; }}
  location @rare {{ proxy_pass http://127.0.0.1:{rare}; }}
  location = /head {{ {wait} echo_exec /object; }}
  location = /object {{ add_header ETag '"{etag}"'; }}
  location = /absent {{ echo_status 404; {wait} echo -n ''; }}
  location = /deleted {{ echo_status 204; add_header x-amz-delete-marker true;
    add_header x-amz-version-id {marker}; {wait} echo -n ''; }}
  location @slow_down {{ echo_status 503; {wait} echo -n '{slow_down}'; }}
  location / {{
    if ($answered_here) {{ rewrite ^ $answered_here last; }}
    if ($http_x_amz_copy_source = "") {{ return 418; }}
    {limit}
    {answer}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """One of the server's addresses.

    Attributes:
        scheme: http or https.
        delay: seconds that each request takes.
        rate: copies a second above which it answers SlowDown; 0 for no limit.
        burst: copies that it accepts at once beyond that.
    """

    scheme: str
    delay: float = 0.0
    rate: int = 0
    burst: int = 0

    def __str__(self) -> str:
        return f"{'TLS' if self.scheme == 'https' else 'plain'}, {self.delay * 1_000:.0f} ms"


class NullS3:
    """The server, on the second core; nginx is installed if it is missing.

    Args:
        places: where it listens.
        is_logged: write down each request, for `requests`.

    Attributes:
        urls: by place.
        ca_bundle: the certificate to trust.
    """

    def __init__(self, places: Iterable[Place], *, is_logged: bool = False) -> None:
        self.urls = {place: f"{place.scheme}://127.0.0.1:{free_port()}" for place in places}
        self._is_logged = is_logged
        self._status = f"http://127.0.0.1:{free_port()}"
        self._ending = ExitStack()
        self._status_requests = 0

    def __enter__(self) -> Self:
        if not all(file.exists() for file in (NGINX, *_MODULES)):
            install_debian(_PACKAGES)
        with self._ending as starting:
            home = self._home = Path(
                starting.enter_context(tempfile.TemporaryDirectory(prefix="s3copy-null-"))
            )
            self.ca_bundle = str(certificate(home / "certificate.pem"))
            (home / "page.xml").write_text(_page())
            (home / "object").write_bytes(bytes(SIZE))
            os.utime(home / "object", times=(MODIFIED.timestamp(),) * 2)
            rare = starting.enter_context(Listings()).call("port")
            config = home / "nginx.conf"
            config.write_text(self._config(home, rare))
            process = subprocess.Popen([*tied("KILL"), NGINX, "-c", config, "-e", home / "error.log"])
            starting.callback(process.wait)
            starting.callback(process.terminate)
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, most))
            if len(cores()) > 1:
                os.sched_setaffinity(process.pid, {cores()[1]})
            self._wait_for(process)
            self._ending = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def count_requests(self) -> tuple[int, int]:
        """Return the number of connections and of requests up to now, without those of this method."""
        with urlopen(self._status) as reply:
            connections, _, requests = map(int, reply.read().split(b"\n")[2].split())
        self._status_requests += 1
        return connections - self._status_requests, requests - self._status_requests

    def requests(self, place: Place) -> list[Logged]:
        """Return all requests up to now, in the order in which they began; needs `is_logged`."""
        return read_log(_log_of(self._home, self.urls[place]).read_text())

    def _config(self, home: Path, rare: int) -> str:
        logs = {url: f"access_log {_log_of(home, url)} requests;" for url in self.urls.values()}
        servers = "".join(
            _server(place, url, rare, logs[url] if self._is_logged else "")
            for place, url in self.urls.items()
        )
        status = self._status.removeprefix("http://127.0.0.1:")
        modules = " ".join(f"load_module {file};" for file in _MODULES)
        return _CONFIG.format(
            home=home,
            modules=modules,
            log_format=FORMAT,
            certificate=self.ca_bundle,
            status=status,
            servers=servers,
            one=bucket_of(1),
        )

    def _wait_for(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until it listens."""
        deadline = time.monotonic() + 10
        while True:
            try:
                self.count_requests()
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return


def _server(place: Place, url: str, rare: int, log: str) -> str:
    wait = f"echo_sleep {place.delay};" if place.delay else ""
    limit = "limit_req zone=rate{port} burst={burst} nodelay; limit_req_status 503;"
    port = url.rpartition(":")[2]
    return _SERVER.format(
        port=port,
        rate=place.rate or 1,
        ssl="ssl" if place.scheme == "https" else "",
        delay_header=DELAY_HEADER,
        delay=place.delay,
        rare=rare,
        wait=wait,
        etag=ETAG,
        marker=MARKER,
        slow_down=_SLOW_DOWN,
        log=log,
        limit=limit.format(port=port, burst=place.burst) if place.rate else "",
        answer=f"{wait} echo -n '{_COPIED}';",  # `return` would skip the limit and the cleared headers
    )


def _log_of(home: Path, url: str) -> Path:
    return home / f"requests-{url.rpartition(':')[2]}.log"


def _page() -> str:
    rows = "".join(
        f"<Contents><Key>data/year%3D2026/part-{number:08}.parquet</Key>{MODIFIED_XML}<ETag>{_ETAG}</ETag>"
        f"<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        f"<Size>{number}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(KEYS_OF_A_PAGE)
    )
    head = f"<Name>bucket</Name><Prefix></Prefix><KeyCount>{KEYS_OF_A_PAGE}</KeyCount><MaxKeys>1000</MaxKeys>"
    head += "<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
    return f"{_DECLARED}<ListBucketResult {XMLNS}>{head}{rows}</ListBucketResult>"
