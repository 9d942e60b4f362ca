"""Problems of a declaration: collected, worded, and told all at once."""

from __future__ import annotations

from collections.abc import Iterable

from dirsync.config.mask import Mask
from dirsync.config.nodes import Origin, TextFile
from dirsync.errors import ConfigError
from dirsync.model.names import escaped

_LONGEST = 400  # characters of a problem's text; more tells nobody more


class Problems:
    """What is wrong, in the order of the files and their lines; each thing once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Origin, str], str] = {}  # origin and text: key path
        self._files: dict[str, int] = {}  # in the order first read
        self.secrets: dict[str, str] = {}  # by name

    def reads(self, file: TextFile) -> None:
        """Note that a file is read, for the order in which problems are told."""
        self._files.setdefault(file.shown, len(self._files))

    def add(self, origin: Origin, path: str, text: str) -> None:
        """Note one problem; the same text at the same place is one, told of what is used twice, say."""
        self.reads(origin.file)
        self._found.setdefault((origin, text), path)

    def __len__(self) -> int:
        return len(self._found)

    def lines(self) -> tuple[str, ...]:
        """Write each problem on a line of its own, secrets masked."""
        mask = Mask.of(self.secrets.values())
        found = sorted(
            self._found.items(),
            key=lambda item: (self._files[item[0][0].file.shown], item[0][0].line, item[0][0].column),
        )
        return tuple(f"{origin}: {_told(mask, path, text)}" for (origin, text), path in found)

    def raise_if_any(self) -> None:
        """End here when something was found.

        Raises:
            ConfigError: with every problem.
        """
        if self._found:
            raise ConfigError(self.lines())


def _told(mask: Mask, path: str, text: str) -> str:
    told = escaped(mask(f"{path}: {text}" if path else text)).replace("\\\\", "\\")
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"


def quoted(text: str) -> str:
    """Quote what was written."""
    return f"'{text}'"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Propose the nearest known word; an empty text where none is near."""
    from difflib import get_close_matches  # needed where something is wrong

    near = get_close_matches(word[:80].lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def one_of(word: str, known: Iterable[str]) -> str:
    """Say that a word is none of the known ones, with the nearest or all of them."""
    choices = list(known)
    return f"{quoted(word)} is not known{did_you_mean(word, choices) or '; write ' + listed(choices)}"


def listed(words: Iterable[str]) -> str:
    """Write words as a choice: `a, b or c`."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
