"""The values that say what and how: places, patterns, bounds, figures."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from dirsync.config import scalars
from dirsync.config.endpoints import FarAddress, FarName, address_of, is_endpoint_path, is_url
from dirsync.config.leaves import flag, spoken, text_of, version, whole
from dirsync.config.nodes import ScalarNode
from dirsync.config.problems import one_of, quoted
from dirsync.config.scalars import Kind, kind_of
from dirsync.config.shapes import Leaf
from dirsync.model.job import Limit, PatternLine
from dirsync.model.place import LocalPlace

_PLACEHOLDER = re.compile(r"%[YmdHMSjVGu%]")
JOB = "{job}"  # in the name of a report's file: the job's name
_LEAST_RATE = 1024
_FINGERPRINT_DIGITS = 64
_HIGHEST_PORT = 65535
_LONGEST_PATH = 4000  # the system takes 4095 bytes at once
_LEVELS = ("debug", "info", "warning", "error", "critical")
_SHARE = r"^(off|[0-9]+(\.[0-9]+)?\s?%)$"
_SIZE = r"^(off|[0-9]+(\.[0-9]+)?\s?(%|[KkMmGgTtPp]?([iI]?[bB])?))$"
_BUDGET = r"^(none|[0-9]+(\.[0-9]+)?\s?[KkMmGgTtPp]?([iI]?[bB])?)$"
_RATE = r"^(none|[0-9]+(\.[0-9]+)?\s?[KkMmGgTtPp]?([iI]?[bB])?(/s)?)$"
_AMOUNT = {"type": "integer", "minimum": 0}


def _absolute(scalar: ScalarNode) -> str:
    """Give the absolute path that a text names, `~` and the file's own directory put in."""
    text = text_of(scalar)
    path = os.path.expanduser(text)
    if not text:
        raise ValueError("the path is empty; write one")
    if path.startswith("~"):
        raise ValueError(f"{quoted(text)} names the home of an unknown user; write the path out")
    if len(path) > _LONGEST_PATH:
        raise ValueError(f"the path is longer than {_LONGEST_PATH} characters; name a directory further up")
    joined = os.path.join(scalar.origin.file.directory, path)
    normal = os.path.realpath(joined) if ".." in path.split("/") else os.path.normpath(joined)
    return "/" + normal.lstrip("/")  # POSIX lets two leading slashes be


def is_notifier_name(text: str) -> bool:
    """Whether a report's recipient is a notifier, and not a file."""
    return "/" not in text and "." not in text


def _recipient(scalar: ScalarNode) -> str:
    """Give the absolute path of a report's file, or the name of a notifier as it is."""
    text = text_of(scalar)
    if text and is_notifier_name(text):
        return text
    path = _absolute(scalar)
    folder, name = os.path.split(path)
    if not name or text.endswith("/"):
        raise ValueError(f"{quoted(text)} is a directory; write a file in it, as {{job}}.html")
    unknown = _PLACEHOLDER.sub("", name)
    if "%" in unknown or "%" in folder or JOB in folder:
        raise ValueError(
            f"{quoted(text)} holds a % that stands for nothing here; the name may hold "
            "%Y %m %d %H %M %S %j %V %G %u, and %% for itself, the directory neither these nor {job}"
        )
    return path


def _place(scalar: ScalarNode) -> LocalPlace | FarName:
    text = text_of(scalar)
    if is_url(text) or is_endpoint_path(text):
        return FarName(text)
    return LocalPlace(path=os.fsencode(_absolute(scalar)))


def _rate(text: str) -> int | None:
    if text == "none":
        return None
    rate = scalars.size(text.removesuffix("/s"))
    if rate < _LEAST_RATE:
        raise ValueError(
            f"{quoted(text)} is next to nothing; write at least {_LEAST_RATE} bytes a second, as 1M"
        )
    return rate


def _address(scalar: ScalarNode) -> FarAddress:
    return address_of(text_of(scalar))


def _fingerprint(text: str) -> str:
    digits = text.lower().removeprefix("sha256:").replace(":", "")
    if len(digits) != _FINGERPRINT_DIGITS or not all(c in "0123456789abcdef" for c in digits):
        raise ValueError(f"{quoted(text)} is no fingerprint; write 'sha256:' and 64 hexadecimal digits")
    return digits


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > _HIGHEST_PORT:
        raise ValueError(f"{quoted(text)} is no place to listen; write host:port, as 0.0.0.0:8443")
    return host, int(port)


def _share(absolute: Callable[[str], int]) -> Callable[[str], Limit | None]:
    """Make a reader of `off`, a percentage or an absolute figure."""

    def read(text: str) -> Limit | None:
        if text == "off":
            return None
        share = scalars.percent(text)
        return Limit(absolute=absolute(text)) if share is None else Limit(percent=share)

    return read


def _pattern(scalar: ScalarNode) -> PatternLine:
    if kind_of(scalar) is Kind.NULL:
        raise ValueError("an empty pattern; remove it, or put it in quotes")
    if "\0" in scalar.text:
        raise ValueError("holds a NUL, which no name can; remove it")
    if any(character in scalar.text for character in "\n\r"):
        raise ValueError("a pattern of several lines; write one pattern an entry")
    return PatternLine(os.fsencode(scalar.text), scalar.origin.file.shown, scalar.origin.line)


def _file_name(scalar: ScalarNode) -> bytes:
    text = text_of(scalar)
    if "/" in text or text in {"", ".", ".."}:
        raise ValueError(f"{quoted(text)} is not the name of a file; write a name without '/', as .gitignore")
    return os.fsencode(text)


def _path_below(scalar: ScalarNode) -> bytes:
    text = text_of(scalar)
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if text.startswith("/") or ".." in parts or not parts:
        raise ValueError(
            f"{quoted(text)} is not a path below the root; write it without leading '/' and '..'"
        )
    return os.fsencode("/".join(parts))


def _budget(text: str) -> int | None:
    return None if text == "none" else scalars.size(text)


def _level(text: str) -> str:
    if text.lower() not in _LEVELS:
        raise ValueError(one_of(text, _LEVELS))
    return text.upper()


FLAG = Leaf(read=flag, expected="true or false", schema={"type": "boolean"})
TEXT = Leaf(read=text_of, expected="text", schema={"type": "string"})
VERSION = Leaf(read=version, expected="1", schema={"const": 1})
PATH = Leaf(read=_absolute, expected="a path", schema={"type": "string"})
RECIPIENT = Leaf(read=_recipient, expected="a path or a notifier's name", schema={"type": "string"})
PLACE = Leaf(read=_place, expected="a path or a URL", schema={"type": "string"})
ADDRESS = Leaf(read=_address, expected="a URL", schema={"type": "string", "format": "uri"})
FINGERPRINT = Leaf(read=spoken(_fingerprint), expected="sha256:…", schema={"type": "string"})
LISTEN = Leaf(read=spoken(_listen), expected="host:port", schema={"type": "string"})
RATE = Leaf(
    read=spoken(_rate),
    expected="none or bytes a second",
    schema={"anyOf": [{"type": "string", "pattern": _RATE}, {"type": "integer", "minimum": _LEAST_RATE}]},
)
FILE_NAME = Leaf(read=_file_name, expected="a name", schema={"type": "string"})
PATH_BELOW = Leaf(read=_path_below, expected="a path", schema={"type": "string"})
PATTERN = Leaf(read=_pattern, expected="a pattern", schema={"type": ["string", "number", "boolean"]})
ATTEMPTS = Leaf(
    read=whole(1, 1000), expected="a number", schema={"type": "integer", "minimum": 1, "maximum": 1000}
)
VERSION_COUNT = Leaf(
    read=whole(1, 1_000_000),
    expected="a number",
    schema={"type": "integer", "minimum": 1, "maximum": 1_000_000},
)
WORKERS = Leaf(
    read=whole(1, 256, word="auto"),
    expected="auto or a number",
    schema={"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 256}]},
)
SHARE = Leaf(
    read=spoken(_share(scalars.count)),
    expected="off, a percentage or a number",
    schema={"anyOf": [{"type": "string", "pattern": _SHARE}, _AMOUNT]},
)
FREE = Leaf(
    read=spoken(_share(scalars.size)),
    expected="off, a percentage or a size",
    schema={"anyOf": [{"type": "string", "pattern": _SIZE}, _AMOUNT]},
)
BUDGET = Leaf(
    read=spoken(_budget),
    expected="none or a size",
    schema={"anyOf": [{"type": "string", "pattern": _BUDGET}, _AMOUNT]},
)
LEVEL = Leaf(
    read=spoken(_level),
    expected="a level",
    schema={"enum": [*_LEVELS, *(level.upper() for level in _LEVELS)]},
)
