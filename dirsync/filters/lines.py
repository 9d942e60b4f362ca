"""An ignore file's content as git reads it.

Source: gitignore(5); git 2.39, `add_patterns_from_buffer` and `trim_trailing_spaces`,
as observed through `git check-ignore`.
"""

from __future__ import annotations

import codecs
import re

from dirsync.model.job import PatternLine

# Unescaped spaces at the end. A lone backslash at the end keeps the spaces before it.
_TRAILING_SPACES = re.compile(rb"((?:[^\\ ]|\\.|[ ]+(?=[^ ]))*)[ ]*", re.DOTALL)


def pattern_lines(content: bytes, *, file: str) -> tuple[PatternLine, ...]:
    """Read the patterns of an ignore file; comments and blank lines are left out.

    A byte order mark and one carriage return before each line's end are dropped,
    as are trailing spaces that no backslash protects. `file` is the name to show.
    """
    lines = content.removeprefix(codecs.BOM_UTF8).split(b"\n")
    texts = ((number, pattern_text(line.removesuffix(b"\r"))) for number, line in enumerate(lines, 1))
    return tuple(PatternLine(text, file, number) for number, text in texts if text)


def pattern_text(line: bytes) -> bytes:
    """Cut a line down to its pattern; empty for a blank line or a comment."""
    if line.startswith(b"#"):
        return b""
    text = line.partition(b"\0")[0]
    kept = _TRAILING_SPACES.fullmatch(text)
    return text if kept is None else kept[1]
