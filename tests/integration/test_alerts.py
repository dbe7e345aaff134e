"""Notifications of runs: sent by Airflow's providers, received by servers on loopback."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.config.notify import Email, Recipient, Slack, Sns, Webhook, plain
from s3copy_tasks.dag.factory import build_dag
from s3copy_tasks.dag.notify import tell_late
from s3copy_tasks.dag.notify.recipients import check_recipients, send
from s3copy_tasks.errors import ConfigError
from s3copy_tasks.report.message import Message
from tests.support.airflow.receivers import Gateway, Mailbox, Topic
from tests.support.builders.documents import document, job_of, write
from tests.support.builders.logs import log_lines
from tests.support.s3.proxy import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import DagResult, RunDag
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.servers import Endpoint
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server

HERE = [{"webhook": {"connection": "ops_gateway"}}]
TEMPLATE = "{{ 7*7 }}.bin"
MESSAGE = Message(
    subject="s3copy daily failed: 1 of 2 objects → look",
    text=f"First errors:\n- {TEMPLATE}: <b>Denied</b> & <!channel>\n",
    facts={"state": "failed", "job": "daily"},
)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway() as gateway:
        yield gateway


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as mailbox:
        yield mailbox


@pytest.fixture(scope="module")
def topic(server: Endpoint) -> Topic:
    return Topic(server)


@pytest.fixture(autouse=True)
def _connections(
    gateway: Gateway, mailbox: Mailbox, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    for receiver in (gateway, mailbox, topic):
        for name, value in receiver.connections().items():
            monkeypatch.setenv(name, value)
    yield
    gateway.posts.clear()
    gateway.status = 200
    mailbox.mails.clear()
    topic.receive()


def notify(*recipients: Recipient) -> list[dict[str, Any]]:
    """Send a message to recipients, and return the log lines about it."""
    with log_lines() as lines:
        send(recipients, MESSAGE)
    return [line for line in lines if line["event"].startswith("notification")]


class TestKinds:
    """Untrusted text arrives as it is: never rendered, and never as markup of the recipient."""

    def test_sns(self, topic: Topic) -> None:
        """The region is from the topic's ARN, and the subject is ASCII."""
        send([Sns(connection="aws_alerts", topic=topic.arn)], MESSAGE)
        (received,) = topic.receive()
        assert received["Subject"] == "s3copy daily failed: 1 of 2 objects ? look"
        assert received["Message"] == f"{MESSAGE.subject}\n\n{MESSAGE.text}"

    def test_a_long_subject_of_sns(self, topic: Topic) -> None:
        """SNS allows fewer than 100 characters, and rejects a message with a longer subject."""
        message = Message(subject="x" * 200, text="", facts={})
        send([Sns(connection="aws_alerts", topic=topic.arn)], message)
        assert topic.receive()[0]["Subject"] == "x" * 99

    def test_email(self, mailbox: Mailbox) -> None:
        """All addresses get one mail, from the connection's sender, with the text as HTML."""
        send([Email(connection="smtp_default", to=["a@example.org", "b@example.org"])], MESSAGE)
        (mail,) = mailbox.mails
        assert (mail["From"], mail["To"]) == ("s3copy@example.org", "a@example.org, b@example.org")
        html = "".join(map(str, (part.get_payload(decode=True) for part in mail.walk())))
        assert f"{TEMPLATE}: &lt;b&gt;Denied&lt;/b&gt; &amp; &lt;!channel&gt;" in html

    def test_slack(self, gateway: Gateway) -> None:
        """Text that would notify the whole channel is shown as text."""
        send([Slack(connection="slack_alerts")], MESSAGE)
        ((path, post),) = gateway.posts
        assert path == "/services/T0/B0/not-a-token"
        assert f"{TEMPLATE}: &lt;b&gt;Denied&lt;/b&gt; &amp; &lt;!channel&gt;" in post["text"]

    def test_a_slack_block_contains_the_whole_text(self, gateway: Gateway) -> None:
        """A key can't end the block that contains it."""
        send([Slack(connection="slack_alerts")], replace(MESSAGE, text="p/``` *all is well* `````` x"))
        assert gateway.posts[0][1]["text"].count("```") == 2

    def test_webhook(self, gateway: Gateway) -> None:
        """A webhook gets the facts and the text."""
        send([Webhook(connection="ops_gateway", path="alerts/s3copy")], MESSAGE)
        facts = {"subject": MESSAGE.subject, "text": MESSAGE.text, **MESSAGE.facts}
        assert gateway.posts == [("/alerts/s3copy", facts)]


PROVIDERS: dict[str, tuple[Recipient, str]] = {
    "smtp.notifications.smtp": (Email(connection="smtp_default", to=["a@b.org"]), "s3copy-tasks[smtp]"),
    "slack.notifications.slack_webhook": (Slack(connection="slack_alerts"), "s3copy-tasks[slack]"),
    "amazon.aws.notifications.sns": (Sns(topic="arn"), "apache-airflow-providers-amazon"),
    "http.hooks.http": (Webhook(connection="ops_gateway"), "s3copy-tasks[http]"),
}
"""The recipient, and what to install with pip, by the module that sends."""


class TestFailures:
    """A failure is logged with kind and connection, and not raised; other recipients get the message."""

    def test_a_missing_connection(self, gateway: Gateway) -> None:
        """A failure of one recipient does not affect the others."""
        lines = notify(Slack(connection="nowhere"), Webhook(connection="ops_gateway"))
        failed = next(line for line in lines if line["event"] == "notification not sent")
        assert (failed["kind"], failed["connection"], failed["level"]) == ("slack", "nowhere", "error")
        assert "nowhere" in failed["error"]
        assert [line["connection"] for line in lines if line["event"] == "notification sent"] == [
            "ops_gateway"
        ]
        assert len(gateway.posts) == 1

    def test_a_gateway_that_answers_403(self, gateway: Gateway) -> None:
        """An answer with an error status is a failure."""
        gateway.status = 403
        (line,) = notify(Webhook(connection="ops_gateway"))
        assert line["event"] == "notification not sent"
        assert "403" in line["error"]

    def test_an_address_is_not_logged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The address of a webhook is a secret: anyone who knows it may post there."""
        address = {"conn_type": "http", "host": "http://127.0.0.1:1/not-to-be-logged"}
        monkeypatch.setenv("AIRFLOW_CONN_DEAF", json.dumps(address))
        (line,) = notify(Webhook(connection="deaf", path="nor-this"))
        assert line["event"] == "notification not sent"
        assert "not-to-be-logged" not in line["error"]
        assert "nor-this" not in line["error"]

    @pytest.mark.parametrize("module", PROVIDERS)
    def test_a_missing_package(self, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
        """The log names the package, and the command that installs it."""
        recipient, requirement = PROVIDERS[module]
        monkeypatch.setitem(sys.modules, f"airflow.providers.{module}", None)
        (line,) = notify(recipient)
        package = f"apache-airflow-providers-{module.split('.', maxsplit=1)[0]}"
        assert line["error"].endswith(f": install {package}: pip install '{requirement}'")

    def test_a_missing_package_is_found_before_the_copy(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Preflight names the recipient's path in the file, and the command that installs its package."""
        monkeypatch.setitem(sys.modules, "airflow.providers.slack.notifications.slack_webhook", None)
        notify = {"on_failure": [{"slack": {"connection": "slack_alerts"}}, *HERE]}
        job = job_of(write(tmp_path, document(notify=notify), "daily.yaml"))
        with pytest.raises(ConfigError) as error:
            check_recipients(job)
        first, last = error.value.message.splitlines()
        assert first.startswith(
            "daily.yaml: notify.on_failure[0].slack: SlackWebhookNotifier can't be imported"
        )
        assert first.endswith("pip install 's3copy-tasks[slack]'")
        assert last == "These recipients would not be notified of a failure"


def test_a_run_that_has_ended_is_not_late(gateway: Gateway) -> None:
    """Airflow keeps the deadline of a failed run, for which a message was sent."""
    recipients = plain([Webhook(connection="ops_gateway")])
    states = ["running", "failed", "success"]
    for state in states:
        dag_run = {"state": state, "dag_id": "x", "dag_run_id": state, "queued_at": "2026-11-25T00:00:00Z"}
        context = {"dag_run": dag_run}
        asyncio.run(tell_late(job="x", places=[], recipients=recipients, after_seconds=60, context=context))
    assert [post["run_id"] for _, post in gateway.posts] == ["running"]


@dataclass
class Ran:
    """A run of a job whose only recipient is a webhook."""

    result: DagResult
    posts: list[dict[str, Any]]

    @property
    def post(self) -> dict[str, Any]:
        (post,) = self.posts
        return post

    @property
    def metrics(self) -> dict[str, Any]:
        found: dict[str, Any] = self.result.xcom("summarize", "metrics")
        return found


def run(sides: Sides, run_dag: RunDag, folder: Path, gateway: Gateway, **changes: Any) -> Ran:
    config = {
        "source": {"bucket": sides.source_bucket, "connection": "aws_source"},
        "destination": {"bucket": sides.destination_bucket, "connection": "aws_destination"},
        "prefixes": [{"source": "data/", "destination": "copy/"}],
        "failure": {"retries": 0},
        "notify": {"on_failure": HERE, "on_success": HERE},
    }
    job = job_of(write(folder, document(**config | changes), "daily.yaml"))
    result = run_dag(build_dag(job))
    return Ran(result, [post for _, post in gateway.posts])


class TestRuns:
    """Each end of a run is reported once, with the numbers of its summary."""

    def test_failed_copies(
        self, sides: Sides, proxy: Proxy, run_dag: RunDag, tmp_path: Path, gateway: Gateway
    ) -> None:
        """The message has the failed keys unchanged, and says what to do."""
        for key in ("a", "b", TEMPLATE):
            sides.put(f"data/{key}")
        denied = Reply.error(403, "AccessDenied", "{{ var.value.secret }}")
        proxy.answer = lambda request: (
            denied if request.kind == "CopyObject" and "7*7" in request.key else None
        )
        ran = run(sides, run_dag, tmp_path, gateway)
        assert ran.result.state == "failed"
        assert (ran.post["state"], ran.post["run_id"]) == ("failed", ran.result.run_id)
        assert ran.post["subject"] == "s3copy daily failed: 1 of 3 objects"
        assert f"data/{TEMPLATE}: AccessDenied after 1 attempt" in ran.post["text"]
        assert "{{ var.value.secret }}" in ran.post["text"]
        assert "`s3copy policy daily`" in ran.post["text"]
        assert ran.post["metrics"] == ran.metrics

    def test_failed_preflight(self, sides: Sides, run_dag: RunDag, tmp_path: Path, gateway: Gateway) -> None:
        """The message says that nothing was copied."""
        ran = run(sides, run_dag, tmp_path, gateway)
        assert ran.post["subject"] == "s3copy daily failed: NothingFound, nothing was copied"
        assert f"no object below s3://{sides.source_bucket}/data/" in ran.post["text"]

    def test_failed_plan(self, sides: Sides, run_dag: RunDag, tmp_path: Path, gateway: Gateway) -> None:
        """The message says why the plan failed."""
        sides.put("data/a/x")
        sides.put("data/b/x")
        entries = [{"source": f"data/{name}/", "destination": "copy/"} for name in "ab"]
        ran = run(sides, run_dag, tmp_path, gateway, prefixes=entries)
        assert ran.post["subject"] == "s3copy daily failed: DestinationConflict, nothing was copied"
        assert f"Copies: s3://{sides.source_bucket}/data/b/ > " in ran.post["text"]

    def test_success_and_nothing_to_copy(
        self, sides: Sides, run_dag: RunDag, tmp_path: Path, gateway: Gateway
    ) -> None:
        """A run that copies and a run with nothing to do each send one message."""
        sides.put("data/a", b"xyz")
        ran = run(sides, run_dag, tmp_path, gateway)
        assert (ran.result.state, ran.post["state"]) == ("success", "success")
        assert ran.post["subject"] == "s3copy daily succeeded: 1 of 1 object copied"
        assert "Copied: 1 (3 bytes in " in ran.post["text"]
        gateway.posts.clear()
        again = run(sides, run_dag, tmp_path, gateway)
        assert again.post["subject"] == "s3copy daily succeeded: nothing to copy"

    def test_success_is_only_reported_on_request(
        self, sides: Sides, run_dag: RunDag, tmp_path: Path, gateway: Gateway
    ) -> None:
        """A success is only reported if the job has recipients for it."""
        sides.put("data/a")
        ran = run(sides, run_dag, tmp_path, gateway, notify={"on_failure": HERE})
        assert (ran.result.state, ran.posts) == ("success", [])

    def test_a_failing_recipient_changes_no_state(
        self, sides: Sides, run_dag: RunDag, tmp_path: Path, gateway: Gateway
    ) -> None:
        """A successful run stays successful if no message can be sent."""
        sides.put("data/a")
        gateway.status = 500
        ran = run(sides, run_dag, tmp_path, gateway)
        assert ran.result.state == "success"
        assert set(ran.result.states.values()) == {"success"}

    def test_a_missing_connection_is_found_before_the_copy(
        self, sides: Sides, run_dag: RunDag, tmp_path: Path, gateway: Gateway
    ) -> None:
        """Preflight refuses a job with an unreachable recipient, and notifies the others."""
        sides.put("data/a")
        nowhere = [{"slack": {"connection": "nowhere"}}, *HERE]
        ran = run(sides, run_dag, tmp_path, gateway, notify={"on_failure": nowhere})
        assert ran.result.states["preflight", -1] == "failed"
        assert sides.copied() == {}
        words = "notify.on_failure[0].slack.connection: Airflow has no connection 'nowhere' here"
        assert words in ran.post["text"]
