"""Ceph's gateway (RGW): an independent implementation that checks signatures, roles and policies.

One monitor, one OSD in memory, one gateway, all on loopback and in a scratch folder. Two users stand for two
accounts, for RGW has none: a bucket belongs to its user, and what is not granted is denied.
https://docs.ceph.com/en/pacific/radosgw/bucketpolicy/
"""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.support.s3.servers.endpoint import WORKER, Endpoint, Keys, allow
from tests.support.s3.servers.processes import Processes, free_port
from tools.installing import install_debian

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_s3.client import S3Client

_PACKAGES = ("ceph-mon", "ceph-osd", "ceph-mgr", "radosgw", "ceph-common")
_COMMANDS = ("ceph-mon", "ceph-osd", "radosgw", "ceph", "ceph-authtool", "monmaptool", "radosgw-admin")
_START_SECONDS = 60

SOURCE_OWNER = Keys("AKIASOURCE0000000000", "not-a-secret-of-anybody")
DESTINATION_OWNER = Keys("AKIADESTINATION00000", "not-a-secret-of-anybody")
COPIER = Keys("AKIACOPIER0000000000", "not-a-secret-of-anybody")
"""A long-lived user of the destination's side, who owns nothing."""

LACKS: Mapping[str, str] = {
    "back_door": "it runs in processes of its own",
    "any_key": "a key that the administrator did not make is refused",
    "accounts": "it has users in their place, and the ARNs of roles have none",
    "caller_identity": "GetCallerIdentity answers 405",
    "expected_owner": "the header is ignored",
    "foreign_parts": "UploadPartCopy checks ACLs only, not the source bucket's policy",
    "parts_by_role": "UploadPartCopy checks ACLs only, which have no roles",
    "copy_if_match": "the condition is ignored",
    "part_if_match": "the condition is ignored",
    "copy_if_none_match": "the condition is ignored",
    "complete_if_none_match": "the condition is ignored",
    "delete_if_match": "the condition is ignored",
    "delete_objects_if_match": "the ETags are ignored",
    "confirmed_completion": "the first reply has an empty ETag; the reply to a repeated request has it",
    "tagged_uploads": "they are silently lost",
    "dropped_tags": "TaggingDirective is ignored: tags are always copied",
    "checksums": "the headers are ignored",
    "full_object_checksums": "the headers are ignored",
    "storage_classes": "a class that the administrator did not set up is refused with InvalidArgument",
    "archive": "it lacks archive classes",
    "queues": "405 for CreateQueue: it sends events to brokers of other kinds",
    "refused_receives": "it lacks queues",
    "encryption": "no KMS is set up: refused with InvalidRequest",
}
"""Measured with 16.2.15."""


def role(name: str) -> str:
    """Return the ARN of a role: RGW's have no account."""
    return f"arn:aws:iam:::role/{name}"


def missing() -> str | None:
    """Return what is not installed, None if nothing is missing."""
    return ", ".join(name for name in _COMMANDS if shutil.which(name) is None) or None


def install() -> None:
    """Install Debian's packages.

    Raises:
        RuntimeError: it can't be done from here.
    """
    install_debian(_PACKAGES, otherwise=", or leave Ceph out: make test-servers ARGS=localstack")


@dataclass(frozen=True)
class Gateway(Endpoint):
    """RGW, with the administrator's commands.

    Attributes:
        configuration: of the cluster.
    """

    configuration: Path = Path()

    def foreign_client(self) -> S3Client:
        """Return a client of a user who owns nothing."""
        return self.client_of(COPIER)

    def add_user(self, name: str, keys: Keys, *options: str) -> None:
        """Make a long-lived user."""
        key = ("--access-key", keys.key_id, "--secret-key", keys.secret)
        self._admin("user", "create", "--uid", name, "--display-name", name, *key, *options)

    def add_role(self, name: str, *, trusts: str = "worker") -> str:
        """Make a role that a user may assume, and return its ARN.

        CreateRole over HTTP is refused with 400 by 16.2.
        """
        document = json.dumps(trust(user(trusts)))
        self._admin("role", "create", "--role-name", name, "--assume-role-policy-doc", document)
        return role(name)

    def set_trust(self, name: str, policy: dict[str, Any]) -> None:
        """Replace the trust policy of a role."""
        self._admin("role", "modify", "--role-name", name, "--assume-role-policy-doc", json.dumps(policy))

    def grant_role(self, name: str, policy: dict[str, Any]) -> None:
        """Give a role one more policy."""
        named = ("--role-name", name, "--policy-name", f"policy-{uuid.uuid4()}")
        self._admin("role-policy", "put", *named, "--policy-doc", json.dumps(policy))

    def _admin(self, *arguments: str) -> None:
        _run("radosgw-admin", "-c", self.configuration, "-n", "client.rgw", *arguments)


def user(name: str) -> str:
    """Return the ARN of a user: RGW's have no account."""
    return f"arn:aws:iam:::user/{name}"


def trust(principal: str) -> dict[str, Any]:
    """Return the trust policy for a principal."""
    statement = {"Effect": "Allow", "Principal": {"AWS": [principal]}, "Action": ["sts:AssumeRole"]}
    return {"Version": "2012-10-17", "Statement": [statement]}


@contextmanager
def running() -> Iterator[Gateway]:
    """Run it on loopback, with two owners, a worker, and two roles that it may assume."""
    with TemporaryDirectory(prefix="s3copy-ceph-") as scratch:
        folder, port, monitor_port = Path(scratch), free_port(), free_port()
        configuration = folder / "ceph.conf"
        configuration.write_text(_configuration(folder, port, monitor_port))
        processes = Processes(folder)
        try:
            _start(processes, configuration, f"http://127.0.0.1:{port}", monitor_port)
            gateway = Gateway(
                f"http://127.0.0.1:{port}",
                reader=role("reader"),
                writer=role("writer"),
                owners=(SOURCE_OWNER, DESTINATION_OWNER),
                lacks=LACKS,
                configuration=configuration,
            )
            _populate(gateway)
            yield gateway
        finally:
            processes.stop()


def _populate(gateway: Gateway) -> None:
    """Make the users and roles of every test. An object belongs to its writer; an admin sees all."""
    gateway.add_user("worker", WORKER)
    gateway.add_user("source", SOURCE_OWNER)
    gateway.add_user("destination", DESTINATION_OWNER, "--admin")
    gateway.add_user("copier", COPIER)
    reads = allow(["s3:Get*", "s3:List*"], "arn:aws:s3:::source-*")
    writes = allow(["s3:*"], "arn:aws:s3:::destination-*")
    for name, granted in {"reader": [reads], "writer": [reads, writes]}.items():
        gateway.add_role(name)
        for policy in granted:
            gateway.grant_role(name, policy)


def _start(processes: Processes, configuration: Path, url: str, monitor_port: int) -> None:
    """Start the daemons, each when the one before it is ready."""
    folder = configuration.parent

    def ceph(*arguments: str | Path) -> str:
        return _run("ceph", "-c", configuration, "--connect-timeout", "5", *arguments)

    def says(wanted: str, *arguments: str) -> bool:
        try:
            return wanted in ceph(*arguments)
        except RuntimeError:
            return False

    _make_monitor(configuration, monitor_port)
    processes.start("mon", "ceph-mon", "-c", configuration, "-i", "a", "-f")
    processes.wait("mon", lambda: says("quorum", "mon", "stat"), seconds=_START_SECONDS)
    osd = str(uuid.uuid4())
    ceph("osd", "new", osd)
    allows = ["mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd"]
    ceph("auth", "get-or-create", "osd.0", *allows, "-o", folder / "osd" / "keyring")
    ceph(
        "auth",
        "get-or-create",
        "client.rgw",
        "mon",
        "allow rw",
        "osd",
        "allow rwx",
        "-o",
        folder / "rgw.keyring",
    )
    _run("ceph-osd", "-c", configuration, "-i", "0", "--mkfs", "--osd-uuid", osd)
    ceph("osd", "crush", "add", "osd.0", "1.0", "root=default", "host=here")
    processes.start("osd", "ceph-osd", "-c", configuration, "-i", "0", "-f")
    processes.wait("osd", lambda: says("1 up", "osd", "stat"), seconds=_START_SECONDS)
    processes.start("rgw", "radosgw", "-c", configuration, "-n", "client.rgw", "-f")
    processes.wait("rgw", lambda: _answers(url), seconds=_START_SECONDS)


def _make_monitor(configuration: Path, port: int) -> None:
    folder = configuration.parent
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    admin, own, monmap = folder / "admin.keyring", folder / "mon.keyring", folder / "monmap"
    everything = ("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")
    _run("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{port}]", monmap)
    _run("ceph-authtool", "-C", admin, "--gen-key", "-n", "client.admin", *everything)
    _run("ceph-authtool", "-C", own, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    _run("ceph-authtool", own, "--import-keyring", admin)
    _run("ceph-mon", "-c", configuration, "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", own)


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_START_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except (URLError, ConnectionError, TimeoutError):
        return False


def _configuration(folder: Path, port: int, monitor_port: int) -> str:
    """Return a cluster that lives in one folder and in memory, without copies and without named sockets."""
    return f"""[global]
mon host = v2:127.0.0.1:{monitor_port}
public network = 127.0.0.0/8
ms bind ipv6 = false
auth allow insecure global id reclaim = false
keyring = {folder}/admin.keyring
run dir = {folder}
crash dir = {folder}
admin socket =
log to file = false
mon cluster log to file = false
mon data avail warn = 2
mon data avail crit = 1
mon allow pool size one = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
[mon]
mon data = {folder}/mon
[osd]
osd data = {folder}/osd
keyring = {folder}/osd/keyring
[client.rgw]
rgw data = {folder}/rgw
keyring = {folder}/rgw.keyring
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw enable apis = s3, sts
rgw s3 auth use sts = true
rgw sts key = abcdefghijklmnop
"""
