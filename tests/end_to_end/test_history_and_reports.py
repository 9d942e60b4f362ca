"""What happened, as a user asks for it: history, report, accept and status, on real runs."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from dirsync.cli.main import main
from dirsync.model.job import JobType
from dirsync.model.result import Outcome
from dirsync.runner.ledger import open_ledger
from tests.results import BEGAN_AT, run_result
from tests.trees import Children, tree

pytestmark = pytest.mark.usefixtures("restored_logging")

JOBS = """\
version: 1
jobs:
  kept:
    type: track
    source: kept
    compare: [size, mtime, mode, ownership, hash]
    rules:
      - {path: "/keys/**", attributes: [size, mtime, mode, hash], severity: critical}
      - {path: "*.log", attributes: [size, mtime], severity: info}
  photos:
    source: photos
    destination: backup
    durability: none
    guard: {max_delete: "off", min_free: "off"}
"""


class Place:
    """A folder with a jobs.yaml, and the program in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run the program to its end, and give what it printed."""
        assert main([*arguments, "-c", str(self.folder / "jobs.yaml")]) == code
        self.stdout, self.stderr = self._capsys.readouterr()
        return self.stdout

    def run(self, job: str = "kept") -> None:
        self("--now", "-q", "--job", job)

    def told(self, *arguments: str) -> list[str]:
        """Give the changes that `history` prints, without the lines of the runs."""
        return [line.strip() for line in self("history", *arguments).splitlines() if line.startswith("  ")]

    def report(self, *arguments: str, job: str = "kept") -> dict[str, Any]:
        """Give the report on one job."""
        (found,) = json.loads(self("report", "--format", "json", "--job", job, *arguments))["jobs"]
        assert isinstance(found, dict)
        return found


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Place:
    """A tracked tree that was recorded once, and photos that were not copied yet."""
    kept: Children = {"a": {"x": b"x", "y": b"yy"}, "keys": {"id": b"k"}, "out.log": b"", "same": b"s"}
    tree(tmp_path, {"kept": kept, "photos": {"1.jpg": b"1"}})
    (tmp_path / "jobs.yaml").write_text(JOBS)
    monkeypatch.chdir(tmp_path)
    place = Place(tmp_path, capsys)
    place.run()
    return place


def rotted(path: Path) -> None:
    """Change a file's content as a disk does: the catalog is told that the file is as it was."""
    status = path.stat()
    path.write_bytes(b"?" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


# History


def test_history_tells_what_happened_beneath_a_path_newest_first(place: Place) -> None:
    (place.folder / "kept/a/new").write_bytes(b"abc")
    place.run()
    (place.folder / "kept/a/x").unlink()
    (place.folder / "kept/other").write_bytes(b"")
    place.run()

    text = place("history", "kept/a")
    assert [line.split("  ")[0:2] for line in text.splitlines() if not line.startswith(" ")] == [
        ["kept", "run 3"],
        ["kept", "run 2"],
        ["kept", "run 1"],
    ]
    assert place.told("kept/a") == ["deleted   a/x", "created   a/new  (3 B)"]
    assert place.told("a", "--job", "kept", "--kind", "deleted") == ["deleted   a/x"]
    assert place.told("kept", "--limit", "1") == ["created   other  (0 B)"]


def test_history_follows_a_path_through_moves_of_it_and_of_what_it_lies_in(place: Place) -> None:
    (place.folder / "kept/a/x").write_bytes(b"xx")
    place.run()
    (place.folder / "kept/a").rename(place.folder / "kept/b")
    place.run()
    (place.folder / "kept/b/x").rename(place.folder / "kept/z")
    place.run()

    text = place("history", "kept/z")

    assert [line.split()[0:3] for line in text.splitlines() if line.startswith(" ")] == [
        ["moved", "b/x", "→"],
        ["moved", "a/", "→"],
        ["modified", "a/x", "(size"],
    ]
    assert text.splitlines()[-1].endswith("the first run recorded it")


def test_history_of_what_was_made_in_a_moved_directory_begins_there(place: Place) -> None:
    (place.folder / "kept/a").rename(place.folder / "kept/b")
    (place.folder / "kept/b/new").write_bytes(b"")
    place.run()

    assert place.told("kept/b/new") == ["created   b/new  (0 B)"]
    assert "first run" not in place.stdout


def test_history_says_so_of_a_path_without_a_change(place: Place) -> None:
    assert "same: recorded by the first run (run 1, " in place("history", "kept/same")
    assert place.stdout.rstrip().endswith("unchanged since")
    assert place("history", "kept/nothing") == "kept  nothing: not in the catalog; no run has seen it\n"
    assert place("history", "kept/same", "--since", "1d") == "kept  same: no such change is recorded\n"
    assert json.loads(place("history", "kept/same", "--json")) | {"first_run_at": None} == {
        "event": "standing",
        "job": "kept",
        "path": "same",
        "in_catalog": True,
        "first_run_id": 1,
        "first_run_at": None,
    }


def test_history_of_a_sync_job_tells_what_it_did(place: Place) -> None:
    assert place("history", "photos").startswith("photos  nothing is recorded yet")
    place.run("photos")
    (place.folder / "photos/1.jpg").rename(place.folder / "photos/2.jpg")
    (place.folder / "photos/3.jpg").write_bytes(b"three")
    place.run("photos")

    assert sorted(place.told("photos")) == ["created   3.jpg  (5 B)", "moved     1.jpg → 2.jpg"]


def test_history_for_machines_has_the_attributes_before_and_after(place: Place) -> None:
    odd = os.fsencode(place.folder / "kept/a") + b"/\xff\n"
    Path(os.fsdecode(odd)).write_bytes(b"1")
    (place.folder / "kept/keys/id").chmod(0o600)
    place.run()

    lines = [json.loads(line) for line in place("history", "kept", "--json").splitlines()]

    by_kind = {line["kind"]: line for line in lines}
    assert by_kind["created"]["path_bytes"] == "a/%FF%0A"
    assert (by_kind["created"]["old"], by_kind["created"]["new"]["size"]) == (None, 1)
    changed = by_kind["metadata"]
    assert (changed["severity"], changed["open"], changed["aspects"]) == ("critical", True, ["mode"])
    assert (changed["old"]["mode"], changed["new"]["mode"]) == (0o644, 0o600)


def test_history_of_a_path_that_no_job_holds_is_a_usage_error(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place("history", "/etc/passwd", code=2)
    assert "'/etc/passwd' is in the source of no job" in place.stderr
    assert place.stdout == ""


# Acceptance


def test_open_changes_stay_in_the_report_until_they_are_accepted(place: Place) -> None:
    """What was accepted leaves the report, and nothing that came later does."""
    (place.folder / "kept/keys/id").write_bytes(b"other")
    (place.folder / "kept/a/x").unlink()
    (place.folder / "kept/out.log").write_bytes(b"line")
    place.run()

    before = place.report()
    accepted = place("accept", "kept", "keys")
    between = place.report()
    place("accept", "kept", "-q")
    after = place.report()

    def counts(report: dict[str, Any]) -> dict[str, int]:
        return {severity: open_["count"] for severity, open_ in report["open"].items()}

    assert accepted == "kept  accepted 1 change at keys: 1 critical\n"
    assert [counts(each) for each in (before, between, after)] == [
        {"critical": 1, "warning": 1, "info": 1},
        {"warning": 1, "info": 1},
        {},
    ]
    assert [each["verdict"] for each in (before, between, after)] == ["alarm", "to review", "fine"]
    (place.folder / "kept/keys/id").write_bytes(b"again")
    place.run()
    assert counts(place.report()) == {"critical": 1}
    assert place("history", "kept/keys/id", "-v").count("[critical, accepted]") == 1
    assert place("catalog", "verify").startswith("the catalog is sound")


def test_accept_up_to_a_run_leaves_what_came_later(place: Place) -> None:
    (place.folder / "kept/one").write_bytes(b"")
    place.run()
    (place.folder / "kept/two").write_bytes(b"")
    place.run()

    assert json.loads(place("accept", "kept", "--up-to", "2", "--json"))["counts"] == {
        "critical": 0,
        "warning": 1,
        "info": 0,
    }
    assert place("accept", "kept", "one") == "kept  nothing to accept at one: no change there is open\n"
    assert place("accept", "kept") == "kept  accepted 1 change: 1 warning\n"
    assert main(["accept", "kept", "--up-to", "99", "-c", "jobs.yaml"]) == 5


def test_accepting_what_rotted_takes_its_content_as_it_is(place: Place) -> None:
    """Until then each verification finds it; from then on none does."""
    rotted(place.folder / "kept/same")
    _pretend_nothing_happened(place)

    place("verify", "kept", code=1)
    report = place.report()
    accepted = place("accept", "kept")

    assert (report["verdict"], report["rot"]["count"]) == ("alarm", 1)
    assert report["reasons"] == ["bit rot: 1 file has other content under unchanged times"]
    assert accepted.splitlines() == [
        "kept  accepted 1 change: 1 critical",
        "kept  1 rotted file is on record now with the content found",
    ]
    assert place.report()["rot"]["count"] == 0
    place("verify", "kept", code=0)
    place.run()
    assert place("catalog", "verify").startswith("the catalog is sound")


def _pretend_nothing_happened(place: Place) -> None:
    """Have the catalog hold the ctime that the file has by now, as if the disk had changed it, not we."""
    from dirsync.catalog.recording import recording
    from dirsync.config import load
    from dirsync.runner.ledger import open_ledger
    from dirsync.runner.tracking.catalogs import catalog_of, recorded_job
    from dirsync.runner.tracking.ends import ending
    from tests.contract.runs import a_run

    configuration = load(str(place.folder / "jobs.yaml"))
    job = configuration.jobs[0]
    ctime_ns = (place.folder / "kept/same").stat().st_ctime_ns
    with open_ledger(configuration.state) as ledger, catalog_of(job, ledger) as catalog:
        known = recorded_job(job, catalog, ledger)
        (root,) = catalog.directories_at(known.job_id, [b""]).values()
        rows = [row for _, row in catalog.entries_in(known.job_id, [root.directory_id])]
        (old,) = [row for row in rows if row.name == b"same"]
        as_before = structs.replace(a_run(50), entries=known.entries, bytes_total=known.bytes_total)
        with recording(catalog, known, run_id=50) as recorded:
            recorded.put(root, root, entries=[old._replace(ctime_ns=ctime_ns)], instead=[old])
            recorded.commit(as_before, scope=known.scope, ending=ending(ledger, job.name, before=known))


def test_accept_waits_for_no_run_and_is_for_track_jobs_alone(place: Place) -> None:
    from dirsync.runner.lock import locked_job

    place("accept", "photos", code=2)
    assert "'photos' is a sync job, whose changes are nobody's to accept" in place.stderr
    with locked_job(str(place.folder / ".dirsync"), "kept"):
        place("accept", "kept", code=75)


# Reports


def test_report_tells_deletions_and_moves_of_directories_as_one(place: Place) -> None:
    (place.folder / "kept/a").rename(place.folder / "kept/moved")
    shutil.rmtree(place.folder / "kept/keys")
    tree(place.folder / "kept" / "many", {str(number): b"12345" for number in range(7)})
    place.run()

    report = place.report()

    (deleted,) = report["deletions"]["shown"]
    (moved,) = report["moves"]["shown"]
    assert (deleted["path"], deleted["beneath"], report["deletions"]["count"]) == ("keys", 1, 2)
    assert (moved["old_path"], moved["path"]) == ("a", "moved")
    assert report["counts"] | {"metadata": 0} == {
        "created": 8,
        "modified": 0,
        "metadata": 0,
        "moved": 1,
        "deleted": 2,
    }
    assert report["subtrees"][0] | {"counts": None} == {"path": "many", "counts": None, "bytes_grown": 35}
    assert report["size"]["entries"] == 13
    assert report["first_recorded"] == {"entries": 7, "bytes": 5}


def test_report_as_text_begins_with_the_verdict(place: Place) -> None:
    (place.folder / "kept/keys/id").unlink()
    place.run()

    text = place("report")

    assert text.splitlines()[0].endswith(": 1 job needs attention")
    assert [line.split("  ")[0].strip() for line in text.splitlines()[3:5]] == ["alarm", "to review"]
    assert "  * 1 critical change to review\n" in text
    assert "deleted   keys/id  (1 B)" in text


def test_report_that_looks_back_further_than_is_kept_says_so(place: Place) -> None:
    """Of runs that were pruned nobody can say that nothing changed."""
    jobs = place.folder / "jobs.yaml"
    jobs.write_text(JOBS.replace("type: track\n", "type: track\n    keep: 1s\n"))
    (place.folder / "kept/a/x").unlink()
    place.run()
    assert place.report()["kept_since"] is None
    time.sleep(1.1)
    place.run()
    kept_since = place.report()["kept_since"]

    assert kept_since is not None
    (reason,) = place.report()["reasons"]
    assert reason.startswith("nothing changed since 2")
    later = datetime.datetime.fromisoformat(kept_since) + datetime.timedelta(milliseconds=1)
    told = "lder than what is kept: runs before 2"
    for format_ in ("text", "html"):
        assert told in place("report", "--format", format_, "--job", "kept")
        assert told not in place("report", "--format", format_, "--job", "kept", "--since", later.isoformat())


def test_report_tells_of_runs_that_failed(place: Place) -> None:
    (place.folder / "kept").rename(place.folder / "away")
    place("--now", "-q", "--job", "kept", code=5)

    report = place.report()

    assert report["verdict"] == "alarm"
    assert report["runs"] == {"failed": 1, "succeeded": 1}
    assert "does not exist" in report["bad_runs"][0]["reason"]


def test_report_is_written_whole_or_not_at_all(place: Place) -> None:
    target = place.folder / "out.html"
    target.write_text("old")

    place("report", "--format", "html", "-o", str(target))
    place("report", "-o", str(place.folder / "no/such/r.txt"), code=5)

    assert target.read_text().startswith("<!doctype html>")
    assert sorted(each.name for each in place.folder.iterdir()) == sorted(
        [".dirsync", "jobs.yaml", "kept", "logs", "out.html", "photos"]
    )
    assert "no/such/r.txt' cannot be written: No such file or directory" in place.stderr


# Trouble


def test_a_lost_catalog_is_a_line_of_status_and_an_alarm_of_the_report(place: Place) -> None:
    assert "kept  7 entries, 5 B in the catalog; nothing to review" in place("status")
    (place.folder / ".dirsync/catalog.db").unlink()

    status = place("status")
    line = json.loads(place("status", "--json").splitlines()[0])
    report = place.report()
    place("history", "kept/a", code=5)

    assert "is not there any more" in status
    assert "is not there any more" in line["catalog"]["error"]
    assert (report["verdict"], "is not there any more" in report["trouble"]) == ("alarm", True)
    assert "is not there any more" in place.stderr
    assert not (place.folder / ".dirsync/catalog.db").exists()


def test_before_the_first_run_there_is_nothing_and_no_catalog_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, {"kept": {}, "photos": {}})
    (tmp_path / "jobs.yaml").write_text(JOBS)
    monkeypatch.chdir(tmp_path)
    place = Place(tmp_path, capsys)

    place("status")
    assert place.report()["reasons"] == ["it never ran"]
    assert place("history", "kept").startswith("kept  nothing is recorded yet")
    place("accept", "kept", code=5)
    assert not (tmp_path / ".dirsync/catalog.db").exists()


def test_a_check_that_was_skipped_is_no_check_without_differences(place: Place) -> None:
    """Nothing was compared at first; later, what the last comparison found stays to be looked at."""
    text = JOBS.replace("source: photos", "type: check\n    source: photos")
    marked = text.replace("guard: {", "guard: {marker: mark, ")
    (place.folder / "backup").mkdir()
    (place.folder / "jobs.yaml").write_text(marked)
    place("--now", "-q", "--job", "photos", code=75)
    place("--now", "-q", "--job", "photos", code=75)
    never = place.report(job="photos")
    (place.folder / "jobs.yaml").write_text(text)
    place("--now", "-q", "--job", "photos", code=1)
    (place.folder / "jobs.yaml").write_text(marked)
    place("--now", "-q", "--job", "photos", code=75)
    later = place.report(job="photos")

    assert never["verdict"] == "to review"
    assert never["reasons"][0].startswith("all 2 runs were skipped, so nothing was compared: ")
    assert (later["verdict"], later["reasons"]) == ("to review", ["1 path differs"])


def test_the_old_path_beneath_a_moved_directory_is_told_to_have_gone_with_it(place: Place) -> None:
    os.rename(place.folder / "kept/a", place.folder / "kept/A")
    place.run()

    lines = place("history", "kept/a/x").splitlines()
    (machine,) = map(json.loads, place("history", "kept/a/x", "--json").splitlines())
    unseen = place("history", "kept/a/never")

    assert lines[1] == "  moved     a/ → A/"
    assert lines[2].endswith("the first run recorded it")
    assert (machine["event"], machine["path"], machine["old_path"]) == ("change", "A", "a")
    assert "not in the catalog" in unseen


def test_with_a_job_a_path_leads_into_its_source_from_here_or_is_relative_to_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the working directory first, as without a job."""
    tree(place.folder / "kept/kept", {"same": b"another"})
    place.run()
    ways = ("kept/keys/id", str(place.folder / "kept/keys/id"), "keys/id")
    told = {place("history", path, "--job", "kept") for path in ways}
    root = place("history", "kept", "--job", "kept")
    place("history", "/etc/hosts", "--job", "kept", code=2)
    monkeypatch.chdir(place.folder / "kept")

    assert len(told) == 1
    assert "keys/id: recorded by the first run" in told.pop()
    assert "  created   kept/same  (7 B)" in root.splitlines()
    assert "same: recorded by the first run" in place("history", "same", "--job", "kept")
    assert place.told("kept/same", "--job", "kept") == ["created   kept/same  (7 B)"]


def test_a_job_of_a_far_source_holds_no_path_of_this_machine(place: Place) -> None:
    far = "  far: {type: check, source: 'http://localhost:9/share', destination: copy}\n"
    (place.folder / "jobs.yaml").write_text(JOBS + far)

    place("history", "/etc/hosts", code=2)
    assert "is in the source of no job" in place.stderr
    assert "far" in place("history", "hosts", "--job", "far")


@pytest.mark.parametrize("command", [["report"], ["history", "kept"]])
def test_a_since_that_has_not_come_yet_is_a_usage_error(place: Place, command: list[str]) -> None:
    place(*command, "--since", "2099-01-01", code=2)

    told = "dirsync: --since 2099-01-01: that has not come yet; write a moment that has, as 7d"
    assert (place.stdout, place.stderr.splitlines()[0]) == ("", told)


def test_a_run_that_was_cut_off_is_an_alarm_though_another_was_skipped_for_it(place: Place) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with open_ledger(str(place.folder / ".dirsync")) as ledger:
        cut_off, skipped = (
            ledger.begin(job="kept", type=JobType.TRACK, started_at=BEGAN_AT, dry_run=False) for _ in range(2)
        )
        ledger.finish(structs.replace(run_result(Outcome.SKIPPED), run_id=skipped))
        statement = "UPDATE runs SET pid = ? WHERE run_id = ?"
        ledger.database.connection.execute(statement, (gone.pid, cut_off))
    last = json.loads(place("status", "--json").splitlines()[0])["last"]
    report = place.report()

    assert (last["run_id"], last["outcome"]) == (cut_off, "crashed")
    assert (report["verdict"], report["reasons"]) == ("alarm", ["the last run was cut off"])
