"""`s3copy plan` and `s3copy run` as an engineer calls them, against a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.airflow.stack import BIN
from tests.support.s3.proxy import Proxy, Reply, Request
from tests.support.s3.servers import DESTINATION_ACCOUNT, SOURCE_ACCOUNT, WRITER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.sides import Sides

CONTRACT = {
    "operation_id": str,
    "duration_seconds": float,
    "total_files_found": int,
    "files_copied_successfully": int,
    "files_failed": int,
    "total_bytes_transferred": int,
    "errors": list,
}


def write(folder: Path, sides: Sides, **changes: Any) -> None:
    config = {
        "version": 1,
        "source": {"bucket": sides.source_bucket, "account": SOURCE_ACCOUNT, "connection": "aws_source"},
        "destination": {
            "bucket": sides.destination_bucket,
            "account": DESTINATION_ACCOUNT,
            "connection": "aws_destination",
        },
        "prefixes": [{"source": "data/", "destination": "copy/"}],
        "transfer": {"concurrency": 8},
    }
    (folder / "daily.yaml").write_text(yaml.safe_dump(config | changes))


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [BIN / "s3copy", *arguments, "--config-dir", str(folder)],
        env={**os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def s3copy(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr; a traceback is never an answer."""
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in out + err
    return process.returncode, out, err


def test_run_prints_one_json_object_with_the_contracts_keys(sides: Sides, tmp_path: Path) -> None:
    """`--json` is exactly one object on stdout, with the names and types that were promised."""
    write(tmp_path, sides)
    sides.put("data/a", b"abc")
    code, out, _ = s3copy(tmp_path, "run", "daily", "--json")
    found = json.loads(out)
    assert code == 0
    assert {key: type(found[key]) for key in CONTRACT} == CONTRACT
    assert (found["files_copied_successfully"], found["total_bytes_transferred"]) == (1, 3)
    assert found["duration_seconds"] > 0
    assert sides.copied() == {"copy/a": b"abc"}


def test_run_plan_run(sides: Sides, tmp_path: Path) -> None:
    """After a run the plan is empty, in words and as JSON."""
    write(tmp_path, sides)
    sides.put("data/a", b"abc")
    sides.put("data/b", b"abc")
    code, out, _ = s3copy(tmp_path, "plan", "daily", "--json")
    (entry,) = json.loads(out)["entries"]
    assert code == 0
    assert (entry["found"], entry["to_copy"], entry["bytes"], entry["batches"]) == (2, 2, 6, 1)
    assert entry["requests"] == {"copy": 2, "list": 4, "head": 0, "get": 0}
    assert entry["cost_usd"] == pytest.approx(6 * 0.005 / 1_000)
    code, out, _ = s3copy(tmp_path, "run", "daily")
    assert code == 0
    assert "copied" in out
    code, out, _ = s3copy(tmp_path, "plan", "daily")
    assert (code, out.strip().splitlines()[-1]) == (0, "nothing to copy")
    assert "2 unchanged" in out


def test_dry_run_copies_nothing(sides: Sides, tmp_path: Path) -> None:
    """`--dry-run` says what would be copied."""
    write(tmp_path, sides)
    sides.put("data/a")
    code, out, _ = s3copy(tmp_path, "run", "daily", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["files_skipped"] == {"dry_run": 1}
    assert sides.copied() == {}


def test_dates_come_from_the_logical_date(sides: Sides, tmp_path: Path) -> None:
    """`--logical-date` fills the date names as the scheduled run of that date would."""
    write(
        tmp_path,
        sides,
        schedule="0 2 * * *",
        prefixes=[{"source": "{{ ds }}/", "destination": "copy/{{ ds }}/"}],
    )
    sides.put("2026-01-31/a")
    code, _, err = s3copy(tmp_path, "run", "daily", "--logical-date", "2026-01-31")
    assert (code, err) == (0, "logical date 2026-01-31T02:00:00+00:00: ds is 2026-01-31\n")
    assert set(sides.copied()) == {"copy/2026-01-31/a"}


def test_dates_without_a_logical_date_are_explained(sides: Sides, tmp_path: Path) -> None:
    """A job with dates says what is missing, and where."""
    write(tmp_path, sides, prefixes=[{"source": "{{ ds }}/", "destination": "copy/"}])
    code, out, err = s3copy(tmp_path, "run", "daily")
    assert (code, out) == (1, "")
    assert "prefixes[0].source: this run has no ds" in err


BEFORE_COPYING: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "an invalid config": ({"overwrite": "newer"}, [], "InvalidConfig"),
    "an unknown prefix": ({}, ["--prefix", "dat/"], "InvalidParameters"),
    "no bucket": ({"source": {"bucket": "no-such-bucket", "connection": "aws_source"}}, [], "NoSuchBucket"),
    "nothing found": ({"prefixes": [{"source": "x/", "destination": "y/"}]}, [], "NothingFound"),
    "no plan": (
        {"prefixes": [{"source": name, "destination": "copy/"} for name in ("data/", "more/")]},
        [],
        "DestinationConflict",
    ),
}


@pytest.mark.parametrize(("changes", "arguments", "code"), BEFORE_COPYING.values(), ids=BEFORE_COPYING)
def test_json_says_why_nothing_was_copied(
    sides: Sides, tmp_path: Path, changes: dict[str, Any], arguments: list[str], code: str
) -> None:
    """A program gets the metrics of a run that failed early, too, and the same exit code."""
    write(tmp_path, sides, **changes)
    sides.put("data/a")
    sides.put("more/a")
    ended, out, err = s3copy(tmp_path, "run", "daily", "--json", *arguments)
    found = json.loads(out)
    assert ended == 1
    assert code in err
    assert (found["errors_by_code"], found["job"], found["files_copied_successfully"]) == (
        {code: 1},
        "daily",
        0,
    )
    assert code in found["errors"][0]
    assert {key: type(found[key]) for key in CONTRACT} == CONTRACT
    assert (found["entries"] == []) is (code != "DestinationConflict")


def test_failed_objects_are_exit_one_with_their_keys(sides: Sides, proxy: Proxy, tmp_path: Path) -> None:
    """The rest is copied; the exit code is 1; key and code are shown, whatever the key is made of."""
    write(tmp_path, sides)
    sides.put("data/ok")
    sides.put("data/[red]bad\x1b[31m")
    proxy.answer = lambda request: (
        Reply.error(403, "AccessDenied") if request.kind == "CopyObject" and "bad" in request.key else None
    )
    code, out, err = s3copy(tmp_path, "run", "daily")
    assert code == 1
    assert "data/[red]bad\\x1b[31m: AccessDenied after 1 attempt" in out
    assert "1 objects failed (limit 0)" in err
    assert set(sides.copied()) == {"copy/ok"}


def test_errors_before_the_first_copy_are_one_message(sides: Sides, tmp_path: Path) -> None:
    """A missing bucket is said in a line, with exit code 1."""
    write(tmp_path, sides, source={"bucket": "missing-bucket", "connection": "aws_source"})
    code, out, err = s3copy(tmp_path, "run", "daily")
    assert (code, out) == (1, "")
    assert "bucket 'missing-bucket' does not exist" in err
    code, out, err = s3copy(tmp_path, "plan", "daily")
    assert (code, out) == (1, "")
    assert "NoSuchBucket" in err


def test_one_prefix_alone(sides: Sides, tmp_path: Path) -> None:
    """`--prefix` copies one prefix of the file, as the Dag's parameter does."""
    prefixes = [{"source": f"{x}/", "destination": f"copy/{x}/"} for x in "ab"]
    write(tmp_path, sides, prefixes=prefixes)
    sides.put("a/1")
    sides.put("b/2")
    code, _, _ = s3copy(tmp_path, "run", "daily", "--prefix", "b/")
    assert code == 0
    assert set(sides.copied()) == {"copy/b/2"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_gives_its_account_and_leaves_no_upload(
    sides: Sides, proxy: Proxy, tmp_path: Path, number: signal.Signals
) -> None:
    """It says so, exits 130, shows the metrics so far, and the next run copies what is missing."""
    write(tmp_path, sides, transfer={"concurrency": 1})
    for i in range(20):
        sides.put(f"data/{i:02}")
    processes: list[subprocess.Popen[str]] = []

    def interrupt(request: Request) -> Reply | None:
        if request.kind == "CopyObject" and request.key == "copy/05":
            processes[0].send_signal(number)
        return None

    proxy.answer = interrupt
    processes.append(start(tmp_path, "run", "daily", "--json"))
    out, err = processes[0].communicate(timeout=60)
    assert processes[0].returncode == 130
    assert "Traceback" not in out + err
    assert "interrupted. Run again to copy what is missing" in err
    done = len(sides.copied())
    assert done < 20
    account = json.loads(out)
    assert (account["files_copied_successfully"], account["files_unknown"]) == (done, 20 - done)
    proxy.answer = lambda request: None
    code, out, _ = s3copy(tmp_path, "run", "daily", "--json")
    assert (code, json.loads(out)["files_copied_successfully"]) == (0, 20 - done)
    assert sides.open_uploads() == []


def test_no_key_reaches_the_terminal_as_it_is(sides: Sides, proxy: Proxy, tmp_path: Path) -> None:
    """Escapes in a key, or in what S3 says, are shown and not acted on."""
    write(tmp_path, sides)
    sides.put("data/\x1b]0;pwned\x07a")
    proxy.answer = lambda request: (
        Reply.error(400, "InvalidRequest", "\x9b31m") if request.kind == "CopyObject" else None
    )
    for arguments in (["run", "daily"], ["run", "daily", "--json"]):
        code, out, err = s3copy(tmp_path, *arguments)
        assert code == 1
        assert "pwned" in out + err
        assert not set("\x1b\x07\x9b") & set(out + err)


def test_a_listing_that_is_refused_names_its_bucket(sides: Sides, proxy: Proxy, tmp_path: Path) -> None:
    """The message says which of the two lacks the permission."""
    write(tmp_path, sides)
    proxy.answer = lambda request: (
        Reply.error(403, "AccessDenied")
        if "list-type" in request.query and sides.source_bucket in request.target
        else None
    )
    code, _, err = s3copy(tmp_path, "plan", "daily")
    assert code == 1
    assert f"s3://{sides.source_bucket}/data/" in err


def test_a_plan_reports_what_it_could_not_head(sides: Sides, proxy: Proxy, tmp_path: Path) -> None:
    """A missing object and one that may not be read are reported as such, and the exit code is 1."""
    objects = [{"source": key, "destination": f"copy/{key}"} for key in ("gone", "denied", "fine")]
    write(tmp_path, sides, objects=objects, prefixes=[{"source": "data/", "destination": "below/"}])
    sides.put("fine")
    sides.put("denied")
    proxy.answer = lambda request: (
        Reply(403) if request.kind == "HeadObject" and request.key == "denied" else None
    )
    code, out, err = s3copy(tmp_path, "plan", "daily", "--json")
    plan = json.loads(out)
    assert (code, plan["to_copy"], plan["failing"]) == (1, 1, 2)
    assert "denied" in err
    assert "gone" in err
    code, out, _ = s3copy(tmp_path, "plan", "daily")
    assert code == 1
    assert "+2 can't be copied" in out


def test_audit_after_a_run_and_after_a_change(sides: Sides, tmp_path: Path) -> None:
    """Clean is exit 0; a difference is exit 1, named in words and as one JSON object a line."""
    write(tmp_path, sides)
    sides.put("data/a", b"abc")
    sides.put("data/b", b"abc")
    assert s3copy(tmp_path, "run", "daily")[0] == 0
    code, out, _ = s3copy(tmp_path, "audit", "daily")
    assert code == 0
    assert out.startswith("2 compared, 2 same")
    sides.destination.put_object(
        Bucket=sides.destination_bucket, Key="copy/b", Body=b"abc", ContentType="a/b"
    )
    code, out, _ = s3copy(tmp_path, "audit", "daily")
    assert code == 1
    assert out.startswith("data/b: ContentType: binary/octet-stream at the source, a/b at the destination\n")
    code, out, _ = s3copy(tmp_path, "audit", "daily", "--json")
    different, counts = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert different["differences"] == {"ContentType": ["binary/octet-stream", "a/b"]}
    assert (counts["compared"], counts["same"], counts["different"]) == (2, 1, 1)


def test_policy_is_one_json_object_with_the_connections_roles(sides: Sides, tmp_path: Path) -> None:
    """The roles are those of the connections; AWS is asked nothing."""
    write(tmp_path, sides)
    code, out, err = s3copy(tmp_path, "policy", "daily")
    found = json.loads(out)
    assert (code, err) == (0, "")
    (granted,) = found["source_bucket_policy"]["Statement"]
    assert granted["Principal"] == {"AWS": WRITER}
    assert granted["Resource"] == [f"arn:aws:s3:::{sides.source_bucket}/data/*"]


def test_policy_without_a_role_says_where_to_put_it(tmp_path: Path) -> None:
    """A connection that is not here leaves a place to fill in, and says so."""
    config = {
        "version": 1,
        "source": {"bucket": "ops-granules", "connection": "not_here"},
        "destination": {"bucket": "partner-granules", "account": "444455556666"},
        "prefixes": [{"source": "data/", "destination": "copy/"}],
    }
    (tmp_path / "daily.yaml").write_text(yaml.safe_dump(config))
    code, out, err = s3copy(tmp_path, "policy", "daily")
    assert code == 0
    assert "arn:aws:iam::000000000000:role/THE-SOURCE-ROLE" in err
    assert "arn:aws:iam::444455556666:role/THE-DESTINATION-ROLE" in out
