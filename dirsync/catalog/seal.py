"""Seals: short names of rows, so that what was changed behind the program's back is found.

A change is chained to the one before it, a run to the run before it and to its last
change. The entries of a directory, and the directories of a job, are no sequence:
their seals are added up, so that a run pays for what it changed and not for what
there is. With a key, only who has it can make seals; without one they still show
what went wrong by itself.

Source: additive multiset hashes, Bellare and Micciancio 1997; BLAKE3; RFC 2104 (HMAC).
"""

from __future__ import annotations

import dataclasses
import hmac
import os
import stat
from dataclasses import dataclass
from struct import Struct

from dirsync.errors import RunError
from dirsync.model.change import Aspect
from dirsync.model.names import escaped
from dirsync.model.recorded import Recorded, RecordedChange, RecordedDirectory, RecordedRun

SEAL_BYTES = 32
START = bytes(SEAL_BYTES)  # what the first link of a chain is chained to
_MODULUS = 1 << (8 * SEAL_BYTES)
_ENTRY = Struct(">cqIIqqqIIqqII")
_DIRECTORY = Struct(">cqqqI")
_NOTHING = 0xFFFFFFFF  # the length of what is not there
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Sealer:
    """Makes seals; with a key of 32 bytes, such that nobody else can."""

    key: bytes | None = None

    def _row(self, data: bytes) -> bytes:
        from blake3 import blake3  # most commands need no seal

        return blake3(data).digest() if self.key is None else blake3(data, key=self.key).digest()

    def entry(self, directory_id: int, row: Recorded) -> int:
        """Seal an entry, as a number to be added up."""
        name, mode, size, mtime_ns, ctime_ns, uid, gid, ino, target, hash_, hashed_at = row
        head = _ENTRY.pack(
            b"e",
            directory_id,
            len(name),
            mode,
            size,
            mtime_ns,
            ctime_ns,
            uid,
            gid,
            ino,
            -1 if hashed_at is None else hashed_at,
            _NOTHING if target is None else len(target),
            _NOTHING if hash_ is None else len(hash_),
        )
        return int.from_bytes(self._row(b"".join((head, name, target or b"", hash_ or b""))), "big")

    def directory(self, row: RecordedDirectory) -> int:
        """Seal a directory with all its entries, as a number to be added up."""
        unseen = -1 if row.unseen_since is None else row.unseen_since
        head = _DIRECTORY.pack(b"d", row.directory_id, unseen, row.ino, len(row.path))
        data = b"".join((head, row.path, row.digest or b"", row.seal.to_bytes(SEAL_BYTES, "big")))
        return int.from_bytes(self._row(data), "big")

    def change(self, before: bytes, row: RecordedChange) -> bytes:
        """Chain a change to the link before it."""
        facts = (
            row.change_id,
            row.run_id,
            row.path,
            row.old_path,
            row.kind.value,
            [aspect.value for aspect in Aspect if aspect in row.aspects],
            None if row.severity is None else row.severity.value,
            row.rotted,
            None if row.old is None else told(row.old),
            None if row.new is None else told(row.new),
        )
        return self._row(before + repr(facts).encode())

    def run(self, before: bytes, row: RecordedRun, *, change_link: bytes, state: int) -> bytes:
        """Chain a run to the run before it, to its last change and to all entries as it left them."""
        facts = repr(
            (
                row.run_id,
                row.type.value,
                row.started_at.isoformat(),
                row.finished_at.isoformat(),
                row.outcome.value,
                dataclasses.astuple(row.counts),
                (row.entries, row.bytes_total, row.bytes_added, row.bytes_modified, row.bytes_deleted),
                (row.is_baseline, row.first_change, row.last_change, row.error, row.metadata),
            )
        )
        return self.link(before, facts.encode() + change_link + state.to_bytes(SEAL_BYTES, "big"))

    def link(self, before: bytes, facts: bytes) -> bytes:
        """Chain anything that happens seldom to the link before it."""
        data = before + facts
        return self._row(data) if self.key is None else hmac.digest(self.key, data, "sha256")


def told(row: Recorded) -> tuple[object, ...]:
    """Give what a change tells of an entry."""
    return (row.mode, row.size, row.mtime_ns, row.uid, row.gid, row.target, row.hash)


def added(total: int, *seals: int) -> int:
    """Add seals to a sum."""
    return (total + sum(seals)) % _MODULUS


def taken(total: int, *seals: int) -> int:
    """Take seals out of a sum."""
    return (total - sum(seals)) % _MODULUS


def sealer_with(key_file: str) -> Sealer:
    """Give what seals with the key of a file, where there is one.

    Raises:
        RunError: the file is there and is no key, or others may read it.
    """
    try:
        descriptor = os.open(key_file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return Sealer()
    except OSError as error:
        raise RunError(f"key '{escaped(key_file)}' cannot be read: {error.strerror}") from error
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
            raise RunError(f"key '{escaped(key_file)}' is open to others; make it a file of mode 0600")
        text = file.read(4 * _KEY_BYTES)
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise RunError(
            f"key '{escaped(key_file)}' is none; it has to hold {2 * _KEY_BYTES} hexadecimal digits, "
            "as 'dirsync catalog key' writes them"
        )
    return Sealer(key)
