"""What sealing costs, and what an audit does: `python -m benchmarks.sealing [ENTRIES]`.

First a seal of each kind, in processor time. Then a catalog of so many entries (default:
a million), made through the staging of a run, and the audit of it: seconds and memory.
"""

from __future__ import annotations

import datetime
import resource
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dirsync.catalog.audit import Audited, audit_job
from dirsync.catalog.catalog import Catalog
from dirsync.catalog.opening import open_catalog
from dirsync.catalog.recording import recording, unwatched
from dirsync.catalog.seal import KEY_BYTES, START, Sealer
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.job import JobType, Severity
from dirsync.model.place import CatalogPlace
from dirsync.model.recorded import CatalogJob, Recorded, RecordedChange, RecordedDirectory, RecordedRun
from dirsync.model.result import Counts, Outcome

_ROUNDS, _TIMES = 15, 10_000
_IN_EACH = 100  # entries of a directory
_PATH = b"usr/share/doc/something/reasonably/long"
_ROW = Recorded(
    b"name-of-a-file.txt", 0o100644, 12_345, 1 << 60, 1 << 60, 0, 0, 1 << 40, None, b"h" * 32, 1 << 30
)
_DIRECTORY = RecordedDirectory(12_345, _PATH, b"d" * 16, 1 << 200, None, 1 << 40)
_CHANGE = RecordedChange(
    *(12_345, 40, _PATH + b"/name-of-a-file.txt", None, ChangeKind.MODIFIED),
    *(frozenset({Aspect.SIZE, Aspect.MTIME}), Severity.WARNING, _ROW, _ROW),
)


def main(entries: int) -> None:
    """Print a line a figure."""
    for name, sealer in (("no key", Sealer()), ("a key", Sealer(bytes(KEY_BYTES)))):
        costs = {
            "entry": _microseconds(partial(sealer.entry, 12_345, _ROW)),
            "directory": _microseconds(partial(sealer.directory, _DIRECTORY)),
            "change": _microseconds(partial(sealer.change, START, _CHANGE)),
        }
        print(f"with {name}: " + ", ".join(f"{what} {cost:.2f} µs" for what, cost in costs.items()))
    with tempfile.TemporaryDirectory() as folder:
        place = CatalogPlace(url=f"sqlite:///{folder}/catalog.db", key_file=str(Path(folder) / "none"))
        with open_catalog(place, may_create=True) as catalog:
            _audited(catalog, _filled(catalog, entries))


def _microseconds(sealed: Callable[[], object]) -> float:
    """Give the best of some rounds: what else the machine does only adds."""
    return min(timeit.repeat(sealed, repeat=_ROUNDS, number=_TIMES, timer=time.process_time)) / _TIMES * 1e6


def _filled(catalog: Catalog, entries: int) -> CatalogJob:
    job = catalog.add_job("job", source=b"/srv", machine="here")
    began = time.perf_counter()
    with recording(catalog, job, run_id=1) as rows:
        for number in range(entries // _IN_EACH):
            directory = rows.new_directory(b"directory %d" % number, ino=number)
            there = [_ROW._replace(name=b"%d" % each) for each in range(_IN_EACH)]
            rows.put(None, directory, entries=there, instead=[])
            rows.change(
                directory.path,
                kind=ChangeKind.CREATED,
                old=None,
                new=_ROW,
                aspects=frozenset(),
                severity=Severity.INFO,
            )
        now = datetime.datetime.now(datetime.UTC)
        run = RecordedRun(
            run_id=1,
            type=JobType.TRACK,
            started_at=now,
            finished_at=now,
            outcome=Outcome.SUCCEEDED,
            counts=Counts(),
            entries=entries,
            bytes_total=entries * _ROW.size,
        )
        rows.commit(run, scope=b"", ending=unwatched)
    print(f"{entries:,} entries recorded in {time.perf_counter() - began:.1f} s")
    known = catalog.job("job")
    assert known is not None
    return known


def _audited(catalog: Catalog, job: CatalogJob) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, used = time.perf_counter(), time.process_time()
    flaws = sum(1 for _ in audit_job(catalog, job, Audited()))
    seconds, used = time.perf_counter() - began, time.process_time() - used
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"audited in {seconds:.1f} s ({used / job.entries * 1e6:.1f} µs of processor an entry), "
        f"{flaws} flaws, at most {after // 1024} MiB, {(after - before) // 1024} MiB more than before"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
