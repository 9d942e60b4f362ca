"""A message as HTML for mail programs: tables, inline style, nothing fetched, readable in the dark.

Every text is escaped by the template engine; names were made printable before. Programs that
keep no `<style>` show the light colours, which stand in each element.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING

from dirsync.notify.message import Message, Tone

if TYPE_CHECKING:
    from jinja2 import Template

# Of each tone: the text and the back of its band, by day and by night.
_COLOURS = {
    Tone.FINE: ("#14633b", "#e3f5ea"),
    Tone.REVIEW: ("#7a5200", "#fdf1d6"),
    Tone.ALARM: ("#a81c24", "#fde7e7"),
}


def html_of(message: Message) -> str:
    """Write a message as an HTML document."""
    ink, back = _COLOURS[message.tone]
    return _template().render(message=message, ink=ink, back=back, tone=message.tone.name.lower())


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined  # only a letter needs it

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(
        resources.files(__package__).joinpath("mail.html").read_text(encoding="utf-8")
    )
