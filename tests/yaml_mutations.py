"""Ways to spoil a text: bytes, lines, keys, values, indentation, aliases."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

UNKNOWN = "zz_unknown_key"
_KEY = re.compile(r"(?m)^( *)([a-z_]+)(\+?):(?= |$)|(?<=[{,] )([a-z_]+)(?=: )|(?<=\{)([a-z_]+)(?=: )")
_NAMES = frozenset(
    {
        "photos",
        "etc",
        "everything",
        "careful",
        "nightly",
        "pg",
        "smtp",
        "one",
        "two",
        "three",
        "a",
        "ops",
        "cloud",
        "hook",
        "chat",
    }
)
_VALUES = (
    "null", "~", "true", "no", "0", "-1", "0777", "1e400", ".nan", ".inf", "9" * 40, "9" * 5000, "12:30",
    "0x1F", "[]", "{}", "[[]]", "{a: b}", "''", '"\\0"', '"\\n"', "*junk", "&x y", "!!int 4", "!foo bar",
    "${NOPE}", "${", "${A:-}", "${A:?why}", "$$", "é", "\U0001f600", "50%", "101%", "off", "none", "1s",
    "1h30m", "0s", "-5s", "10G", "../..", "/", ".", "~", "~nobody/x", "s3://b/k", "nas:/x", "a" * 3000,
    "/" + "b/" * 3000, "[" * 60, "{a: " * 60, "|", ">-", "2026-11-21", "@x", "`x`", "%x", "- a", "? x",
    "trash", "mon", "Europe/Nowhere", "* * * * *", "&a [*a]",
)  # fmt: skip
_SNIPPETS = (
    b"\t", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\x85", b"\xe2\x80\xa8",
    b"---\n", b"...\n", b"<<: *base\n", b"<<: 3\n", b"*x", b"&x ", b"'", b'"', b"{", b"}", b"[", b"]", b":",
    b"- ", b"#", b"? ", b"!!python/name:os ", b"%YAML 9.9\n", b"\n\n\n", b"x-y: 1\n", b"[a]: b\n",
    b"1: 2\n", b"null: 3\n", b": x\n", b"jobs:\n", b"  ", b"\\", b"|", b">",
)  # fmt: skip

Mutation = Callable[[random.Random, bytes], bytes]


def _position(chance: random.Random, text: bytes) -> int:
    return chance.randrange(len(text) + 1)


def flip_byte(chance: random.Random, text: bytes) -> bytes:
    """Change one bit."""
    if not text:
        return text
    at = chance.randrange(len(text))
    return text[:at] + bytes([text[at] ^ (1 << chance.randrange(8))]) + text[at + 1 :]


def drop_bytes(chance: random.Random, text: bytes) -> bytes:
    """Leave out up to eight bytes."""
    at = _position(chance, text)
    return text[:at] + text[at + chance.randint(1, 8) :]


def insert_snippet(chance: random.Random, text: bytes) -> bytes:
    """Put in something that means much to YAML."""
    at = _position(chance, text)
    return text[:at] + chance.choice(_SNIPPETS) + text[at:]


def cut_off(chance: random.Random, text: bytes) -> bytes:
    """End the file early."""
    return text[: _position(chance, text)]


def _on_lines(change: Callable[[random.Random, list[bytes]], None]) -> Mutation:
    def mutation(chance: random.Random, text: bytes) -> bytes:
        lines = text.splitlines(keepends=True)
        if lines:
            change(chance, lines)
        return b"".join(lines)

    return mutation


def _drop_line(chance: random.Random, lines: list[bytes]) -> None:
    del lines[chance.randrange(len(lines))]


def _repeat_line(chance: random.Random, lines: list[bytes]) -> None:
    lines.insert(chance.randrange(len(lines)), chance.choice(lines))


def _swap_lines(chance: random.Random, lines: list[bytes]) -> None:
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]


def _indent_line(chance: random.Random, lines: list[bytes]) -> None:
    at = chance.randrange(len(lines))
    lines[at] = lines[at].lstrip(b" ") if chance.random() < 0.3 else b" " * chance.randint(1, 4) + lines[at]


def _replace_value(chance: random.Random, lines: list[bytes]) -> None:
    keyed = [at for at, line in enumerate(lines) if b": " in line]
    if keyed:
        at = chance.choice(keyed)
        key = lines[at].split(b": ")[0]
        lines[at] = key + b": " + chance.choice(_VALUES).encode() + b"\n"


def _rename_key(chance: random.Random, lines: list[bytes]) -> None:
    at = chance.randrange(len(lines))
    key, colon, rest = lines[at].partition(b":")
    name = chance.choice(_VALUES[:20]).encode()
    lines[at] = key[: len(key) - len(key.lstrip())] + name + colon + rest


_BYTES: tuple[Mutation, ...] = (flip_byte, drop_bytes, insert_snippet, cut_off)
_LINES = tuple(map(_on_lines, (_drop_line, _repeat_line, _swap_lines, _indent_line)))
_WORDS = tuple(map(_on_lines, (_replace_value, _replace_value, _replace_value, _rename_key)))
MUTATIONS = (*_BYTES, *_LINES, *_WORDS, *_WORDS)


def spoiled(chance: random.Random, seed: str) -> bytes:
    """Spoil a text in one way, or in up to four."""
    text = seed.encode()
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        text = chance.choice(MUTATIONS)(chance, text)
    return text


def with_typo(chance: random.Random, seed: str) -> tuple[bytes, str]:
    """Misspell one key that is no name; gives the misspelling too."""
    keys = [found for found in _KEY.finditer(seed) if _word(found)[0] not in _NAMES]
    word, start = _word(chance.choice(keys))
    at = chance.randrange(len(word))
    typo = chance.choice(
        [word[:at] + "q" + word[at:], word[:at] + word[at + 1 :] + "qq", word[:at] + "qj" + word[at + 1 :]]
    )
    return (seed[:start] + typo + seed[start + len(word) :]).encode(), typo


def _word(found: re.Match[str]) -> tuple[str, int]:
    group = next(group for group in (2, 4, 5) if found[group])
    return found[group], found.start(group)


def with_unknown_key(chance: random.Random, seed: str) -> bytes:
    """Put an unknown key into one block mapping."""
    found = chance.choice([found for found in _KEY.finditer(seed) if found[2]])
    line = f"{found[1]}{UNKNOWN}: 1\n"
    return (seed[: found.start()] + line + seed[found.start() :]).encode()
