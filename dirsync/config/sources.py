"""The files a configuration is read from: jobs.yaml, what it includes, its secrets."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterator, Mapping

from msgspec import Struct

from dirsync.config.expansion import expanded_document
from dirsync.config.inclusion import has_wildcard, matching_files
from dirsync.config.inheritance import EMPTY
from dirsync.config.nodes import ListNode, MappingNode, ScalarNode, TextFile, mapping_of
from dirsync.config.problems import Problems, quoted
from dirsync.config.scalars import Kind, kind_of
from dirsync.config.yaml_reader import MAX_BYTES, read_mapping, read_text
from dirsync.errors import ConfigError
from dirsync.model.names import escaped

_OF_INCLUDED = "write what it is to declare, under 'jobs:' say, or remove it"

_MAX_SECRET_BYTES = 1 << 16


class Sources(Struct, frozen=True):
    """What was read: every document expanded, none checked."""

    main: MappingNode
    included: tuple[MappingNode, ...]
    files: tuple[str, ...]  # absolute: what was read, and where more may turn up that a pattern names

    def documents(self) -> tuple[MappingNode, ...]:
        """List the main file and what it includes."""
        return (self.main, *self.included)


def read_sources(path: str, environment: Mapping[str, str], problems: Problems) -> Sources:
    """Read jobs.yaml and the files it includes.

    Raises:
        ConfigError: the main file cannot be read, or is no mapping.
    """
    file = text_file(path)
    try:
        data = _read(path, MAX_BYTES, regular=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            (f"{file.shown}: cannot be read: {_reason(error)}; name a jobs.yaml with -c",)
        ) from None
    main = _document(data, file, environment, problems)
    if main is None:
        raise ConfigError(problems.lines())
    note_secrets(mapping_of(main.get("secrets")), environment, problems)
    files = {os.path.realpath(path)}
    included = tuple(_included(main, path, files, environment, problems))
    return Sources(main, included, tuple(sorted({os.path.abspath(path), *files, *_directories(main)})))


def text_file(path: str) -> TextFile:
    """Name a file for messages, and find its directory."""
    return TextFile(escaped(path), os.path.dirname(os.path.abspath(path)))


def _document(
    data: bytes,
    file: TextFile,
    environment: Mapping[str, str],
    problems: Problems,
    *,
    at_least: str = "write 'version: 1' and 'jobs:' at least",
) -> MappingNode | None:
    problems.reads(file)
    text = read_text(data, file, problems)
    node = None if text is None else read_mapping(text, file, problems, at_least=at_least)
    return None if node is None else expanded_document(node, environment, problems)


def _included(
    main: MappingNode, path: str, seen: set[str], environment: Mapping[str, str], problems: Problems
) -> Iterator[MappingNode]:
    """Read each included file once, in the order of the patterns; `seen` takes their names."""
    for pattern, where in _patterns(main):
        for name in _named_files(pattern, where, problems):
            full = os.path.join(os.path.dirname(path), name)
            if os.path.realpath(full) in seen:
                continue
            seen.add(os.path.realpath(full))
            try:
                data = _read(full, MAX_BYTES, regular=True)
            except (OSError, ValueError) as error:
                problems.add(pattern.origin, where, f"{quoted(name)} cannot be read: {_reason(error)}")
                continue
            document = _document(data, text_file(full), environment, problems, at_least=_OF_INCLUDED)
            if document is not None:
                yield document


def _patterns(main: MappingNode) -> Iterator[tuple[ScalarNode, str]]:
    include = main.get("include")
    if isinstance(include, ListNode):
        for position, item in enumerate(include.items):
            if isinstance(item, ScalarNode) and kind_of(item) is Kind.TEXT:
                yield item, f"include[{position}]"


def _directories(main: MappingNode) -> Iterator[str]:
    """Name the directories where new files may match a pattern of `include`."""
    for pattern, _ in _patterns(main):
        if has_wildcard(pattern.text):
            parts = os.path.expanduser(pattern.text).split("/")
            fixed = "/".join(itertools.takewhile(lambda part: not has_wildcard(part), parts))
            yield os.path.join(main.origin.file.directory, fixed or ".")


def _named_files(pattern: ScalarNode, where: str, problems: Problems) -> list[str]:
    text = os.path.expanduser(pattern.text)
    try:
        found = matching_files(text, pattern.origin.file.directory)
    except (OSError, ValueError) as error:
        told = (
            str(error)
            if isinstance(error, ValueError)
            else f"{quoted(text)} cannot be listed: {_reason(error)}"
        )
        problems.add(pattern.origin, where, told)
        return []
    if not found and not has_wildcard(text):
        problems.add(pattern.origin, where, f"there is no file {quoted(text)}; write it, or correct the name")
    return found


def note_secrets(secrets: MappingNode | None, environment: Mapping[str, str], problems: Problems) -> None:
    """Read every secret there is; one that is missing is a problem only where it is used."""
    for name, entry in secrets.named() if secrets else ():
        keys = mapping_of(entry.value) or EMPTY
        variable, path = keys.get("environment"), keys.get("file")
        if isinstance(variable, ScalarNode):
            problems.secrets[name] = environment.get(variable.text, "")
        if isinstance(path, ScalarNode):
            problems.secrets[name] = _secret_in(path)


def _secret_in(path: ScalarNode) -> str:
    full = os.path.join(path.origin.file.directory, os.path.expanduser(path.text))
    try:
        return _read(full, _MAX_SECRET_BYTES, regular=True).decode("utf-8", "surrogateescape").strip()
    except (OSError, ValueError):
        return ""


def _read(path: str, limit: int, *, regular: bool) -> bytes:
    """Read a file, one byte past the limit at most; what must be `regular` is never waited for.

    Raises:
        OSError: it cannot be read.
        ValueError: it must be a regular file and is none, or its name holds a NUL.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | (os.O_NONBLOCK if regular else 0))
    with open(descriptor, "rb") as file:
        if regular and not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        return file.read(limit + 1)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
