"""Recipients of messages, by Airflow's own notifiers, which are imported when they send: not at parse."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

import structlog

from s3copy_tasks.config.notify import Email, Slack, Sns, Webhook
from s3copy_tasks.errors import INVALID_CONFIG, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow.sdk import BaseNotifier

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.config.notify import Recipient
    from s3copy_tasks.message import Message

log = structlog.get_logger(__name__)

_ERROR_CHARACTERS_MAX = 2_000
_ADDRESS = re.compile(r"\S+://\S+|(?<=url: )\S+")
"""Who knows a webhook's may write there."""

_NOTIFIERS = {
    "email": ("airflow.providers.smtp.notifications.smtp", "SmtpNotifier"),
    "slack": ("airflow.providers.slack.notifications.slack_webhook", "SlackWebhookNotifier"),
    "sns": ("airflow.providers.amazon.aws.notifications.sns", "SnsNotifier"),
    "webhook": ("airflow.providers.http.notifications.http", "HttpNotifier"),
}
_SUBJECT_CHARACTERS_MAX = 99
"""Of SNS, in ASCII. https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
_WEBHOOK_SECONDS_MAX = 10


def send(recipients: Sequence[Recipient], message: Message) -> None:
    """Tell every recipient, side by side: one that hangs or fails keeps nobody from being told.

    A failure is logged, and raised never: what a run came to does not depend on who could be told.
    """
    with ThreadPoolExecutor(len(recipients)) as pool:
        list(pool.map(lambda recipient: _send(recipient, message), recipients))


def _send(recipient: Recipient, message: Message) -> None:
    fields = {"kind": recipient.kind, "connection": recipient.connection, "subject": message.subject}
    try:
        notifier = _notifier_class(recipient)(**_arguments(recipient, message))
        notifier.notify({})  # not called: that would render strangers' text as a template
    except Exception as error:  # noqa: BLE001 - whatever a provider raises
        words = _ADDRESS.sub("(an address)", str(error)[:_ERROR_CHARACTERS_MAX])
        log.error("notification not sent", error=f"{type(error).__name__}: {words}", **fields)
    else:
        log.info("notification sent", **fields)


def _notifier_class(recipient: Recipient) -> type[BaseNotifier]:
    """Import a notifier.

    Raises:
        ImportError: names the package to install.
    """
    module, name = _NOTIFIERS[recipient.kind]
    try:
        found: type[BaseNotifier] = getattr(import_module(module), name)
    except ImportError as error:
        package = f"apache-airflow-providers-{module.split('.')[2]}"
        raise ImportError(f"{name} can't be imported here ({error}): install {package}") from None
    return found


def _arguments(recipient: Recipient, message: Message) -> dict[str, Any]:
    """Return what a notifier is made of, with the message in the recipient's own markup."""
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
            words = message.text.replace("```", "` ` `")  # else it would end the block
            text = f"*{escape(message.subject, quote=False)}*\n```{escape(words, quote=False)}```"
            return {"slack_webhook_conn_id": recipient.connection, "text": text}
        case Webhook():
            return {
                "http_conn_id": recipient.connection,
                "endpoint": recipient.path,
                "json": {"subject": message.subject, "text": message.text, **message.facts},
                "extra_options": {"timeout": _WEBHOOK_SECONDS_MAX},
            }


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def check_recipients(job: CopyJob) -> None:
    """Check that everybody who is named can be told, as far as that shows before there is anything to tell.

    Raises:
        ConfigError: names every connection that Airflow has not, and every package that is not installed.
    """
    problems = [f"{path}{problem}" for path, one in job.notify.recipients() for problem in _problems(one)]
    if problems:
        words = "\n".join(f"{job.file.name}: {problem}" for problem in problems)
        raise ConfigError(f"{words}\nNobody would be told of a failure there", code=INVALID_CONFIG)


def _problems(recipient: Recipient) -> Iterator[str]:
    from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined] # noqa: PLC0415 - slow
    from airflow.sdk import Connection  # noqa: PLC0415 - slow

    try:
        _notifier_class(recipient)
    except ImportError as error:
        yield f": {error}"
    if recipient.connection is None:
        return
    try:
        Connection.get(recipient.connection)
    except AirflowNotFoundException:
        name = recipient.connection
        yield f".connection: Airflow has no connection {name!r} here. Add it (airflow connections add {name})"
