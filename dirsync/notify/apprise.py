"""Chat services and whatever else Apprise knows; needs apprise, which is imported where it is used."""

from __future__ import annotations

import logging
import re
import threading

from dirsync.errors import NotDelivered
from dirsync.model.notifier import AppriseNotifier
from dirsync.notify.letter import Letter
from dirsync.notify.message import Tone
from dirsync.notify.words import calling_nobody, printable

_SHORTEST_PART = 4  # characters of a URL that may be a password, or part of one
_LONGEST_BODY = 3_000  # characters; the services cut or refuse what is longer
_PARTS = re.compile(r"[/@:?&=#]+")
_LIBRARY = "apprise"

_one_at_a_time = threading.Lock()  # what is heard is then of one service


def send_by_apprise(notifier: AppriseNotifier, letter: Letter) -> None:
    """Tell the service of a letter.

    Raises:
        NotDelivered: it was not taken.
    """
    where = f"'{notifier.name}': {notifier.url.value.partition('://')[0]}"
    try:
        import apprise
    except ImportError as error:
        text = f"{where} needs apprise; install it with: pip install 'dirsync[mail]'"
        raise NotDelivered(text, is_transient=False) from error
    heard = _Heard()
    with _one_at_a_time, heard:
        service = apprise.Apprise()
        if not service.add(notifier.url.value):
            text = f"{where} is no service that Apprise knows, or its URL is not complete"
            raise NotDelivered(text, is_transient=False)
        kinds = {
            Tone.FINE: apprise.NotifyType.SUCCESS,
            Tone.REVIEW: apprise.NotifyType.WARNING,
            Tone.ALARM: apprise.NotifyType.FAILURE,
        }
        was_taken = service.notify(
            title=calling_nobody(letter.subject),
            body=calling_nobody(_body(letter)),
            body_format=apprise.NotifyFormat.TEXT,
            notify_type=kinds[letter.tone],
        )
    if not was_taken:
        reason = _without_passwords(heard.last or "it did not say why", notifier.url.value)
        raise NotDelivered(f"{where} did not take the message: {printable(reason)}", is_transient=True)


def _body(letter: Letter) -> str:
    """Give the text without its first line, which is the subject, and its signature."""
    body = letter.text.partition("\n")[2].partition("\n-- \n")[0].strip()
    return body if len(body) <= _LONGEST_BODY else f"{body[:_LONGEST_BODY]}…"


class _Heard(logging.Handler):
    """Keeps what the library logs to itself: its lines may hold passwords."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def __enter__(self) -> None:
        library = logging.getLogger(_LIBRARY)
        library.propagate = False
        library.addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger(_LIBRARY).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the last line."""
        self.last = record.getMessage()


def _without_passwords(text: str, url: str) -> str:
    """Mask every part of a URL in a text, for which of them is a password differs by service."""
    for part in sorted(_PARTS.split(url.partition("://")[2]), key=len, reverse=True):
        if len(part) >= _SHORTEST_PART:
            text = text.replace(part, "***")
    return text
