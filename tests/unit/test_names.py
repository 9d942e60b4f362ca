"""Names as people and machines read them."""

from __future__ import annotations

import pytest

from dirsync.model.names import is_text, percent_encoded, shown


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"", "."),
        (b"plain name", "plain name"),
        (b"caf\xc3\xa9", "café"),
        (b"new\nline\t", "new\\nline\\t"),
        (b"\x1b[31m", "\\x1b[31m"),
        (b"\xff", "\\xff"),
        (b"back\\slash", "back\\\\slash"),
        ("\u202eevil".encode(), "\\u202eevil"),
        (b"\x7f\x00", "\\x7f\\x00"),
    ],
)
def test_a_name_is_shown_on_one_line_by_any_terminal(path: bytes, text: str) -> None:
    assert shown(path) == text


def test_bytes_are_written_so_that_machines_read_them_back() -> None:
    assert percent_encoded(b"a/\xff b%") == "a/%FF%20b%25"


def test_text_is_what_is_valid_utf_8() -> None:
    assert is_text("é".encode())
    assert not is_text(b"\xff")
    assert not is_text(b"\xed\xa0\x80")
