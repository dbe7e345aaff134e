"""Sends messages through Airflow's providers, which are imported to send, not when a Dag is parsed."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

import structlog

from s3copy_tasks.config.notify import Email, Slack, Sns, Webhook
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.config.notify import Recipient
    from s3copy_tasks.report.message import Message

log = structlog.get_logger(__name__)

_ERROR_CHARACTERS_MAX = 2_000
_ADDRESS = re.compile(r"\S+://\S+|(?<=url: )\S+")
"""Matches addresses in errors. The address of a webhook is a secret: anyone who knows it may post there."""


@dataclass(frozen=True, slots=True)
class _Provided:
    """A class of a provider that sends to one kind of recipient.

    Attributes:
        module: the module of the class.
        name: the name of the class.
        requirement: what to install with pip.
    """

    module: str
    name: str
    requirement: str

    def import_class(self) -> type[Any]:
        """Return the class.

        Raises:
            ImportError: names the package, and the command that installs it.
        """
        try:
            found: type[Any] = getattr(import_module(self.module), self.name)
        except (ImportError, AttributeError) as error:
            package = f"apache-airflow-providers-{self.module.split('.')[2]}"
            hint = f"install {package}: pip install '{self.requirement}'"
            raise ImportError(f"{self.name} can't be imported here ({error}): {hint}") from None
        return found


_PROVIDED = {
    "email": _Provided("airflow.providers.smtp.notifications.smtp", "SmtpNotifier", "s3copy-tasks[smtp]"),
    "slack": _Provided(
        "airflow.providers.slack.notifications.slack_webhook", "SlackWebhookNotifier", "s3copy-tasks[slack]"
    ),
    "sns": _Provided(
        "airflow.providers.amazon.aws.notifications.sns", "SnsNotifier", "apache-airflow-providers-amazon"
    ),
    # Not HttpNotifier: it needs version 5.5 of the provider, and Airflow 3.0 has 5.3.
    "webhook": _Provided("airflow.providers.http.hooks.http", "HttpHook", "s3copy-tasks[http]"),
}
_SUBJECT_CHARACTERS_MAX = 99
"""The limit of SNS, in ASCII. https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
_WEBHOOK_SECONDS_MAX = 10
_CONTEXT: dict[str, None] = {"dag": None}
"""SmtpNotifier 2.2 needs the key `dag`, to render the connection's `from_email`."""


def send(recipients: Sequence[Recipient], message: Message) -> None:
    """Send to all recipients at once: one that hangs or fails does not hold up the others.

    A failure is logged and never raised: the result of a run does not depend on its notifications.
    """
    with ThreadPoolExecutor(len(recipients)) as pool:
        list(pool.map(lambda recipient: _send(recipient, message), recipients))


def _send(recipient: Recipient, message: Message) -> None:
    fields = {"kind": recipient.kind, "connection": recipient.connection, "subject": message.subject}
    try:
        _notify(recipient, message)
    except Exception as error:  # noqa: BLE001 - whatever a provider raises
        reason = _ADDRESS.sub("(an address)", str(error)[:_ERROR_CHARACTERS_MAX])
        log.error("notification not sent", error=f"{type(error).__name__}: {reason}", **fields)
    else:
        log.info("notification sent", **fields)


def _notify(recipient: Recipient, message: Message) -> None:
    """Send a message to one recipient, in the markup of its kind."""
    provided = _PROVIDED[recipient.kind].import_class()
    if isinstance(recipient, Webhook):
        provided(method="POST", http_conn_id=recipient.connection).run(
            recipient.path,
            json={"subject": message.subject, "text": message.text, **message.facts},
            extra_options={"timeout": _WEBHOOK_SECONDS_MAX},
        )
    else:
        notifier = provided(**_arguments(recipient, message))
        notifier.notify(_CONTEXT)  # not called: that would render untrusted text as a template


def _arguments(recipient: Sns | Email | Slack, message: Message) -> dict[str, Any]:
    """Return the arguments of a notifier."""
    match recipient:
        case Sns():
            return {
                "aws_conn_id": recipient.connection,
                "region_name": recipient.topic.split(":")[3],
                "target_arn": recipient.topic,
                "subject": _ascii(message.subject)[:_SUBJECT_CHARACTERS_MAX],
                "message": f"{message.subject}\n\n{message.text}",
            }
        case Email():
            return {
                "smtp_conn_id": recipient.connection,
                "to": list(recipient.to),
                "subject": message.subject,
                "html_content": f"<pre>{escape(message.text)}</pre>",
            }
        case Slack():
            body = message.text.replace("```", "` ` `")  # else it would end the block
            text = f"*{escape(message.subject, quote=False)}*\n```{escape(body, quote=False)}```"
            return {"slack_webhook_conn_id": recipient.connection, "text": text}


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def check_recipients(job: CopyJob) -> None:
    """Check all recipients of a job, as far as that is possible without sending a message.

    Raises:
        ConfigError: lists every missing connection, and every package that is not installed.
    """
    problems = [
        f"{path}{problem}"
        for path, recipient in job.notify.recipients()
        for problem in _find_problems(recipient)
    ]
    if problems:
        lines = "\n".join(f"{job.file.name}: {problem}" for problem in problems)
        raise ConfigError(
            f"{lines}\nThese recipients would not be notified of a failure", code=Code.INVALID_CONFIG
        )


def _find_problems(recipient: Recipient) -> Iterator[str]:
    from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined] # noqa: PLC0415 - slow
    from airflow.sdk import Connection  # noqa: PLC0415 - slow

    try:
        _PROVIDED[recipient.kind].import_class()
    except ImportError as error:
        yield f": {error}"
    if recipient.connection is None:
        return
    try:
        Connection.get(recipient.connection)
    except AirflowNotFoundException:
        name = recipient.connection
        yield f".connection: Airflow has no connection {name!r} here. Add it (airflow connections add {name})"
