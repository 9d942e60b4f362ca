"""A catalog that cannot be used: said with its remedy, left as it was, never taken for an empty one."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.catalog import sqlite_file
from dirsync.catalog.flaws import Flaw
from dirsync.catalog.opening import open_catalog
from dirsync.errors import Busy, ConfigError, RunError
from dirsync.model.change import ChangeKind
from dirsync.model.job import TrackJob
from dirsync.model.place import CatalogPlace
from dirsync.model.recorded import RecordedChange
from dirsync.model.result import Outcome
from dirsync.runner.lock import locked_job
from dirsync.runner.tracking.auditing import verify_catalog
from dirsync.runner.tracking.beginning import begin_anew, go_on_with_copy, make_catalog
from dirsync.runner.tracking.keying import seal_with_key
from tests.jobs import track_job, watched_run
from tests.program import mounted
from tests.trees import Children, tree

KILL_STEP = int(os.environ.get("DIRSYNC_KILL_STEP", "4"))  # 1: before every statement
TREE: Children = {"a": {"b": b"1", "c": b"22"}, "d": b"333", "e": {"f": {"g": b""}}}


class Tracked:
    """A job that has run once over a small tree, and what came of it."""

    def __init__(self, place: Path, *, catalog: Path | None = None) -> None:
        self.place = place
        self.root = tree(place / "s", TREE)
        self.file = (catalog or place / "state") / "catalog.db"
        url, key = f"sqlite:///{self.file}", str(place / "state" / "catalog.key")
        self.job = structs.replace(
            track_job(self.root, place / "state"), catalog=CatalogPlace(url=url, key_file=key)
        )

    def run(self, job: TrackJob | None = None) -> tuple[Outcome, str]:
        """Run the job; give how it ended and why."""
        result, watched = watched_run(job or self.job, self.place)
        self.told = {(change.kind, change.path) for change in watched.changes}
        self.notices = watched.notices
        return result.outcome, result.error or ""

    def edit(self) -> None:
        """Do three things to the tree."""
        (self.root / "d").write_bytes(b"4444")
        (self.root / "a" / "c").unlink()
        (self.root / "n").write_bytes(b"new")

    def changes(self) -> list[RecordedChange]:
        """List all changes on record."""
        assert self.job.catalog is not None
        with open_catalog(self.job.catalog, may_create=False) as catalog:
            known = catalog.job(self.job.name)
            assert known is not None
            return list(catalog.changes(known.job_id))

    def flaws(self) -> list[Flaw]:
        """List what an audit finds."""
        assert self.job.catalog is not None
        found: list[Flaw] = []
        verify_catalog(
            self.job.catalog,
            state=str(self.place / "state"),
            job=None,
            found=found.append,
            noticed=lambda text: None,
        )
        return found

    def check_next_run_is_right(self) -> None:
        """Run once more, and check that the catalog tells just what `edit` did."""
        assert self.run() == (Outcome.SUCCEEDED, "")
        assert {(change.kind, change.path) for change in self.changes()} == EDITED
        assert self.flaws() == []


EDITED = {(ChangeKind.MODIFIED, b"d"), (ChangeKind.DELETED, b"a/c"), (ChangeKind.CREATED, b"n")}


@pytest.fixture
def tracked(tmp_path: Path) -> Tracked:
    """Give a job that has run once, and whose tree was edited since."""
    made = Tracked(tmp_path)
    assert made.run() == (Outcome.SUCCEEDED, "")
    made.edit()
    return made


def on_disk(folder: Path) -> dict[str, bytes]:
    """Give what is in the files of a catalog."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if "catalog.db" in file.name}


# Held by others


def test_catalog_that_another_process_holds_is_waited_for_and_then_told(
    tracked: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.3)
    with contextlib.closing(sqlite3.connect(tracked.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outcome, error = tracked.run()

    assert outcome is Outcome.SKIPPED
    assert "another process holds it; nothing was recorded, run again when that is over" in error
    assert tracked.changes() == []
    tracked.check_next_run_is_right()


# Files that are no catalog, or none any more


def damaged_by(tracked: Tracked, damage: Callable[[Path], None]) -> str:
    """Damage the catalog, and check that a run fails and leaves it so; give what it said."""
    sound = tracked.file.read_bytes()
    damage(tracked.file)
    before = on_disk(tracked.file.parent)

    outcome, error = tracked.run()

    assert outcome is Outcome.FAILED
    assert tracked.told == set()
    assert before["catalog.db"] == on_disk(tracked.file.parent)["catalog.db"]
    tracked.file.write_bytes(sound)
    tracked.check_next_run_is_right()
    return error


def overwritten(file: Path, data: bytes, *, at: int) -> None:
    with open(file, "r+b") as opened:
        opened.seek(at)
        opened.write(data)


def test_catalog_with_a_corrupt_header_is_told(tracked: Tracked) -> None:
    error = damaged_by(tracked, lambda file: overwritten(file, b"\0" * 100, at=0))

    assert "is corrupt" in error
    assert "put a copy back, or begin anew with 'dirsync catalog init" in error.lower()


def test_catalog_with_corrupt_pages_is_told(tracked: Tracked) -> None:
    def damage(file: Path) -> None:
        overwritten(file, b"\xa5" * (file.stat().st_size - 8192), at=8192)

    error = damaged_by(tracked, damage)

    assert "is corrupt" in error


def test_catalog_with_one_corrupt_page_never_tells_what_is_not(tmp_path: Path) -> None:
    """Whichever page it is, a run fails, or is right; and `verify` finds it or need not."""
    for number in range(1, 40):
        place = tmp_path / str(number)
        place.mkdir()
        made = Tracked(place)
        made.run()
        made.edit()
        if number * 4096 >= made.file.stat().st_size:
            break
        sound = made.file.read_bytes()
        overwritten(made.file, os.urandom(4096), at=number * 4096)
        outcome, error = made.run()
        assert outcome in (Outcome.FAILED, Outcome.SUCCEEDED), error
        assert made.told in (set(), EDITED), f"page {number}"
        made.file.write_bytes(sound)
        for beside in ("-wal", "-shm"):
            Path(f"{made.file}{beside}").unlink(missing_ok=True)
        shutil.rmtree(place)


def test_catalog_of_no_length_is_lost_and_not_new(tracked: Tracked) -> None:
    error = damaged_by(tracked, lambda file: os.truncate(file, 0))

    assert "is not there any more, and with it all that was recorded" in error
    assert "dirsync catalog init tracked" in error


def test_catalog_that_is_gone_is_lost_and_not_new(tracked: Tracked) -> None:
    kept = tracked.file.rename(tracked.file.with_name("elsewhere"))
    outcome, error = tracked.run()

    assert outcome is Outcome.FAILED
    assert "is not there any more, and with it all that was recorded; put a copy back, or begin anew" in error
    assert not tracked.file.exists()
    kept.rename(tracked.file)
    tracked.check_next_run_is_right()


def test_catalog_of_a_later_version_is_refused(tracked: Tracked) -> None:
    def later(file: Path) -> None:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA user_version = 99")

    assert "is of version 99, this program knows up to 1; use the newer program" in damaged_by(tracked, later)


def test_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    made = Tracked(tmp_path)
    (tmp_path / "state").mkdir()
    with contextlib.closing(sqlite3.connect(made.file)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = made.file.read_bytes()
    outcome, error = made.run()

    assert outcome is Outcome.FAILED
    assert "is a database of another program; move it away, or set another 'catalog'" in error
    assert made.file.read_bytes() == before


def test_directory_in_the_place_of_the_catalog_is_told(tmp_path: Path) -> None:
    made = Tracked(tmp_path)
    made.file.mkdir(parents=True)
    outcome, error = made.run()

    assert outcome is Outcome.FAILED
    assert "is no file, but a directory or a device; move it away" in error


def test_catalog_in_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    made = Tracked(tmp_path, catalog=tmp_path / "missing")
    outcome, error = made.run()

    assert outcome is Outcome.FAILED
    assert "No such file or directory" in error
    assert "check its directory and the permissions, or set another 'catalog'" in error
    (tmp_path / "missing").mkdir()
    assert made.run() == (Outcome.SUCCEEDED, "")


# Disks


@pytest.fixture
def on_small_disk(tmp_path: Path) -> Iterator[Tracked]:
    """Give a job that has run once, with its catalog on a disk of its own, and whose tree was edited."""
    with mounted(tmp_path / "disk", size="600k") as disk:
        made = Tracked(tmp_path, catalog=disk)
        assert made.run() == (Outcome.SUCCEEDED, "")
        made.edit()
        yield made


def test_full_disk_is_told_and_leaves_the_catalog_as_it_was(on_small_disk: Tracked) -> None:
    made, disk = on_small_disk, on_small_disk.file.parent
    filler = disk / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    outcome, error = made.run()

    assert outcome is Outcome.FAILED
    assert "its disk is full" in error or "No space left" in error, error
    filler.unlink()
    assert made.changes() == []
    assert made.flaws() == []
    made.check_next_run_is_right()


def test_disk_that_fills_up_while_rows_are_merged_leaves_the_catalog_as_it_was(
    on_small_disk: Tracked,
) -> None:
    made = on_small_disk
    for number in range(3000):
        (made.root / f"{number:0200d}").touch()
    outcome, error = made.run()

    assert outcome is Outcome.FAILED
    assert "its disk is full; nothing was recorded, so make room and run again" in error
    for number in range(3000):
        (made.root / f"{number:0200d}").unlink()
    assert made.changes() == []
    made.check_next_run_is_right()


def test_disk_that_is_read_only_is_told(on_small_disk: Tracked) -> None:
    made, disk = on_small_disk, on_small_disk.file.parent
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        outcome, error = made.run()
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)

    assert outcome is Outcome.FAILED
    assert "check that its disk is not read-only and who may write its directory" in error
    made.check_next_run_is_right()


def test_catalog_on_a_disk_that_is_read_only_from_the_start_is_told(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", options="ro") as disk:
        outcome, error = Tracked(tmp_path, catalog=disk).run()

    assert outcome is Outcome.FAILED
    assert "Read-only file system" in error


def test_file_that_may_not_be_written_is_told(tracked: Tracked) -> None:
    """As root only an attribute of the file keeps one from writing."""
    with mounted(tracked.place / "disk") as disk:
        bound = disk / "catalog.db"
        shutil.copy(tracked.file, bound)
        subprocess.run(["mount", "--bind", bound, tracked.file], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", tracked.file], check=True)
            outcome, error = tracked.run()
        finally:
            subprocess.run(["umount", tracked.file], check=True)

    assert outcome is Outcome.FAILED
    assert "it may not be written" in error
    tracked.check_next_run_is_right()


# Of another job, another machine, another time


def test_catalog_in_which_another_source_has_the_job_s_name_is_refused(tracked: Tracked) -> None:
    (tracked.place / "other").mkdir()
    other = Tracked(tracked.place / "other")
    other.job = structs.replace(other.job, catalog=tracked.job.catalog)
    outcome, error = other.run()

    assert outcome is Outcome.FAILED
    assert "a job of that name records" in error
    assert "give the job another name, or, if it is the same one moved, begin anew" in error
    tracked.check_next_run_is_right()


def test_catalog_of_another_machine_is_refused(tracked: Tracked, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(socket, "gethostname", lambda: "elsewhere")
        outcome, error = tracked.run()

    assert outcome is Outcome.FAILED
    assert "and not" in error
    assert "of elsewhere" in error
    tracked.check_next_run_is_right()


def test_other_catalog_than_the_job_had_is_refused(tracked: Tracked) -> None:
    def other(file: Path) -> None:
        file.unlink()
        with open_catalog(CatalogPlace(url=f"sqlite:///{file}", key_file="/none"), may_create=True):
            pass

    assert "is another one than the job had" in damaged_by(tracked, other)


def test_older_copy_is_refused_until_somebody_says_that_it_was_put_back(tracked: Tracked) -> None:
    copy = shutil.copy(tracked.file, tracked.place / "copy")
    assert tracked.run()[0] is Outcome.SUCCEEDED
    shutil.copy(copy, tracked.file)

    outcome, error = tracked.run()
    assert outcome is Outcome.FAILED
    assert (
        "its catalog ends with run 1, but run 2 was recorded: it is an older copy, or was cut short" in error
    )
    assert [flaw.kind.value for flaw in tracked.flaws()] == ["end"]
    go_on_with_copy(tracked.job, state=str(tracked.place / "state"), said=lambda text: None)
    tracked.check_next_run_is_right()


def test_job_whose_row_was_altered_does_not_run(tracked: Tracked) -> None:
    with contextlib.closing(sqlite3.connect(tracked.file)) as connection:
        connection.execute("UPDATE jobs SET entries = 8")
        connection.commit()
    outcome, error = tracked.run()

    assert outcome is Outcome.FAILED
    assert "is not as the last run left it; nothing was recorded" in error


def test_row_of_another_type_is_told_by_a_run_too(tracked: Tracked) -> None:
    with contextlib.closing(sqlite3.connect(tracked.file)) as connection:
        connection.execute("UPDATE entries SET mode = 'rw' WHERE name = X'64'")
        connection.commit()
    outcome, error = tracked.run()

    assert outcome is Outcome.FAILED
    assert "holds a row that this program did not write" in error


# Killed


def killed_at(number: int, tracked: Tracked) -> bool:
    """Run the job in a process that is killed before its n-th statement; whether it came so far."""
    child = os.fork()
    if child == 0:
        left = number
        connect = sqlite3.connect

        def counted(statement: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def connected(*arguments: object, **options: object) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*arguments, **options)  # type: ignore[call-overload]
            connection.set_trace_callback(counted)
            return connection

        sqlite3.connect = connected  # type: ignore[assignment]
        tracked.run()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status != 0


@pytest.mark.parametrize("is_first", [True, False], ids=["first run", "later run"])
def test_killed_before_any_statement_the_catalog_is_as_it_was_or_complete(
    tmp_path: Path, is_first: bool
) -> None:
    """Ledger and catalog, every statement: nothing is lost, nothing is told twice, no false alarm."""
    number, unchanged, complete = random.randrange(KILL_STEP), 0, 0
    while True:
        number += KILL_STEP
        place = tmp_path / str(number)
        place.mkdir()
        made = Tracked(place)
        if not is_first:
            made.run()
            made.edit()
        if not killed_at(number, made):
            break
        if made.file.exists() and made.file.stat().st_size and not is_first:
            assert made.flaws() == [], number
            told = {(change.kind, change.path) for change in made.changes()}
            assert told in (set(), EDITED), number
            unchanged, complete = unchanged + (not told), complete + bool(told)
        if is_first:
            assert made.run() == (Outcome.SUCCEEDED, ""), number
            made.edit()
        made.check_next_run_is_right()
        shutil.rmtree(place)

    print(f"\nkilled at {number // KILL_STEP} statements: {unchanged} unchanged, {complete} complete")
    assert number > 40


# Beginning anew


def test_what_cannot_be_read_is_moved_aside_by_init(tracked: Tracked) -> None:
    overwritten(tracked.file, b"\0" * 100, at=0)
    said: list[str] = []
    assert tracked.job.catalog is not None
    make_catalog(tracked.job.catalog, [tracked.job], state=str(tracked.place / "state"), said=said.append)

    (aside,) = tracked.file.parent.glob("catalog.db.corrupt-*")
    assert aside.read_bytes()[:100] == b"\0" * 100
    assert "it was moved aside" in said[0]
    assert "begins it anew here" in said[1]


def test_init_of_a_job_with_a_past_asks_first_and_then_begins_anew(tracked: Tracked) -> None:
    tracked.run()
    state = str(tracked.place / "state")
    with pytest.raises(ConfigError, match="add --yes to remove it all"):
        begin_anew(tracked.job, [tracked.job], state=state, is_confirmed=False, said=lambda text: None)
    assert len(tracked.changes()) == 3
    begin_anew(tracked.job, [tracked.job], state=state, is_confirmed=True, said=lambda text: None)
    assert tracked.flaws() == []

    assert tracked.run() == (Outcome.SUCCEEDED, "")
    assert {kind for kind, _ in tracked.told} == {ChangeKind.CREATED}
    assert tracked.changes() == []


def test_lost_catalog_waits_for_init_and_goes_on_after_it(tracked: Tracked) -> None:
    tracked.file.unlink()
    assert tracked.run()[0] is Outcome.FAILED
    state = str(tracked.place / "state")
    begin_anew(tracked.job, [tracked.job], state=state, is_confirmed=False, said=lambda text: None)

    assert tracked.run() == (Outcome.SUCCEEDED, "")
    assert tracked.flaws() == []


def test_init_waits_for_the_lock_of_the_job(tracked: Tracked) -> None:
    state = str(tracked.place / "state")
    with locked_job(state, tracked.job.name), pytest.raises(Busy):
        begin_anew(tracked.job, [tracked.job], state=state, is_confirmed=True, said=lambda text: None)


# The key


def test_key_seals_what_is_recorded_and_a_run_without_it_is_refused(tracked: Tracked) -> None:
    assert tracked.job.catalog is not None
    key = Path(tracked.job.catalog.key_file)
    seal_with_key(
        tracked.job.catalog, ["tracked"], state=str(tracked.place / "state"), said=lambda text: None
    )

    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_text().strip()) == 64
    assert tracked.flaws() == []
    kept = key.rename(key.with_name("kept"))
    outcome, error = tracked.run()
    assert outcome is Outcome.FAILED
    assert "put the key back" in error
    assert [flaw.kind.value for flaw in tracked.flaws()] == ["key"]
    kept.rename(key)
    tracked.check_next_run_is_right()


def test_key_is_not_made_for_what_is_not_sound(tracked: Tracked) -> None:
    with contextlib.closing(sqlite3.connect(tracked.file)) as connection:
        connection.execute("UPDATE entries SET size = 9 WHERE name = X'64'")
        connection.commit()
    assert tracked.job.catalog is not None
    with pytest.raises(RunError, match="is not sound, so it is not sealed with a key"):
        seal_with_key(
            tracked.job.catalog, ["tracked"], state=str(tracked.place / "state"), said=lambda text: None
        )

    assert not Path(tracked.job.catalog.key_file).exists()


def test_key_that_was_put_there_by_hand_is_used_only_after_sealing_with_it(tracked: Tracked) -> None:
    assert tracked.job.catalog is not None
    key = Path(tracked.job.catalog.key_file)
    key.write_text("ab" * 32)
    key.chmod(0o600)
    outcome, error = tracked.run()
    assert outcome is Outcome.FAILED
    assert "'dirsync catalog key' seals it anew with it" in error
    seal_with_key(
        tracked.job.catalog, ["tracked"], state=str(tracked.place / "state"), said=lambda text: None
    )

    tracked.check_next_run_is_right()
