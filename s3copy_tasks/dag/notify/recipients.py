"""Recipients of messages, by Airflow's own providers, which are imported when they send: not at parse."""

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
"""Who knows a webhook's may write there."""


@dataclass(frozen=True, slots=True)
class _Provided:
    """A class of a provider that tells one kind of recipient.

    Attributes:
        module: where it is.
        name: of the class.
        requirement: what pip installs to bring it.
    """

    module: str
    name: str
    requirement: str

    def imported(self) -> type[Any]:
        """Import it.

        Raises:
            ImportError: names the package to install, and the command that does.
        """
        try:
            found: type[Any] = getattr(import_module(self.module), self.name)
        except (ImportError, AttributeError) as error:
            package = f"apache-airflow-providers-{self.module.split('.')[2]}"
            words = f"install {package}: pip install '{self.requirement}'"
            raise ImportError(f"{self.name} can't be imported here ({error}): {words}") from None
        return found


_PROVIDED = {
    "email": _Provided("airflow.providers.smtp.notifications.smtp", "SmtpNotifier", "s3copy-tasks[smtp]"),
    "slack": _Provided(
        "airflow.providers.slack.notifications.slack_webhook", "SlackWebhookNotifier", "s3copy-tasks[slack]"
    ),
    "sns": _Provided(
        "airflow.providers.amazon.aws.notifications.sns", "SnsNotifier", "apache-airflow-providers-amazon"
    ),
    # Not HttpNotifier: that came with version 5.5 of the provider, and Airflow 3.0 came with 5.3.
    "webhook": _Provided("airflow.providers.http.hooks.http", "HttpHook", "s3copy-tasks[http]"),
}
_SUBJECT_CHARACTERS_MAX = 99
"""Of SNS, in ASCII. https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
_WEBHOOK_SECONDS_MAX = 10
_CONTEXT: dict[str, None] = {"dag": None}
"""SmtpNotifier 2.2 looks for a Dag, to render the connection's `from_email`."""


def send(recipients: Sequence[Recipient], message: Message) -> None:
    """Tell every recipient, side by side: one that hangs or fails keeps nobody from being told.

    A failure is logged, and raised never: what a run came to does not depend on who could be told.
    """
    with ThreadPoolExecutor(len(recipients)) as pool:
        list(pool.map(lambda recipient: _send(recipient, message), recipients))


def _send(recipient: Recipient, message: Message) -> None:
    fields = {"kind": recipient.kind, "connection": recipient.connection, "subject": message.subject}
    try:
        _tell(recipient, message)
    except Exception as error:  # noqa: BLE001 - whatever a provider raises
        words = _ADDRESS.sub("(an address)", str(error)[:_ERROR_CHARACTERS_MAX])
        log.error("notification not sent", error=f"{type(error).__name__}: {words}", **fields)
    else:
        log.info("notification sent", **fields)


def _tell(recipient: Recipient, message: Message) -> None:
    """Tell one recipient, in markup of its own."""
    provided = _PROVIDED[recipient.kind].imported()
    if isinstance(recipient, Webhook):
        provided(method="POST", http_conn_id=recipient.connection).run(
            recipient.path,
            json={"subject": message.subject, "text": message.text, **message.facts},
            extra_options={"timeout": _WEBHOOK_SECONDS_MAX},
        )
    else:
        notifier = provided(**_arguments(recipient, message))
        notifier.notify(_CONTEXT)  # not called: that would render strangers' text as a template


def _arguments(recipient: Sns | Email | Slack, message: Message) -> dict[str, Any]:
    """Return what a notifier is made of."""
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
        raise ConfigError(f"{words}\nNobody would be told of a failure there", code=Code.INVALID_CONFIG)


def _problems(recipient: Recipient) -> Iterator[str]:
    from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined] # noqa: PLC0415 - slow
    from airflow.sdk import Connection  # noqa: PLC0415 - slow

    try:
        _PROVIDED[recipient.kind].imported()
    except ImportError as error:
        yield f": {error}"
    if recipient.connection is None:
        return
    try:
        Connection.get(recipient.connection)
    except AirflowNotFoundException:
        name = recipient.connection
        yield f".connection: Airflow has no connection {name!r} here. Add it (airflow connections add {name})"
