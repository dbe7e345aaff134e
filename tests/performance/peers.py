"""Runs clients that copy a prefix from bucket to bucket, each with its own options."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.performance.commands import Spent, run
from tests.performance.listings import PREFIX, bucket_of
from tests.support.s3.servers.endpoint import READER, REGION, WORKER, WRITER, Endpoint
from tools.installing import LockedEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.performance.null_s3 import NullS3, Place

_PACKAGES = LockedEnvironment("clients", "bench.txt")
_S3COPY = Path(sys.executable).with_name("s3copy")
RCLONE, _AWS = _PACKAGES.bin / "rclone", _PACKAGES.bin / "aws"
AWS_AT_ONCE = 32
RCLONE_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to copy.

    Attributes:
        url: the server's address.
        ca_bundle: the certificate to trust; None over plain HTTP.
        source: bucket and prefix.
        destination: bucket and prefix.
        home: an empty folder.
    """

    url: str
    ca_bundle: str | None
    source: tuple[str, str]
    destination: tuple[str, str]
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment that all clients need, without the user's own settings."""
        keys = {"AWS_ACCESS_KEY_ID": WORKER.key_id, "AWS_SECRET_ACCESS_KEY": WORKER.secret}
        region = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
        trusted = {"AWS_CA_BUNDLE": self.ca_bundle} if self.ca_bundle else {}
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), **keys, **region, **trusted}


@contextmanager
def asked_of(server: NullS3, place: Place, objects: int) -> Iterator[Asked]:
    """Make a request for a number of objects of the null S3, with a folder that lasts as long."""
    with tempfile.TemporaryDirectory() as home:
        yield Asked(
            url=server.urls[place],
            ca_bundle=server.ca_bundle,
            source=(bucket_of(objects), PREFIX),
            destination=("copies", "out/"),
            home=Path(home),
        )


def install() -> dict[str, str]:
    """Install the other clients if they are missing; return the version that each reports."""
    if _PACKAGES.missing() is not None:
        _PACKAGES.install()
    asked: dict[str, tuple[Path | str, ...]] = {
        "s5cmd": (_s5cmd(), "version"),
        "rclone": (RCLONE, "version"),
        "aws": (_AWS, "--version"),
    }
    versions = {name: subprocess.check_output(command, text=True) for name, command in asked.items()}
    return {
        **{name: text.partition("\n")[0] for name, text in versions.items()},
        "apache-airflow-providers-amazon": version("apache-airflow-providers-amazon"),
    }


def s3copy(
    asked: Asked,
    *,
    overwrite: str = "changed",
    listed: dict[str, Any] | None = None,
    manifest: Path | None = None,
    results: str | None = None,
    **transfer: Any,
) -> Spent:
    """Run s3copy as its users do.

    Args:
        asked: what to copy.
        overwrite: of the job.
        listed: its `from`; None lists the prefix.
        manifest: a file that replaces that list.
        results: address of a prefix for results; None for none.
        transfer: of the job.
    """
    document = {
        "version": 1,
        "source": {"bucket": asked.source[0], "connection": "aws_source"},
        "destination": {"bucket": asked.destination[0], "connection": "aws_destination"},
        "prefixes": [{"source": asked.source[1], "destination": asked.destination[1]}],
        "transfer": transfer,
        "overwrite": overwrite,
        "from": listed,
        "results": None if results is None else {"to": results},
    }
    job = asked.home / "bench.yaml"
    job.write_text(yaml.safe_dump(document))
    environment = {
        **asked.environment,
        "AIRFLOW_HOME": str(asked.home),
        "AIRFLOW_CONN_AWS_SOURCE": _connection(asked, READER),
        "AIRFLOW_CONN_AWS_DESTINATION": _connection(asked, WRITER),
    }
    options = () if manifest is None else ("--manifest", manifest)
    return run([_S3COPY, "run", job, "--json", *options], environment)


def s5cmd(asked: Asked, workers: int = 256) -> Spent:
    """Run s5cmd; 256 workers are its default."""
    places = (f"s3://{'/'.join(asked.source)}*", f"s3://{'/'.join(asked.destination)}")
    options = ("--log", "error", "--endpoint-url", asked.url, "--numworkers", str(workers))
    return run([_s5cmd(), *options, "cp", *places], asked.environment)


def rclone(asked: Asked) -> Spent:
    """Run rclone on one remote, so that the server copies."""
    remote = {
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_R_TYPE": "s3",
        "RCLONE_CONFIG_R_PROVIDER": "Other",
        "RCLONE_CONFIG_R_ENV_AUTH": "true",
        "RCLONE_CONFIG_R_ENDPOINT": asked.url,
    }
    places = ("r:" + "/".join(asked.source).rstrip("/"), "r:" + "/".join(asked.destination).rstrip("/"))
    at_once = ("--transfers", str(RCLONE_AT_ONCE), "--checkers", str(RCLONE_AT_ONCE))
    trusted = ("--ca-cert", asked.ca_bundle) if asked.ca_bundle else ()
    return run([RCLONE, "copy", *at_once, *trusted, *places], {**asked.environment, **remote})


def aws(asked: Asked) -> Spent:
    """Run the AWS CLI, with more concurrent requests than its default of 10."""
    settings = asked.home / "aws.ini"
    settings.write_text(f"[default]\ns3 =\n  max_concurrent_requests = {AWS_AT_ONCE}\n")
    places = ("s3://" + "/".join(asked.source), "s3://" + "/".join(asked.destination))
    options = ("--recursive", "--only-show-errors", "--endpoint-url", asked.url)
    return run(
        [_AWS, "s3", "cp", *options, *places],
        {**asked.environment, "AWS_CONFIG_FILE": str(settings)},
    )


def prefix_operator(asked: Asked) -> Spent:
    """Run `execute` of the Amazon provider's S3CopyPrefixOperator."""
    environment = {
        **asked.environment,
        "AIRFLOW_HOME": str(asked.home),
        "AIRFLOW_CONN_AWS_DESTINATION": _connection(asked, WRITER),
        "PYTHONWARNINGS": "ignore",
    }
    places = (*asked.source, *asked.destination)
    return run([sys.executable, "-m", "tests.performance.prefix_operator", *places], environment)


def _s5cmd() -> Path:
    """Return the program itself: the start of the Python wrapper would be measured, too."""
    return next(_PACKAGES.bin.parent.glob("lib/python*/site-packages/s5cmd/bin/s5cmd"))


def _connection(asked: Asked, role_arn: str) -> str:
    """Return an Airflow connection that assumes a role."""
    connection = json.loads(Endpoint(asked.url).connection(role_arn))
    if asked.ca_bundle:
        connection["extra"]["verify"] = asked.ca_bundle
    return json.dumps(connection)
