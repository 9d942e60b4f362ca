"""How a catalog does with very many entries: `python -m benchmarks.catalog_scale [--entries N]`.

Fills a catalog of each kind by way of its staging with a seeded tree of directories of 16 entries,
and 10,000 changes a million entries. Then a run changes 1,000 directories, and subtrees and histories
are asked for. What it says: seconds, and the most memory this process had (of PostgreSQL's own
processes nothing).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.opening import open_catalog
from dirsync.catalog.recording import Recording, recording
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.job import JobType, Severity
from dirsync.model.place import CatalogPlace
from dirsync.model.recorded import CatalogJob, Recorded, RecordedRun
from dirsync.model.result import Outcome
from dirsync.scan.digests import packed_digests
from tests.postgres_server import debian_server, wheel_server

_ENTRIES_A_DIRECTORY = 16
_DIRECTORIES_A_GROUP = 250
_CHANGED_DIRECTORIES = 1000
_CHANGES_A_MILLION = 10_000
_QUERIES = 20
_MOMENT_NS = 1_700_000_000_000_000_000
_SETTINGS = ("shared_buffers=1GB", "max_wal_size=4GB")


def main() -> int:
    """Measure the catalogs that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.catalog_scale", description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--on", choices=["sqlite", "debian", "wheel"], default="sqlite")
    parser.add_argument("--at", type=Path, default=Path("/tmp"), metavar="DIRECTORY")
    asked = parser.parse_args()
    with _place(asked.on, asked.at) as url:
        _Measuring(url, entries=asked.entries).run()
    return 0


@contextlib.contextmanager
def _place(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(dir=folder) as made:
            yield f"sqlite:///{made}/catalog.db"
        return
    served = debian_server if kind == "debian" else wheel_server
    with served(at=folder, settings=_SETTINGS) as server, server.database() as url:
        yield url


class _Measuring:
    def __init__(self, url: str, *, entries: int) -> None:
        self._place = CatalogPlace(url=url, key_file="/nowhere/key")
        self._directories = entries // (_ENTRIES_A_DIRECTORY + 1)
        self._draw = random.Random(1)

    def run(self) -> None:
        """Fill a catalog, change some of it, and ask."""
        with self._catalog() as (catalog, _):
            print(catalog.shown, *catalog.store.notices)
            catalog.add_job("scale", source=b"/scale", machine="here")
        with self._timed("first run"), self._catalog() as (catalog, job):
            self._fill(catalog, job)
        with self._timed("changes of the past"), self._catalog() as (catalog, job):
            self._change_past(catalog, job)
        print("peak before", _peak())
        for _ in range(2):
            self._rescan()
        self._ask()
        print(_peak())

    @contextlib.contextmanager
    def _catalog(self) -> Iterator[tuple[Catalog, CatalogJob]]:
        with open_catalog(self._place, may_create=True) as catalog:
            job = catalog.job("scale")
            yield catalog, job  # type: ignore[misc]

    @contextlib.contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began_at = time.perf_counter()
        yield
        print(f"{what}: {time.perf_counter() - began_at:.3f} s, {_peak()}", flush=True)

    def _path(self, number: int) -> bytes:
        group, rest = divmod(number, _DIRECTORIES_A_GROUP)
        return b"part%02d/group%05d/directory%03d" % (group % 40, group, rest)

    def _fill(self, catalog: Catalog, job: CatalogJob) -> None:
        with recording(catalog, job, run_id=1) as rows:
            for number in range(self._directories):
                made = rows.new_directory(self._path(number), ino=number)
                entries = [_entry(number, each, 1) for each in range(_ENTRIES_A_DIRECTORY)]
                digest = number.to_bytes(16, "big")
                rows.put(None, made._replace(digest=digest), entries=entries, instead=[])
            rows.commit(_run(1, is_baseline=True), scope=b"", ending=contextlib.nullcontext)

    def _change_past(self, catalog: Catalog, job: CatalogJob) -> None:
        count = self._directories * _ENTRIES_A_DIRECTORY * _CHANGES_A_MILLION // 1_000_000
        with recording(catalog, job, run_id=2) as rows:
            for _ in range(count):
                number = self._draw.randrange(self._directories)
                self._tell(rows, number, self._draw.randrange(_ENTRIES_A_DIRECTORY), 1)
            rows.commit(_run(2), scope=b"", ending=contextlib.nullcontext)

    def _tell(self, rows: Recording, number: int, each: int, step: int) -> None:
        rows.change(
            self._path(number) + b"/" + _name(each),
            kind=ChangeKind.MODIFIED,
            old=_entry(number, each, step),
            new=_entry(number, each, step + 1),
            aspects=frozenset({Aspect.SIZE}),
            severity=Severity.WARNING,
        )

    def _rescan(self) -> None:
        with self._catalog() as (catalog, job):
            with self._timed("  digests"):
                packed_digests(catalog.digests(job.job_id))
            run_id = (job.last_run or 0) + 1
            chosen = self._draw.sample(range(self._directories), _CHANGED_DIRECTORIES)
            with recording(catalog, job, run_id=run_id) as rows:
                with self._timed("  compare and stage 1,000 directories"):
                    for start in range(0, len(chosen), 100):
                        self._compare(catalog, job, rows, chosen[start : start + 100], step=run_id)
                with self._timed("  merge and commit"):
                    rows.commit(_run(run_id), scope=b"", ending=contextlib.nullcontext)

    def _compare(
        self, catalog: Catalog, job: CatalogJob, rows: Recording, chosen: list[int], *, step: int
    ) -> None:
        found = catalog.directories_at(job.job_id, [self._path(number) for number in chosen])
        by_id = {each.directory_id: each for each in found.values()}
        before: dict[int, list[Recorded]] = {id_: [] for id_ in by_id}
        for id_, row in catalog.entries_in(job.job_id, list(by_id)):
            before[id_].append(row)
        for number in chosen:
            directory = found[self._path(number)]
            old = before[directory.directory_id][:4]
            new = [row._replace(size=row.size + step) for row in old]
            altered = directory._replace(digest=self._draw.randbytes(16))
            rows.put(directory, altered, entries=new, instead=old)
            self._tell(rows, number, 0, step)

    def _ask(self) -> None:
        with self._catalog() as (catalog, job):
            last = self._directories - 1
            groups = [self._path(self._draw.randrange(last)).rpartition(b"/")[0] for _ in range(_QUERIES)]
            deep = [self._path(self._draw.randrange(last)) for _ in range(_QUERIES)]
            files = [path + b"/" + _name(3) for path in deep]
            ask = self._slowest

            def directories(path: bytes) -> int:
                return len(list(catalog.directories_beneath(job.job_id, path)))

            def history(path: bytes) -> int:
                return len(list(catalog.changes(job.job_id, beneath=path)))

            def newest(path: bytes) -> int:
                found = catalog.changes(job.job_id, beneath=path, newest_first=True, limit=50)
                return len(list(found))

            ask("directories beneath a group", directories, groups)
            ask("directories beneath a leaf", directories, deep)
            ask("changes beneath a group", history, groups)
            ask("changes beneath a leaf", history, deep)
            ask("changes of a file", history, files)
            ask("newest 50 changes of all", newest, [b""])
            ask("newest 50 beneath a part (of 40)", newest, [b"part03", b"part30"])
            ask("newest 50 beneath a group", newest, groups)
            ask("newest 50 of a file", newest, files)
            ask("newest 50 of what never was", newest, [b"part03/group", b"zzz", b"a", b"part07/never"])

    def _slowest(self, what: str, ask: Callable[[bytes], int], paths: list[bytes]) -> None:
        took = []
        for path in paths:
            began_at = time.perf_counter()
            count = ask(path)
            took.append((time.perf_counter() - began_at, count))
        worst, count = max(took)
        print(f"  {what}: slowest of {len(took)}: {worst * 1000:.1f} ms ({count} rows)", flush=True)


def _name(each: int) -> bytes:
    return b"file%02d.dat" % each


def _entry(number: int, each: int, step: int) -> Recorded:
    size = (number * 31 + each * 7 + step) % 100_000
    return Recorded(
        _name(each), 0o100644, size, _MOMENT_NS + number, _MOMENT_NS + number, 0, 0, number * 16 + each, None
    )


def _run(run_id: int, *, is_baseline: bool = False) -> RecordedRun:
    now = datetime.datetime.now(datetime.UTC)
    return RecordedRun(
        run_id=run_id,
        type=JobType.TRACK,
        started_at=now,
        finished_at=now,
        outcome=Outcome.SUCCEEDED,
        is_baseline=is_baseline,
    )


def _peak() -> str:
    return f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB"


if __name__ == "__main__":
    sys.exit(main())
