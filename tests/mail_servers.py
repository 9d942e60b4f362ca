"""Mail servers for tests: real ones, of this very process, that keep what they take."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "dirsync@lan", "s3cret-passw0rd"


class Mailbox:
    """What a server took, and what it says."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.were_protected: list[bool] = []
        self.answers: list[str] = []  # to the next mails; then: taken
        self.refused: dict[str, str] = {}  # recipients, and what is said to them
        self.sender_answer: str | None = None  # None: every sender is welcome

    @property
    def mails(self) -> list[EmailMessage]:
        """Give the mails, parsed."""
        return [parsed(envelope) for envelope in self.envelopes]

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]

    # What the library calls, by its own names

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.sender_answer is not None:
            return self.sender_answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        self.envelopes.append(envelope)
        self.were_protected.append(session.ssl is not None)
        return "250 OK"


def parsed(envelope: Envelope) -> EmailMessage:
    """Parse a mail as a mail program does."""
    assert isinstance(envelope.content, bytes)
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def body(mail: EmailMessage, kind: str) -> str:
    """Give the text of a mail, as `plain` or `html`."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


class MailServer:
    """A server that runs: where it is, and what it took."""

    def __init__(self, port: int, ca: Path) -> None:
        self.host = "localhost"
        self.port = port
        self.ca = ca
        self.box = Mailbox()


class _AnyPort(Controller):
    """Listens on a port that is free, and knows which."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def mail_server(
    folder: Path, *, protects: bool = True, speaks_tls: bool = False, asks_password: bool = False
) -> Iterator[MailServer]:
    """Run a mail server on a port of its own.

    `protects`: it offers STARTTLS, and takes no mail without. `speaks_tls`: from the first byte.
    """
    authority = trustme.CA()
    ca = folder / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    server = MailServer(0, ca)
    options: dict[str, Any] = {}
    if speaks_tls:
        options |= {"ssl_context": context}
    elif protects:
        options |= {"tls_context": context, "require_starttls": True}
    if asks_password:
        options |= {"authenticator": _authenticated, "auth_required": True, "auth_require_tls": protects}
    controller = _AnyPort(server.box, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        server.port = controller.port
        yield server
    finally:
        controller.stop()


def _authenticated(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
) -> AuthResult:
    known = LoginPassword(login=USER.encode(), password=PASSWORD.encode())
    return AuthResult(success=data == known, handled=False)
