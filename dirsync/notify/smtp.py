"""Mail through a mail server, protected unless the file says otherwise in so many words."""

from __future__ import annotations

import contextlib
import logging
import smtplib
import socket
import ssl
from collections.abc import Iterator

from dirsync.errors import NotDelivered
from dirsync.model.notifier import Security, SmtpNotifier
from dirsync.notify.letter import Letter
from dirsync.notify.mail import Mail, mail_of
from dirsync.notify.words import printable

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 20.0  # of each answer
_FIRST_PERMANENT_CODE = 500
_UNPROTECTED = frozenset({Security.NONE, Security.CLEARTEXT})


def send_by_smtp(notifier: SmtpNotifier, letter: Letter) -> None:
    """Send a letter as one mail to all.

    A recipient that alone is refused is a warning: the others have it.

    Raises:
        NotDelivered: nobody has it.
    """
    where = f"'{notifier.name}': {notifier.host}:{notifier.port}"
    mail = mail_of(letter, sender=notifier.sender, to=notifier.to)
    context = None if notifier.security in _UNPROTECTED else _trust(notifier)
    with _translated(where), _connected(notifier, context) as server:
        if notifier.user is not None and notifier.password is not None:
            _log_in(server, notifier.user, notifier.password.value, where)
        _hand_over(mail, server, where)


@contextlib.contextmanager
def _connected(notifier: SmtpNotifier, context: ssl.SSLContext | None) -> Iterator[smtplib.SMTP]:
    """Connect; what is asked for as protection is there, or it fails."""
    if notifier.security is Security.TLS:
        with smtplib.SMTP_SSL(
            notifier.host, notifier.port, _own_name(), timeout=_TIMEOUT_SECONDS, context=context
        ) as server:
            yield server
        return
    with smtplib.SMTP(notifier.host, notifier.port, _own_name(), timeout=_TIMEOUT_SECONDS) as server:
        if context is not None:
            server.starttls(context=context)
        yield server


def _own_name() -> str:
    """Name this machine; the library would ask DNS for it, which takes as long as it takes."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _trust(notifier: SmtpNotifier) -> ssl.SSLContext:
    """Load the certificates that prove who a server is."""
    try:
        return ssl.create_default_context(cafile=notifier.ca)
    except OSError as error:
        reason = printable(error.strerror or str(error)) if not isinstance(error, ssl.SSLError) else "no PEM"
        text = f"'{notifier.name}': certificates '{printable(notifier.ca or '')}' cannot be read: {reason}"
        raise NotDelivered(text, is_transient=False) from error


def _log_in(server: smtplib.SMTP, user: str, password: str, where: str) -> None:
    try:
        server.login(user, password)
    except UnicodeError as error:
        raise NotDelivered(f"{where} takes no user or password beyond ASCII", is_transient=False) from error


def _hand_over(mail: Mail, server: smtplib.SMTP, where: str) -> None:
    refused = server.send_message(mail.message, from_addr=mail.sender, to_addrs=mail.recipients)
    for address, (code, answer) in refused.items():
        logger.warning("%s refused '%s': %s", where, printable(address), _said(code, answer))


@contextlib.contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except smtplib.SMTPSenderRefused as error:
        raise _answered(where, "refused the sender", error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = next(iter(error.recipients.values()))
        raise _answered(where, "refused every recipient", code, answer) from error
    except smtplib.SMTPAuthenticationError as error:
        raise _answered(where, "refused user or password", error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPResponseException as error:
        raise _answered(where, "refused the mail", error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPNotSupportedError as error:
        raise NotDelivered(f"{where} {_unsupported(error)}", is_transient=False) from error
    except smtplib.SMTPException as error:  # the connection ended
        raise NotDelivered(f"{where} broke off: {printable(str(error))}", is_transient=True) from error
    except ssl.SSLCertVerificationError as error:
        text = f"{where} cannot prove who it is: {error.verify_message}; name its certificate under 'ca'"
        raise NotDelivered(text, is_transient=False) from error
    except UnicodeError as error:  # a label of more than 63 characters
        raise NotDelivered(f"{where} cannot be reached: that is no host", is_transient=False) from error
    except OSError as error:
        reason = printable(error.strerror or str(error) or type(error).__name__)
        raise NotDelivered(f"{where} cannot be reached: {reason}", is_transient=True) from error


def _answered(where: str, what: str, code: int, answer: bytes | str) -> NotDelivered:
    return NotDelivered(
        f"{where} {what}: {_said(code, answer)}", is_transient=0 < code < _FIRST_PERMANENT_CODE
    )


def _said(code: int, answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return printable(f"{code} {' '.join(text.split())}")


def _unsupported(error: smtplib.SMTPNotSupportedError) -> str:
    if "STARTTLS" in str(error):
        return "offers no STARTTLS; write 'security: tls', or another port"
    return f"cannot do this: {printable(str(error))}"
