"""`notify test NAME`: send one message, and tell whether it was taken."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence

from dirsync.cli.exit_codes import Exit
from dirsync.cli.output.lines import Lines, error_line
from dirsync.cli.parsing import (
    Options,
    Parser,
    add_common,
    add_json,
    config_file,
    did_you_mean,
    one_of,
    usage_error,
)
from dirsync.config import load
from dirsync.errors import NotDelivered
from dirsync.model.notifier import (
    AppriseNotifier,
    Notifier,
    NotifierType,
    SesNotifier,
    SmtpNotifier,
    WebhookNotifier,
)


class NotifyOptions(Options):
    """What `notify` can be told."""

    action: str
    name: str


def parser() -> Parser:
    """Make the parser of `notify`."""
    made = Parser(
        usage="dirsync notify test NAME [-c FILE] [--json] [-q]",
        description="Send one test message to the notifier NAME of the configuration.",
    )
    made.add_argument("action", metavar="test", type=one_of("test"))
    made.add_argument("name", metavar="NAME")
    add_json(made)
    add_common(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Send a test message."""
    options = parser().parse_intermixed_args(arguments, namespace=NotifyOptions())
    configuration = load(config_file(options))
    notifier = _named(configuration.notifiers, options.name)
    lines = Lines(mask=configuration.mask)
    error = _failure_of(notifier, lines=lines)
    if options.json:
        lines.record(_fields(notifier, error))
    elif error is not None:
        error_line(error)
    elif not options.quiet:
        lines.line(f"'{notifier.name}': test message sent to {_whom(notifier)}")
    return Exit.DONE if error is None else Exit.FAILED


def _named(notifiers: Mapping[str, Notifier], name: str) -> Notifier:
    if name in notifiers:
        return notifiers[name]
    known = f"; the notifiers are {', '.join(notifiers)}" if notifiers else "; there are none"
    raise usage_error(f"no notifier '{name}'{did_you_mean(name, notifiers)}{known}")


def _failure_of(notifier: Notifier, *, lines: Lines) -> str | None:
    """Send one message; say what went wrong, masked, or None."""
    from dirsync.notify.letter import letter_of
    from dirsync.notify.message import trial_message
    from dirsync.notify.sending import send

    letter = letter_of(trial_message(notifier.name, host=socket.gethostname()), mask=lines.mask)
    try:
        send(notifier, letter)
    except NotDelivered as error:
        return lines.mask(str(error))
    return None


def _fields(notifier: Notifier, error: str | None) -> dict[str, object]:
    return {
        "event": "notify",
        "notifier": notifier.name,
        "type": _type(notifier).value,
        "sent": error is None,
        "error": error,
    }


def _type(notifier: Notifier) -> NotifierType:
    match notifier:
        case SmtpNotifier():
            return NotifierType.SMTP
        case SesNotifier():
            return NotifierType.SES
        case WebhookNotifier():
            return NotifierType.WEBHOOK
        case AppriseNotifier():
            return NotifierType.APPRISE


def _whom(notifier: Notifier) -> str:
    """Say who gets its messages, without a URL."""
    match notifier:
        case SmtpNotifier():
            return f"{', '.join(notifier.to)} through {notifier.host}:{notifier.port}"
        case SesNotifier():
            return f"{', '.join(notifier.to)} through Amazon SES"
        case WebhookNotifier():
            return "its URL"
        case AppriseNotifier():
            return "its service"
