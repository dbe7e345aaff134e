"""Connections that can't work, and roles of other kinds, as an engineer meets them on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.command import run_command
from tests.support.s3.proxy import Proxy, Reply
from tests.support.s3.servers import READER, WRITER
from tests.support.s3.servers.endpoint import REGION, WORKER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.sides import Sides

SECRET = "not-a-secret-of-anybody"
SLOW = {"airflow", "boto3", "croniter", "jinja2", "pendulum"}
COMMANDS = ("plan", "run", "audit", "policy")


def s3copy(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr; a traceback or a secret is never an answer."""
    code, out, err = run_command("s3copy", *arguments, "--config-dir", folder)
    assert SECRET not in out + err
    return code, out, err


def write(folder: Path, sides: Sides, **changes: Any) -> None:
    """Write the job `daily`; changes are fields of the source."""
    config = {
        "version": 1,
        "source": {"bucket": sides.source_bucket, "connection": "aws_source"} | changes,
        "destination": {"bucket": sides.destination_bucket, "connection": "aws_destination"},
        "prefixes": [{"source": "data/", "destination": "copy/"}],
    }
    (folder / "daily.yaml").write_text(yaml.safe_dump(config))


def change_source(sides: Sides, monkeypatch: pytest.MonkeyPatch, **extra: Any) -> None:
    """Change the extra of the source's connection; None removes a field."""
    connection = json.loads(sides.environment["AIRFLOW_CONN_AWS_SOURCE"])
    changed = connection["extra"] | extra
    connection["extra"] = {name: value for name, value in changed.items() if value is not None}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_SOURCE", json.dumps(connection))


PROGRAM = """
import sys
from s3copy_tasks.cli import main
code = main(sys.argv[1:])
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(code)
"""


def imported_by(folder: Path, *arguments: str) -> set[str]:
    """Run the command in its own process; return the names of the packages that it imported."""
    command = [sys.executable, "-c", PROGRAM, *arguments, "--config-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("command", ["plan", "run"])
def test_connections_of_the_environment_need_no_airflow(sides: Sides, tmp_path: Path, command: str) -> None:
    """Neither Airflow, whose import takes a second, nor other packages that this job does not need."""
    write(tmp_path, sides)
    sides.put("data/a", b"abc")
    assert not imported_by(tmp_path, command, "daily") & SLOW
    assert sides.copied() == ({"copy/a": b"abc"} if command == "run" else {})


def test_a_role_of_the_yaml_needs_no_airflow(
    sides: Sides, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job without connections assumes its roles with the environment's credentials."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", WORKER.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", WORKER.secret)
    config = {
        "version": 1,
        "source": {"bucket": sides.source_bucket, "role_arn": READER},
        "destination": {"bucket": sides.destination_bucket, "role_arn": WRITER},
        "prefixes": [{"source": "data/", "destination": "copy/"}],
    }
    (tmp_path / "daily.yaml").write_text(yaml.safe_dump(config))
    sides.put("data/a", b"abc")
    assert not imported_by(tmp_path, "run", "daily") & SLOW
    assert sides.copied() == {"copy/a": b"abc"}


def use_secrets_backend(folder: Path, monkeypatch: pytest.MonkeyPatch, **connections: str) -> None:
    """Store connections in a file that Airflow reads before the environment."""
    file = folder / "connections.json"
    file.write_text(json.dumps({name: json.loads(text) for name, text in connections.items()}))
    backend = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", backend)
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", json.dumps({"connections_file_path": str(file)}))


def test_a_secrets_backend_comes_first(sides: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection of a secrets backend has priority over that of the environment, as in Airflow."""
    write(tmp_path, sides)
    use_secrets_backend(tmp_path, monkeypatch, aws_destination=sides.environment["AIRFLOW_CONN_AWS_SOURCE"])
    code, out, _ = s3copy(tmp_path, "policy", "daily")
    assert code == 0
    granted = json.loads(out)["source_bucket_policy"]["Statement"]
    assert {statement["Principal"]["AWS"] for statement in granted} == {READER}


def test_the_log_of_everything_has_no_secret(
    sides: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's variable chooses the level; at the lowest, botocore would log what STS gives."""
    write(tmp_path, sides)
    sides.put("data/a", b"abc")
    monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "DEBUG")
    code, out, err = s3copy(tmp_path, "run", "daily", "--json")
    assert code == 0
    assert json.loads(out)["files_copied_successfully"] == 1
    assert "[info     ] entry planned" in err
    assert "SecretAccessKey" not in err


def test_no_key_reaches_the_terminal_through_airflows_log(
    sides: Sides, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow configures the log when it is imported: control characters are escaped all the same."""
    write(tmp_path, sides)
    names = ("aws_source", "aws_destination")
    stored = {name: sides.environment[f"AIRFLOW_CONN_{name.upper()}"] for name in names}
    use_secrets_backend(tmp_path, monkeypatch, **stored)
    for name in names:
        monkeypatch.delenv(f"AIRFLOW_CONN_{name.upper()}")
    sides.put("data/\x1b]0;pwned\x07a")
    proxy.answer = lambda request: (
        Reply.error(400, "InvalidRequest", "\x9b31m") if request.kind == "CopyObject" else None
    )
    code, out, err = s3copy(tmp_path, "run", "daily", "--json")
    assert code == 1
    assert "[error    ] object failed" in err
    assert "pwned" in err
    assert not set("\x1b\x07\x9b") & set(out + err)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_extra_is_one_sentence(
    sides: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Every command that connects names connection and field, and ends with 1."""
    write(tmp_path, sides)
    change_source(sides, monkeypatch, config_kwargs={"foo": 1})
    code, out, err = s3copy(tmp_path, command, "daily")
    assert (code, out) == (1, "")
    assert err == (
        "s3copy: InvalidConfig: source: the extra of Airflow connection 'aws_source' is wrong: "
        "config_kwargs.foo is not an option of botocore's Config\n"
    )


def test_the_region_of_the_yaml(sides: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection with a role and without a region uses the YAML's region for STS."""
    write(tmp_path, sides, region="us-east-1")
    change_source(sides, monkeypatch, region_name=None)
    sides.put("data/a", b"abc")
    assert s3copy(tmp_path, "run", "daily")[0] == 0
    assert sides.copied() == {"copy/a": b"abc"}


def test_no_region_anywhere(sides: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says where to write one."""
    write(tmp_path, sides)
    change_source(sides, monkeypatch, region_name=None)
    code, _, err = s3copy(tmp_path, "run", "daily")
    assert code == 1
    assert (
        "region_name in the extra of Airflow connection 'aws_source', source.region of the YAML or AWS_REGION"
        in err
    )
    assert "trust" not in err


def by_token(token_file: Path) -> dict[str, Any]:
    return {
        "assume_role_method": "assume_role_with_web_identity",
        "assume_role_with_web_identity_federation": "file",
        "assume_role_with_web_identity_token_file": str(token_file),
    }


def test_web_identity_that_is_refused(
    sides: Sides, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused token is a role that is not assumed; run and policy print the same statement."""
    write(tmp_path, sides)
    (tmp_path / "token").write_text(SECRET)
    change_source(sides, monkeypatch, **by_token(tmp_path / "token"))
    proxy.answer = lambda request: (
        Reply.sts_error("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        if b"WebIdentity" in request.body
        else None
    )
    code, _, err = s3copy(tmp_path, "run", "daily")
    assert code == 1
    assert "s3copy: RoleNotAssumed: source: no session with Airflow connection 'aws_source': " in err
    refused = json.loads(err[err.index("{") :])
    assert refused["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert refused["Principal"]["Federated"].startswith("arn:aws:iam::111122223333:oidc-provider/")
    code, out, _ = s3copy(tmp_path, "policy", "daily")
    assert (code, json.loads(out)["source_trust_policy"]["Statement"]) == (0, [refused])


def test_policy_of_saml(sides: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role by SAML trusts its provider."""
    write(tmp_path, sides)
    provider = "arn:aws:iam::111122223333:saml-provider/corp"
    saml = {
        "principal_arn": provider,
        "idp_url": "https://idp.example.org/",
        "idp_auth_method": "http_spegno_auth",
        "saml_response_xpath": "//x",
    }
    change_source(sides, monkeypatch, assume_role_method="assume_role_with_saml", assume_role_with_saml=saml)
    code, out, _ = s3copy(tmp_path, "policy", "daily")
    found = json.loads(out)
    (trusted,) = found["source_trust_policy"]["Statement"]
    assert code == 0
    assert (trusted["Action"], trusted["Principal"]) == ("sts:AssumeRoleWithSAML", {"Federated": provider})


def test_policies_of_other_partitions(sides: Sides, tmp_path: Path) -> None:
    """A region is enough: every ARN is in its partition."""
    write(tmp_path, sides, region="cn-north-1", connection="not_here")
    code, out, err = s3copy(tmp_path, "policy", "daily")
    found = json.loads(out)
    assert code == 0
    assert "arn:aws-cn:iam::000000000000:role/THE-SOURCE-ROLE" in err
    assert "arn:aws:" not in json.dumps([found["source_role_policy"], found["source_trust_policy"]])


def test_a_policy_that_is_too_long(sides: Sides, tmp_path: Path) -> None:
    """IAM's limits are named on stderr, and what to do; stdout has parts that fit."""
    write(tmp_path, sides)
    file = tmp_path / "daily.yaml"
    config = yaml.safe_load(file.read_text())
    entries = [f"data/region-{number:03}/" for number in range(400)]
    config["prefixes"] = [{"source": entry, "destination": f"copy/{entry}"} for entry in entries]
    file.write_text(yaml.safe_dump(config))
    code, out, err = s3copy(tmp_path, "policy", "daily")
    found = json.loads(out)
    assert code == 0
    assert "source_bucket_policy has " in err
    assert "attach source_role_policy_1 to source_role_policy_" in err
    assert all(
        len(json.dumps(policy, separators=(",", ":"))) <= 6_144
        for name, policy in found.items()
        if "role_policy_" in name
    )
