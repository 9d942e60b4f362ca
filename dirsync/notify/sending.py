"""A letter goes out: by the sender of the notifier's type, and again where that may help."""

from __future__ import annotations

import logging
from collections.abc import Callable

from dirsync.errors import NotDelivered
from dirsync.model.notifier import (
    AppriseNotifier,
    Notifier,
    SesNotifier,
    SmtpNotifier,
    WebhookNotifier,
)
from dirsync.notify.letter import Letter

logger = logging.getLogger(__name__)

PAUSES_SECONDS = (2.0, 8.0)  # before the second and the third attempt

Wait = Callable[[float], bool]  # sleeps so many seconds; True: do not go on


def send(notifier: Notifier, letter: Letter) -> None:
    """Send a letter once.

    Raises:
        NotDelivered: it was not taken.
    """
    match notifier:  # each loads only what it needs
        case SmtpNotifier():
            from dirsync.notify.smtp import send_by_smtp

            send_by_smtp(notifier, letter)
        case SesNotifier():
            from dirsync.notify.ses import send_by_ses

            send_by_ses(notifier, letter)
        case WebhookNotifier():
            from dirsync.notify.webhook import send_to_webhook

            send_to_webhook(notifier, letter)
        case AppriseNotifier():
            from dirsync.notify.apprise import send_by_apprise

            send_by_apprise(notifier, letter)


def send_patiently(
    notifier: Notifier, letter: Letter, *, wait: Wait, pauses: tuple[float, ...] = PAUSES_SECONDS
) -> None:
    """Send a letter, three times at most where what is wrong may pass.

    Raises:
        NotDelivered: it was not taken.
    """
    for pause in pauses:
        try:
            send(notifier, letter)
            return
        except NotDelivered as error:
            if not error.is_transient:
                raise
            logger.debug("another try in %g s: %s", pause, error)
            if wait(pause):
                raise
    send(notifier, letter)
