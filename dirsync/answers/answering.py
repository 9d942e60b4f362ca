"""From a question to the frames that answer it.

A question is hostile until it was checked: paths lead nowhere but down from the root, step by
step through handles that follow no link, and numbers are bounded. What goes wrong with one path
is said of that path; what is wrong with a question ends the stream with a refusal.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import assert_never

from dirsync import __version__
from dirsync.answers.files import FileAnswers
from dirsync.answers.listings import ListingAnswers
from dirsync.answers.pulse import Check, with_signs_of_life
from dirsync.answers.surveys import Surveys
from dirsync.model.attributes import namespaces_named
from dirsync.model.job import HashAlgorithm
from dirsync.model.place import LocalPlace
from dirsync.model.serving import Access
from dirsync.trees.handles import split
from dirsync.trees.local import LocalTree, capabilities_of, open_tree
from dirsync.trees.mounts import file_system_identity
from dirsync.wire import frames
from dirsync.wire.asks import (
    MOST_PATHS,
    VERSION,
    Ask,
    AskAttributes,
    AskChunks,
    AskEntries,
    AskFiles,
    AskGreeting,
    AskHashes,
    AskListings,
    AskRanges,
    AskSurvey,
    Attributes,
    Greeting,
    Hashed,
    Question,
    Seen,
    Unseen,
)
from dirsync.wire.beliefs import check_names, check_path, seen_of, sent_attributes, status_of, unseen_of
from dirsync.wire.frames import ProtocolError

_ANSWERS_A_FRAME = 256
decode_question = frames.decoder(Question)


class Answerer:
    """Answers questions about one tree; several at once, each in its own thread."""

    def __init__(self, place: LocalPlace, *, access: Access, check: Callable[[], None]) -> None:
        """Answer about a place; `check` is called now and then, and may raise to stop."""
        self._place = place
        self._access = access
        self._check = check
        self._surveys = Surveys()

    def answer(self, question: Question) -> Iterator[bytes]:
        """Give the frames of an answer, the last of which is an end or a refusal."""
        try:
            self._check_question(question)
            with self._tree(question) as tree:
                yield from self._answered(question.ask, tree)
        except ProtocolError as error:
            yield frames.refused(str(error))
        except OSError as error:
            yield frames.refused(f"it cannot be looked at: {error.strerror or error}")
        else:
            yield frames.END

    def _check_question(self, question: Question) -> None:
        check_path(question.root)
        ask = question.ask
        if not self._access.allows(_needed(ask)):
            raise ProtocolError("the share may be listed, but not read")
        for path in _paths_of(ask):
            check_path(path)

    @contextlib.contextmanager
    def _tree(self, question: Question) -> Iterator[LocalTree]:
        """Open the directory that is asked about, without following a link beneath the place."""
        with (
            open_tree(self._place) as whole,
            LocalTree(os.dup(whole.handles.handle(question.root))) as tree,
        ):
            status = os.fstat(tree.handles.root)
            if question.identity not in (None, (status.st_dev, status.st_ino)):
                raise ProtocolError("another directory has taken its place; was a disk mounted or unmounted?")
            yield tree

    def _answered(self, ask: Ask, tree: LocalTree) -> Iterator[bytes]:
        match ask:
            case AskGreeting():
                return iter([frames.messages(self._greeting(tree))])
            case AskListings():
                return ListingAnswers(tree, check=self._check).answered(ask)
            case AskSurvey():
                return self._surveys.answered(ask, tree, check=self._check)
            case AskEntries():
                return _batched(_seen(tree, path) for path in ask.paths)
            case AskFiles():
                return FileAnswers(tree, check=self._check).files(ask)
            case AskChunks():
                return FileAnswers(tree, check=self._check).chunks(ask)
            case AskRanges():
                return FileAnswers(tree, check=self._check).ranges(ask)
            case AskHashes():
                return self._hashes(ask, tree)
            case AskAttributes():
                return _batched(_attributes(tree, path, ask.namespaces) for path in ask.paths)
            case _:
                assert_never(ask)

    def _greeting(self, tree: LocalTree) -> Greeting:
        root = tree.handles.root
        path = b"/proc/self/fd/%d" % root if os.path.isdir("/proc/self/fd") else self._place.path
        real = os.path.realpath(path)
        kept = capabilities_of(real)
        return Greeting(
            version=VERSION,
            program=f"dirsync {__version__}",
            root=status_of(os.fstat(root)),
            file_system=file_system_identity(real),
            mtime_resolution_ns=kept.mtime_resolution_ns,
            modes=kept.modes,
            attributes=sorted(namespace.value for namespace in kept.attributes),
            access=self._access.value,
        )

    def _hashes(self, ask: AskHashes, tree: LocalTree) -> Iterator[bytes]:
        algorithm = _algorithm(ask.algorithm)
        for path in ask.paths:
            found: list[bytes] = []
            work = partial(_hashed, tree, path, algorithm, from_disk=ask.from_disk)
            yield from with_signs_of_life(work, found, check=self._check)
            yield from found


def _hashed(
    tree: LocalTree, path: bytes, algorithm: HashAlgorithm, check: Check, *, from_disk: bool
) -> bytes:
    try:
        content = tree.content(path, algorithm, check=check, from_disk=from_disk)
    except OSError as error:
        return frames.messages(unseen_of(path, error))
    return frames.messages(
        Hashed(
            path=path,
            hash=content.hash,
            status=status_of(content.status),
            unchanged=content.unchanged,
            certain=content.certain,
        )
    )


def _algorithm(name: str) -> HashAlgorithm:
    try:
        return HashAlgorithm(name)
    except ValueError:
        raise ProtocolError(f"no such hash: {name[:40]!r}") from None


def _needed(ask: Ask) -> Access:
    match ask:
        case AskGreeting() | AskListings() | AskSurvey() | AskEntries():
            return Access.LIST
        case _:
            return Access.READ


def _paths_of(ask: Ask) -> list[bytes]:
    match ask:
        case AskGreeting():
            paths: list[bytes] = []
        case AskFiles():
            paths = [wanted.path for wanted in ask.files]
            count = sum(wanted.names.count(b"\0") + 1 for wanted in ask.together)
            if len(paths) + count > MOST_PATHS + 1:
                raise _too_many(len(paths) + count)
            for wanted in ask.together:
                check_names(wanted.names)
                paths.append(wanted.directory)
            if any(not 0 <= wanted.start < 2**63 for wanted in ask.files):
                raise ProtocolError("a file from a byte on that none has")
        case AskChunks() | AskRanges():
            paths = [ask.path]
        case AskSurvey():
            paths = [ask.root, *ask.paths]
        case _:
            paths = ask.paths
    if len(paths) > MOST_PATHS + 1:
        raise _too_many(len(paths))
    return paths


def _too_many(count: int) -> ProtocolError:
    return ProtocolError(f"{count} paths in one question; at most {MOST_PATHS} are taken")


def _batched(answers: Iterator[object]) -> Iterator[bytes]:
    batch: list[object] = []
    for answer in answers:
        batch.append(answer)
        if len(batch) >= _ANSWERS_A_FRAME:
            yield frames.messages(*batch)
            batch = []
    if batch:
        yield frames.messages(*batch)


def _seen(tree: LocalTree, path: bytes) -> Seen | Unseen:
    try:
        entry = tree.entry(path) if path else tree.directory(b"")
    except OSError as error:
        return unseen_of(path, error)
    return Seen(path=path, status=None) if entry is None else seen_of(entry)


def _attributes(tree: LocalTree, path: bytes, names: list[str]) -> Attributes | Unseen:
    namespaces = namespaces_named(names)
    try:
        parent, name = split(path)
        if name:
            found = tree.bearer(path).attributes(namespaces)
        else:
            found = tree.directory_bearer(parent).attributes(namespaces)
    except OSError as error:
        return unseen_of(path, error)
    return Attributes(path=path, attributes=sent_attributes(found))
