"""Who is notified of a run. A config only has IDs of connections: no address here contains a secret."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from s3copy_tasks.config.duration import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Sns:
    """A standard topic by its ARN; without a connection, the environment's own credentials are used."""

    kind: ClassVar = "sns"
    topic: str
    connection: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """Addresses that get one mail; the connection knows the sender."""

    kind: ClassVar = "email"
    connection: str
    to: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """A channel, by the connection of its incoming webhook."""

    kind: ClassVar = "slack"
    connection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A server that accepts JSON by POST at a path below the connection's host."""

    kind: ClassVar = "webhook"
    connection: str
    path: str | None = None


Recipient: TypeAlias = Sns | Email | Slack | Webhook
_KINDS: dict[str, type[Recipient]] = {kind.kind: kind for kind in (Sns, Email, Slack, Webhook)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Who is notified, and when.

    Attributes:
        on_failure: recipients for a run that has failed or is late.
        on_success: recipients for a run that has succeeded.
        deadline: a run is late if it has not ended this long after it was queued; None means never.
    """

    on_failure: tuple[Recipient, ...] = ()
    on_success: tuple[Recipient, ...] = ()
    deadline: timedelta | None = None

    @classmethod
    def of(cls, section: dict[str, Any]) -> Notify:
        """Build it from the section of a valid document with its defaults."""
        return cls(
            on_failure=recipients_of(section["on_failure"]),
            on_success=recipients_of(section["on_success"]),
            deadline=parse_duration(section["deadline"]),
        )

    def recipients(self) -> list[tuple[str, Recipient]]:
        """Return every recipient with its path in the file."""
        return [
            (f"notify.{field}[{index}].{recipient.kind}", recipient)
            for field in ("on_failure", "on_success")
            for index, recipient in enumerate(getattr(self, field))
        ]


def recipients_of(entries: Iterable[dict[str, dict[str, Any]]]) -> tuple[Recipient, ...]:
    """Return the recipients of a valid file, where each is a mapping from its kind to its fields."""
    return tuple(_KINDS[kind](**fields) for entry in entries for kind, fields in entry.items())


def plain(recipients: Iterable[Recipient]) -> list[dict[str, dict[str, Any]]]:
    """Return recipients as JSON types, as `recipients_of` accepts them."""
    return [{recipient.kind: asdict(recipient)} for recipient in recipients]
