"""Hashes on record of files whose times SQLite's integers do not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from dirsync.model.content import Stamp
from dirsync.model.job import HashAlgorithm
from dirsync.runner.candidates import Candidate, Candidates
from dirsync.runner.hashes import HashRecord
from dirsync.runner.ledger import open_ledger

BEFORE_1970_NS = -2_000_000_000_000_000_001
IN_2400_NS = 13_569_465_600_000_000_001  # more than 63 bits


@pytest.mark.parametrize("mtime_ns", [BEFORE_1970_NS, IN_2400_NS, 2**70])
def test_hash_of_a_file_of_any_time_is_found_again(tmp_path: Path, mtime_ns: int) -> None:
    stamp = Stamp(b"a", 1, mtime_ns, 7)
    with open_ledger(str(tmp_path)) as ledger:
        record = HashRecord(ledger.database, job="j", algorithm=HashAlgorithm.BLAKE3)
        record.add(stamp, b"hash")
        record.flush()

        assert record.known([stamp]) == {b"a": b"hash"}
        assert record.known([stamp._replace(mtime_ns=mtime_ns - 1)]) == {}


@pytest.mark.parametrize("mtime_ns", [BEFORE_1970_NS, IN_2400_NS])
def test_candidate_of_any_time_comes_with_its_hash(tmp_path: Path, mtime_ns: int) -> None:
    stamp = Stamp(b"a", 1, mtime_ns, 7)
    with open_ledger(str(tmp_path)) as ledger:
        record = HashRecord(ledger.database, job="j", algorithm=HashAlgorithm.BLAKE3)
        record.add(stamp, b"hash")
        record.flush()
        candidates = Candidates(ledger.database, job="j", algorithm=HashAlgorithm.BLAKE3)
        candidates.add([stamp])
        candidates.arrange()

        assert list(candidates.in_order()) == [Candidate(stamp, b"hash")]
