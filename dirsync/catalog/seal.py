"""Seals: short names of rows, so that what was changed behind the program's back is found.

A change is chained to the one before it, a run to the run before it and to its last
change, an acceptance to the acceptance before it. The entries of a directory, and the
directories of a job, are no sequence: their seals are added up, so that a run pays for
what it changed and not for what there is. The row of a job is the head of it all: its
seal covers the ends of the chains, the sum and the counters. With a key, only who has
it can make seals; without one they still show what went wrong by itself.

Source: additive multiset hashes, Bellare and Micciancio 1997; BLAKE3; RFC 2104 (HMAC).
"""

from __future__ import annotations

import functools
import os
import stat
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import astuple

from dirsync.errors import RunError
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.content import Stamp
from dirsync.model.job import Severity
from dirsync.model.names import escaped
from dirsync.model.recorded import (
    Acceptance,
    CatalogJob,
    Checkpoint,
    Recorded,
    RecordedChange,
    RecordedDirectory,
    RecordedRun,
)

if TYPE_CHECKING:
    from blake3 import blake3

SEAL_BYTES = 32
START = bytes(SEAL_BYTES)  # what the first link of a chain is chained to, and the link of what is not there
KEY_BYTES = 32
_MODULUS = 1 << (8 * SEAL_BYTES)
# Each number as 64 bits, whatever it is: what a database can hold can be sealed.
_ENTRY = struct.Struct(">c?12q")
_DIRECTORY = struct.Struct(">c?5q")
_CHANGE = struct.Struct(">c???4q")
_TOLD = struct.Struct(">7q")
_HASHED = struct.Struct(">c5q")
_NOTHING = -1  # the length of what is not there
_KEY_NAME_BYTES = 4
_HEAD_FIELDS = tuple(name for name in CatalogJob.__struct_fields__ if name not in ("began_at", "head"))


class Sealer(Struct, frozen=True):
    """Makes seals; with a key of 32 bytes, such that nobody else can."""

    key: bytes | None = None

    @property
    def key_name(self) -> str:
        """Name the key, so that one may see which one it was; nothing: without a key."""
        if self.key is None:
            return ""
        return self.link(START, b"the name of the key")[:_KEY_NAME_BYTES].hex()

    def _row(self, data: bytes) -> bytes:
        hash_ = _blake3()
        return hash_(data).digest() if self.key is None else hash_(data, key=self.key).digest()

    def entry(self, directory_id: int, row: Recorded) -> int:
        """Seal an entry, as a number to be added up."""
        return self.entries(directory_id, (row,))

    def entries(self, directory_id: int, rows: Iterable[Recorded]) -> int:
        """Add up the seals of entries of a directory."""
        seal, total = self._row, 0
        for name, mode, size, mtime_ns, ctime_ns, uid, gid, ino, target, hash_, hashed_at in rows:
            head = _ENTRY.pack(
                b"e",
                hashed_at is None,
                directory_id,
                len(name),
                mode,
                size,
                mtime_ns,
                ctime_ns,
                uid,
                gid,
                ino,
                0 if hashed_at is None else hashed_at,
                _NOTHING if target is None else len(target),
                _NOTHING if hash_ is None else len(hash_),
            )
            total += int.from_bytes(seal(b"".join((head, name, target or b"", hash_ or b""))), "big")
        return total % _MODULUS

    def directory(self, row: RecordedDirectory) -> int:
        """Seal a directory with all its entries, as a number to be added up."""
        directory_id, path, digest, seal, unseen, ino, _ = row
        head = _DIRECTORY.pack(
            b"d",
            unseen is None,
            directory_id,
            0 if unseen is None else unseen,
            ino,
            len(path),
            _NOTHING if digest is None else len(digest),
        )
        data = b"".join((head, path, b"" if digest is None else digest, seal.to_bytes(SEAL_BYTES, "big")))
        return int.from_bytes(self._row(data), "big")

    def change(self, before: bytes, row: RecordedChange) -> bytes:
        """Chain a change to the link before it; who accepted it is for the acceptances to say."""
        change_id, run_id, path, old_path, kind, aspects, severity, old, new, _, rotted = row
        head = _CHANGE.pack(
            b"c",
            rotted,
            old is None,
            new is None,
            change_id,
            run_id,
            len(path),
            _NOTHING if old_path is None else len(old_path),
        )
        words = _in_words(kind, aspects, severity)
        return self._row(b"".join((before, head, path, old_path or b"", words, told(old), told(new))))

    def hashed(self, job_id: int, stamp: Stamp, hash_: bytes, hashed_at: int) -> bytes:
        """Seal a hash that waits for the run after this one."""
        path, size, mtime_ns, ctime_ns = stamp
        head = _HASHED.pack(b"h", job_id, size, mtime_ns, ctime_ns, hashed_at)
        return self._row(b"".join((head, hash_, path)))

    # What happens seldom

    def beginning(self, catalog: str, row: CatalogJob) -> bytes:
        """Give what the first run and the first change of a job are chained to."""
        fixed = (row.job_id, row.name, row.source, row.machine, row.began_at.isoformat())
        return self.link(START, ascii(("job", catalog, *fixed)).encode())

    def run(self, before: bytes, row: RecordedRun, *, change_link: bytes, state: int) -> bytes:
        """Chain a run to the run before it, to its last change and to all entries as it left them."""
        facts = ascii(
            (
                "run",
                row.run_id,
                row.type.value,
                row.started_at.isoformat(),
                row.finished_at.isoformat(),
                row.outcome.value,
                astuple(row.counts),
                (row.entries, row.bytes_total, row.bytes_added, row.bytes_modified, row.bytes_deleted),
                (row.is_baseline, row.first_change, row.last_change, row.error, row.metadata),
            )
        )
        return self.link(before, facts.encode() + change_link + state.to_bytes(SEAL_BYTES, "big"))

    def acceptance(self, before: bytes, row: Acceptance) -> bytes:
        """Chain an acceptance to the one before it (the first to `START`)."""
        facts = (row.acceptance_id, row.accepted_at.isoformat(), row.who, row.path, row.last_change)
        return self.link(before, ascii(("acceptance", *facts)).encode())

    def checkpoint(self, beginning: bytes, row: Checkpoint) -> bytes:
        """Seal where the chains of a job go on, after what was before was pruned."""
        ends = (row.run_id, row.run_link, row.change_id, row.change_link)
        return self.link(beginning, ascii(("checkpoint", row.made_at.isoformat(), *ends)).encode())

    def digests(self, state: bytes, packed: bytes) -> bytes:
        """Seal a copy of the digests of a job's directories in a state, whose name ends in one way only."""
        return self.link(START, b"digests " + state + packed)

    def head(self, row: CatalogJob) -> bytes:
        """Seal the row of a job: with it, the ends of its chains, its entries and its counters."""
        facts = [getattr(row, name) for name in _HEAD_FIELDS]
        return self.link(START, ascii(("head", row.began_at.isoformat(), *facts)).encode())

    def link(self, before: bytes, facts: bytes) -> bytes:
        """Chain anything that happens seldom to the link before it."""
        data = before + facts
        if self.key is None:
            return self._row(data)
        import hmac  # takes long to load, and few catalogs have a key

        return hmac.digest(self.key, data, "sha256")


@functools.cache
def _blake3() -> type[blake3]:
    from blake3 import blake3  # most commands need no seal

    return blake3


@functools.lru_cache(maxsize=1024)
def _in_words(kind: ChangeKind, aspects: frozenset[Aspect], severity: Severity | None) -> bytes:
    listed = ",".join(aspect.value for aspect in Aspect if aspect in aspects)
    return f"{kind.value}\0{listed}\0{'' if severity is None else severity.value}\0".encode()


def told(row: Recorded | None) -> bytes:
    """Give what a change tells of an entry."""
    if row is None:
        return b""
    _, mode, size, mtime_ns, _, uid, gid, _, target, hash_, _ = row
    head = _TOLD.pack(
        mode,
        size,
        mtime_ns,
        uid,
        gid,
        _NOTHING if target is None else len(target),
        _NOTHING if hash_ is None else len(hash_),
    )
    return b"".join((head, b"" if target is None else target, b"" if hash_ is None else hash_))


def mark_of(seal: int) -> int:
    """Give a number of 64 bits, with a sign, that goes with a seal."""
    return (seal & 0xFFFF_FFFF_FFFF_FFFF) - (1 << 63)


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
        text = file.read(4 * KEY_BYTES)
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise RunError(
            f"key '{escaped(key_file)}' is none; it has to hold {2 * KEY_BYTES} hexadecimal digits, "
            "as 'dirsync catalog key' writes them"
        )
    return Sealer(key)
