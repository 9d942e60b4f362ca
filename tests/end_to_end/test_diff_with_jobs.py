"""`diff` between what a track job has on record and its source as it is now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dirsync.cli.main import main
from tests.program import mounted
from tests.trees import Link, tree

pytestmark = pytest.mark.usefixtures("restored_logging")


def run_once(place: Path, **keys: Any) -> None:
    """Declare a job `t` of the source `s` here, and run it."""
    job = {"type": "track", "source": "s"} | keys
    (place / "jobs.yaml").write_text(json.dumps({"version": 1, "jobs": {"t": job}}))
    assert main(["--now", "-q"]) == 0


@pytest.mark.parametrize(
    "keys",
    [
        {"include": ["*.txt"]},
        {"include": ["/c/y"], "ignore_files": [".ign"]},
        {"ignore_files": [".ign"]},
        {"symlinks": "skip"},
        {"symlinks": "skip", "ignore_files": [".ign"], "exclude": ["/e/"]},
    ],
)
def test_diff_straight_after_a_run_finds_no_differences_whatever_the_job_selects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keys: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tree(tmp_path / "s", {"c": {"x.txt": b"", "y": b""}, "e": {"q": b""}, "l": Link("c")})
    (source / ".ign").write_text("y\n")
    run_once(tmp_path, **keys)
    capsys.readouterr()

    assert main(["diff", "t@latest", "s"]) == 0, capsys.readouterr().out


def test_diff_tells_what_a_job_will_record_and_nothing_that_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tree(tmp_path / "s", {"c": {"x.txt": b"", "y": b""}})
    run_once(tmp_path, include=["*.txt"])
    tree(source / "new", {"in": {"a.txt": b"", "b": b""}})
    capsys.readouterr()

    assert main(["diff", "t@latest", "s"]) == 1
    assert capsys.readouterr().out.splitlines()[:-1] == ["added     new/in/a.txt  (0 B)"]


def test_diff_with_a_job_of_one_file_system_enters_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tree(tmp_path / "s", {"a": b"", "m": {}})
    with mounted(source / "m") as other:
        (other / "beyond").touch()
        run_once(tmp_path, one_file_system=True)

        assert main(["diff", "t@latest", "s", "-q"]) == 0


def test_what_diff_is_told_to_exclude_no_ignore_file_takes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tree(tmp_path / "s", {"a": b"", ".ign": b"!a\n"})
    run_once(tmp_path, ignore_files=[".ign"])
    (source / "a").unlink()
    (source / "a").write_text("longer")

    assert main(["diff", "t@latest", "s", "-q"]) == 1
    assert main(["diff", "t@latest", "s", "-q", "--exclude", "a"]) == 0


def test_diff_of_runs_tells_what_each_recorded_though_the_job_selects_less_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing else does: for a report nothing changed, for the history nothing went."""
    monkeypatch.chdir(tmp_path)
    tree(tmp_path / "s", {"a": b"1", "b.tmp": b"22"})
    run_once(tmp_path)
    run_once(tmp_path, exclude=["*.tmp"])
    run_once(tmp_path)
    run_once(tmp_path, exclude=["*.tmp"])
    capsys.readouterr()

    def printed(*arguments: str, code: int) -> list[str]:
        assert main([*arguments]) == code
        return capsys.readouterr().out.splitlines()

    removed, added = "removed   b.tmp", "added     b.tmp  (2 B)"
    assert printed("diff", "t@1", "t@2", code=1)[:-1] == [removed]
    assert printed("diff", "t@2", "t@3", code=1)[:-1] == [added]
    assert printed("diff", "t@1", "t@3", code=0)[:-1] == []
    assert printed("diff", "t@1", "s", code=1)[:-1] == [removed]
    assert printed("diff", "t@4", "s", code=0)[:-1] == []
    assert [line for line in printed("history", "s", "--job", "t", code=0) if "b.tmp" in line] == [
        "  created   b.tmp  (2 B)"
    ]
    (job,) = json.loads("".join(printed("report", "--format", "json", code=0)))["jobs"]
    assert job["counts"] == {"created": 1, "modified": 0, "metadata": 0, "moved": 0, "deleted": 0}
    assert (job["deletions"]["count"], job["bytes"]["deleted"]) == (0, 0)
    assert printed("catalog", "verify", code=0)[-1].startswith("the catalog is sound")
