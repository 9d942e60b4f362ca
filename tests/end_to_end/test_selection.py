"""What a job leaves out is neither copied nor deleted, unless asked."""

from __future__ import annotations

from pathlib import Path

from tests.program import jobs_file, run_now
from tests.trees import snapshot, tree


def test_include_makes_only_the_directories_that_hold_something(tmp_path: Path) -> None:
    tree(
        tmp_path / "s",
        {"a": {"b": {"x.jpg": b"x", "y.txt": b"y"}, "e": {}}, "c": {"y.txt": b"y"}, "d": {}, "f.jpg": b"x"},
    )
    jobs = jobs_file(tmp_path, include=["*.jpg"])

    assert run_now(jobs).outcome == (0, "succeeded")
    assert snapshot(tmp_path / "d").keys() == {b"", b"a", b"a/b", b"a/b/x.jpg", b"f.jpg"}
    again = run_now(jobs)
    assert again.counts.keys() == {"scanned"}, again.counts


def test_included_directory_is_made_even_if_empty(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"albums": {"empty": {}, "y.txt": b"y"}, "c": {"y.txt": b"y"}})

    assert run_now(jobs_file(tmp_path, include=["/albums/"])).outcome == (0, "succeeded")
    assert snapshot(tmp_path / "d").keys() == {b"", b"albums", b"albums/empty", b"albums/y.txt"}


def test_excluded_files_at_the_destination_are_kept_with_what_holds_them(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": b"x", "junk.tmp": b"x", "kind": b"x"})
    tree(tmp_path / "d", {"old.tmp": b"x", "gone": {"y": b"x", "deep": {"x.tmp": b"x"}}, "empty": {}})
    jobs = jobs_file(tmp_path, exclude=["*.tmp"])

    assert run_now(jobs).outcome == (0, "succeeded")
    assert snapshot(tmp_path / "d").keys() == {
        *(b"", b"a", b"kind", b"old.tmp", b"gone", b"gone/deep", b"gone/deep/x.tmp")
    }
    again = run_now(jobs)
    assert (again.code, set(again.counts)) == (0, {"scanned"})


def test_excluded_files_at_the_destination_are_removed_where_asked(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": b"x", "junk.tmp": b"x", "cache": {"c": b"x"}})
    tree(tmp_path / "d", {"old.tmp": b"x", "gone": {"x.tmp": b"x"}, "cache": {"c": b"x"}})
    jobs = jobs_file(tmp_path, exclude=["*.tmp", "/cache/"], delete_excluded=True)

    assert run_now(jobs).outcome == (0, "succeeded")
    assert snapshot(tmp_path / "d").keys() == {b"", b"a"}


def test_file_does_not_replace_a_directory_that_holds_what_is_excluded(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"p": b"file", "other": b"x"})
    tree(tmp_path / "d", {"p": {"precious.tmp": b"x", "y": b"y"}})

    run = run_now(jobs_file(tmp_path, exclude=["*.tmp"]))

    assert run.outcome == (3, "partial")
    assert run.paths("failure") == {"p"}
    assert {b"p/precious.tmp", b"other"} < snapshot(tmp_path / "d").keys()


def test_delete_keep_deletes_nothing(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": b"x"})
    tree(tmp_path / "d", {"gone": {"y": b"x"}, "a": b"old"})
    jobs = jobs_file(tmp_path, delete="keep")

    assert run_now(jobs).outcome == (0, "succeeded")
    assert snapshot(tmp_path / "d").keys() == {b"", b"a", b"gone", b"gone/y"}
    assert (tmp_path / "d/a").read_bytes() == b"x"
    assert run_now(jobs).counts == {"scanned": 1}
