"""A letter: one thing to be told, in every form that a notifier may want."""

from __future__ import annotations

from msgspec import Struct

from dirsync.model.result_fields import Fields
from dirsync.notify.html import html_of
from dirsync.notify.machine import fields_of_message
from dirsync.notify.message import TABLE, Message, Tone
from dirsync.notify.table import csv_of
from dirsync.notify.text import text_of
from dirsync.notify.words import Mask, calling_nobody


class Attachment(Struct, frozen=True, kw_only=True):
    """A table that comes with a letter."""

    name: str
    data: bytes  # CSV


class Letter(Struct, frozen=True, kw_only=True):
    """What a sender takes: secrets are masked in it, and the subject is one printable line."""

    subject: str
    text: str
    html: str
    fields: Fields  # as JSON says it
    tone: Tone
    event: str  # `run`, `stale`, `recovery`, `test` or `report`
    job: str  # empty: of no job, or of all
    host: str
    attachment: Attachment | None = None


def letter_of(message: Message, *, mask: Mask) -> Letter:
    """Write a message in every form."""
    text = text_of(message)
    table = Attachment(name=TABLE, data=csv_of(message.table)) if message.table else None
    return Letter(
        subject=message.subject,
        text=text,
        html=html_of(message),
        fields=fields_of_message(message, text=calling_nobody(text), mask=mask),
        tone=message.tone,
        event=message.event,
        job=message.job,
        host=message.host,
        attachment=table,
    )
