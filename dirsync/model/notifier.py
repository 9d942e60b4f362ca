"""Who is told how a run ended, and of what."""

from __future__ import annotations

import enum
from typing import TypeAlias

from msgspec import Struct


class NotifierType(enum.Enum):
    """How a message goes out."""

    SMTP = "smtp"
    SES = "ses"
    WEBHOOK = "webhook"
    APPRISE = "apprise"


class Security(enum.Enum):
    """How a connection to a mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"  # only to this machine
    CLEARTEXT = "cleartext"  # not at all, wherever it goes


class Occasion(enum.Enum):
    """What may be worth a message, as `on` names it."""

    FAILURE = "failure"
    PARTIAL = "partial"
    HELD = "held"
    CHANGES = "changes"
    STALE = "stale"
    SUCCESS = "success"


# Unless `on` says otherwise.
TOLD = frozenset({Occasion.FAILURE, Occasion.PARTIAL, Occasion.HELD, Occasion.STALE})


class Secret(Struct, frozen=True):
    """A text that is never shown."""

    value: str
    name: str | None = None  # under `secrets`; None: it is written in the file itself

    def __repr__(self) -> str:
        return f"Secret(name={self.name!r})"


class SmtpNotifier(Struct, frozen=True, kw_only=True):
    """Sends mail through a mail server."""

    name: str
    host: str
    port: int
    sender: str  # as `from` has it: an address, with a name or without
    to: tuple[str, ...]
    security: Security = Security.STARTTLS
    user: str | None = None  # None: nobody logs in
    password: Secret | None = None  # with `user`
    ca: str | None = None  # absolute path of certificates to trust; None: those of the system


class SesNotifier(Struct, frozen=True, kw_only=True):
    """Sends mail through Amazon SES; who sends is known from where AWS's own tools look."""

    name: str
    sender: str
    to: tuple[str, ...]
    region: str | None = None  # None: as AWS's configuration says
    endpoint_url: str | None = None  # None: Amazon's own


class WebhookNotifier(Struct, frozen=True, kw_only=True):
    """Posts JSON to a URL."""

    name: str
    url: Secret
    headers: tuple[tuple[str, Secret], ...] = ()


class AppriseNotifier(Struct, frozen=True, kw_only=True):
    """Tells a chat service, or whatever else Apprise knows."""

    name: str
    url: Secret


Notifier: TypeAlias = SmtpNotifier | SesNotifier | WebhookNotifier | AppriseNotifier


class Notify(Struct, frozen=True, kw_only=True):
    """Whom a job tells, and of what."""

    to: str  # a notifier's name
    on: frozenset[Occasion] = TOLD
