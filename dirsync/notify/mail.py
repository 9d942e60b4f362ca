"""A letter as a mail: headers that filters can go by, text beside HTML, a table where a list is cut."""

from __future__ import annotations

import email.policy
import hashlib
import re
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses, localtime, make_msgid
from typing import NamedTuple

from dirsync.notify.letter import Letter

_NO_LABEL = re.compile(r"[^a-z0-9-]+")
_LONGEST_LABEL = 40  # characters
_ENCODING = "quoted-printable"  # every server takes it, and no line of it is too long
_POLICY = email.policy.SMTP


class Mail(NamedTuple):
    """A mail, and the addresses of its envelope."""

    message: EmailMessage
    sender: str
    recipients: list[str]


def mail_of(letter: Letter, *, sender: str, to: tuple[str, ...]) -> Mail:
    """Write a letter as a mail; `sender` and `to` are addresses as they were declared."""
    ((_, sender_address),) = getaddresses([sender])
    message = EmailMessage(policy=_POLICY)
    message["Subject"] = letter.subject
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = make_msgid(domain=sender_address.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
    message["List-Id"] = _list_id(letter)
    message["X-Dirsync-Host"] = letter.host
    message["X-Dirsync-Event"] = letter.event
    if letter.job:
        message["X-Dirsync-Job"] = letter.job
    message.set_content(letter.text, cte=_ENCODING)
    message.add_alternative(letter.html, subtype="html", cte=_ENCODING)
    if letter.attachment is not None:
        message.add_attachment(
            letter.attachment.data,
            maintype="text",
            subtype="csv",
            filename=letter.attachment.name,
            params={"charset": "utf-8"},
        )
    return Mail(message, sender_address, [address for _, address in getaddresses(to)])


def _list_id(letter: Letter) -> str:
    """Name the job and the host, the same in all their mails (RFC 2919)."""
    names = (letter.job or "all", letter.host, "dirsync")
    return f"<{'.'.join(map(_label, names))}>"


def _label(name: str) -> str:
    """Write a name as a label; one that loses something by that has its hash besides."""
    label = _NO_LABEL.sub("-", name.lower()).strip("-")
    if label == name.lower() and len(label) <= _LONGEST_LABEL:
        return label
    return f"{label[:_LONGEST_LABEL]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")
