"""`snap` and `diff`, as a user runs them."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.agents import free_port
from tests.program import CHECKOUT, Ended, mounted
from tests.trees import Children, File, Link, emptied, tree

BEGAN_NS = 1_700_000_000_000_000_000


def dirsync(*arguments: str | Path, cwd: Path | None = None) -> Ended:
    """Run the program to its end."""
    command = [sys.executable, str(CHECKOUT / "run.py"), *map(str, arguments)]
    process = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in process.stderr, process.stderr
    return Ended(process.returncode, process.stdout, process.stderr)


def old_and_new(place: Path) -> tuple[Path, Path]:
    """Make a tree, and the same later."""
    kept = File(b"same", mtime_ns=BEGAN_NS)
    old: Children = {
        "b.txt": File(b"x" * 10, mode=0o644, mtime_ns=BEGAN_NS),
        "e": {"f": b"gone", "kept": kept},
        "c": File(b"c", mode=0o644, mtime_ns=BEGAN_NS),
        "d": File(b"d", mtime_ns=BEGAN_NS),
    }
    new: Children = {
        "b.txt": File(b"y" * 12, mode=0o600, mtime_ns=BEGAN_NS + 3 * 10**9),
        "e": {"kept": kept},
        "c": File(b"c", mode=0o600, mtime_ns=BEGAN_NS),
        "d": {},
        "photos": {"a.jpg": b"p" * 3_400_000, "l": Link("a\nb")},
    }
    return tree(place / "old", old), tree(place / "new", new)


LINES = [
    "modified  b.txt  (size 10→12, mtime +3 s, mode 644→600)",
    "modified  c  (mode 644→600)",
    "modified  d/  (file → directory)",
    "removed   e/f",
    "added     photos/",
    "added     photos/a.jpg  (3.4 MB)",
    "added     photos/l  (→ a\\nb)",
]


@pytest.mark.parametrize("record", ["", "old", "new", "old new"])
def test_differences_are_told_between_directories_and_snapshots(tmp_path: Path, record: str) -> None:
    ends = []
    for root in old_and_new(tmp_path):
        if root.name in record.split():
            ended = dirsync("snap", root, "-o", tmp_path / f"{root.name}.json")
            assert (ended.code, ended.stderr) == (0, "")
            root = tmp_path / f"{root.name}.json"
        ends.append(root)

    ended = dirsync("diff", *ends)

    *changes, summary = ended.stdout.splitlines()
    assert (ended.code, ended.stderr) == (1, "")
    assert changes == LINES
    assert summary.startswith("differs: 3 added, 1 removed, 3 modified (")


def test_no_differences_is_exit_0_and_a_line_says_how_much_was_seen(tmp_path: Path) -> None:
    root, _ = old_and_new(tmp_path)

    ended = dirsync("diff", root, root)

    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout.startswith("no differences: 6 entries seen (")


def test_json_is_change_lines_and_a_result(tmp_path: Path) -> None:
    ended = dirsync("diff", *old_and_new(tmp_path), "--json")

    assert ended.code == 1
    assert ended.events[0] == {
        "event": "change",
        "job": None,
        "kind": "modified",
        "path": "b.txt",
        "old_path": None,
        "aspects": ["size", "mtime", "mode"],
    }
    assert [event["kind"] for event in ended.events[1:-1]] == [
        *("metadata", "modified", "deleted"),
        *["created"] * 3,
    ]
    assert ended.events[-1]["event"] == "result"
    assert ended.counts == {"scanned": 8, "created": 3, "modified": 2, "metadata": 1, "deleted": 1}


def test_quiet_is_the_exit_code_alone(tmp_path: Path) -> None:
    old, new = old_and_new(tmp_path)

    assert dirsync("diff", old, new, "-q") == Ended(1, "", "")
    assert dirsync("diff", old, old, "-q") == Ended(0, "", "")
    assert dirsync("snap", old, "-q", "-o", tmp_path / "s") == Ended(0, "", "")


def test_content_is_compared_by_hash_where_asked_for(tmp_path: Path) -> None:
    roots = [tree(tmp_path / name, {"a": File(name.encode(), mtime_ns=1)}) for name in ("x", "y")]
    dirsync("snap", roots[0], "-o", tmp_path / "x.json", "--hash")

    assert dirsync("diff", *roots).code == 0
    assert dirsync("diff", *roots, "--hash").stdout.startswith("modified  a  (content)\n")
    assert dirsync("diff", tmp_path / "x.json", roots[1], "--hash").code == 1


def test_that_content_is_not_compared_by_hash_is_said_once(tmp_path: Path) -> None:
    root = tree(tmp_path / "s", {"a": b"a", "b": b"b"})
    dirsync("snap", root, "-o", tmp_path / "hashed", "--hash")
    dirsync("snap", root, "-o", tmp_path / "plain")

    ended = dirsync("diff", tmp_path / "hashed", tmp_path / "plain")
    directory = dirsync("diff", root, tmp_path / "hashed", "-q")
    advised = dirsync("diff", root, tmp_path / "hashed")
    hashing = dirsync("diff", tmp_path / "plain", root, "--hash")

    note = "note: content is not compared by hash"
    assert (ended.code, ended.stderr) == (0, f"{note}: '{tmp_path / 'plain'}' has no hashes\n")
    assert (advised.code, advised.stderr) == (0, f"{note}: '{root}' has no hashes; --hash reads its files\n")
    assert directory == Ended(0, "", "")
    assert (hashing.code, hashing.stderr) == (0, "")


def test_excluded_paths_are_left_out_on_both_sides(tmp_path: Path) -> None:
    root = tree(tmp_path / "s", {"cache": {"x": b""}, "a": b""})
    dirsync("snap", root, "-o", tmp_path / "all.json")
    tree(root / "cache" / "more", {"y": b""})

    assert dirsync("diff", tmp_path / "all.json", root).code == 1
    assert dirsync("diff", tmp_path / "all.json", root, "--exclude", "/cache/").code == 0
    dirsync("snap", root, "-o", tmp_path / "some.json", "--exclude", "/cache/")
    written = json.loads((tmp_path / "some.json").read_bytes())
    assert [entry["path"] for entry in written["entries"]] == ["a"]


def test_what_cannot_be_seen_is_told_and_is_exit_3_unless_something_differs(tmp_path: Path) -> None:
    root = tree(tmp_path / "s", {"a": {"b": b""}, "c": b""})
    snapshot = tmp_path / "s.json"
    dirsync("snap", root, "-o", snapshot)
    whole = json.loads(snapshot.read_bytes())
    whole["entries"] = [entry for entry in whole["entries"] if entry["path"] != "a/b"]
    whole["failures"] = [{"path": "a", "reason": "the directory cannot be listed: \x1b[31mno"}]
    partial = tmp_path / "partial.json"
    partial.write_text(json.dumps(whole))

    ended = dirsync("diff", partial, snapshot)
    as_json = dirsync("diff", snapshot, partial, "--json")
    (root / "d").touch()

    assert (ended.code, ended.stderr) == (
        3,
        f"{partial}: a: the directory cannot be listed: \\x1b[31mno\n",
    )
    assert ended.stdout.startswith("no differences: 3 entries seen, 1 path unknown (")
    assert as_json.code == 3
    assert as_json.events[0]["event"] == "failure"
    assert (as_json.events[0]["path"], as_json.events[0]["side"]) == ("a", "new")
    assert as_json.counts == {"scanned": 2, "failed": 1}
    assert dirsync("diff", partial, root, "-q").code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["diff", "s", "nothing"],
            5,
            "dirsync: 'nothing' does not exist; name a directory, a snapshot file, or JOB@latest",
        ),
        (
            ["snap", "nothing", "-o", "x"],
            5,
            "dirsync: 'nothing' does not exist; name a directory, a snapshot file, or JOB@latest",
        ),
        (["snap", "s/a", "-o", "x"], 5, "dirsync: 's/a' is not a directory"),
        (["snap", "s", "-o", "no/x"], 5, "dirsync: 'no/x' cannot be written: No such file or directory"),
        (["snap", "s", "-o", "s"], 5, "dirsync: 's' cannot be written: Is a directory"),
        (["diff", "s", "s/a"], 2, "s/a:1: it is no snapshot, or damaged: Expecting value"),
        (
            ["diff", "s", "/dev/zero"],
            5,
            "dirsync: '/dev/zero' cannot be read: it is neither a file nor a pipe",
        ),
        (["diff", "s"], 2, "dirsync: the following arguments are required: B; see --help"),
        (["snap", "s"], 2, "dirsync: the following arguments are required: -o/--output; see --help"),
        (
            ["snap", "s", "-o", "x", "-c", "y"],
            2,
            "dirsync: snap of a directory here needs no configuration file; drop -c",
        ),
        (
            ["diff", "photos@latest", "s", "-c", "none.yaml"],
            2,
            "none.yaml: cannot be read: no such file or directory; name a jobs.yaml with -c",
        ),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    tree(tmp_path / "s", {"a": b"not JSON"})

    ended = dirsync(*arguments, cwd=tmp_path)

    assert ended == Ended(code, "", f"{message}\n")
    assert os.listdir(tmp_path) == ["s"]


def test_a_snapshot_takes_the_place_of_the_old_one_whole_with_a_mode_as_the_user_has_it(
    tmp_path: Path,
) -> None:
    root, file = tree(tmp_path / "s", {"a": b""}), tmp_path / "snap.json"
    file.write_text("old")
    file.chmod(0o600)
    (tmp_path / "link").symlink_to("snap.json")
    before = file.stat().st_ino

    dirsync("snap", root, "-o", tmp_path / "link")

    assert json.loads(file.read_bytes())["root"] == str(root)
    assert file.stat().st_ino != before
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert (tmp_path / "link").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link", "s", "snap.json"]


def test_a_disk_that_is_full_leaves_the_old_snapshot(tmp_path: Path) -> None:
    root = tree(tmp_path / "s", {f"{number:0200}": b"" for number in range(2000)})
    with mounted(tmp_path / "small", size="100k") as small:
        (small / "snap.json").write_text("old")

        ended = dirsync("snap", root, "-o", small / "snap.json")

        assert (ended.code, ended.stdout) == (5, "")
        assert "cannot be written: No space left on device" in ended.stderr
        assert os.listdir(small) == ["snap.json"]
        assert (small / "snap.json").read_text() == "old"


def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    root = tree(tmp_path / "s", {"a": b""})
    null = tmp_path / "null"
    os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))

    ended = dirsync("snap", root, "-o", null)

    assert ended.code == 0
    assert stat.S_ISCHR(null.stat().st_mode)


def test_a_snapshot_goes_through_pipes(tmp_path: Path) -> None:
    root = tree(tmp_path / "s", {"a": b"", "b": {}})
    program = f"{sys.executable} {CHECKOUT / 'run.py'}"

    script = f"{program} diff <({program} snap {root} -o -) {root}"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("no differences: 2 entries seen (")


def test_a_signal_ends_it_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    root = tree(tmp_path / "s", {})
    big = tree(root / "big", {"sparse": File(size=1 << 40)})
    command = [
        sys.executable,
        str(CHECKOUT / "run.py"),
        "snap",
        str(root),
        "--hash",
        "-o",
        str(tmp_path / "x"),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        ends_at = time.monotonic() + 30
        while not any(name.startswith(".dirsync-") for name in os.listdir(tmp_path)):
            assert time.monotonic() < ends_at
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, printed = process.communicate(timeout=30)

    assert process.returncode == 143
    assert printed == ""
    assert sorted(os.listdir(tmp_path)) == ["s"]
    emptied(big)


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    root = tree(tmp_path / "s", {f"{number:0100}": b"" for number in range(5000)})
    empty = tree(tmp_path / "e", {})
    program = f"{sys.executable} {CHECKOUT / 'run.py'}"

    script = f"{program} diff {empty} {root} | head -1; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)

    assert ended.stdout.splitlines()[1] == "141"
    assert ended.stderr == ""


@pytest.mark.parametrize("command", [["snap", "-o", "-"], ["snap", "-o", "x"], ["diff", "--json", "s"]])
def test_a_far_place_that_does_not_answer_is_waited_for_and_nothing_is_printed(
    tmp_path: Path, command: list[str]
) -> None:
    tree(tmp_path / "s", {"a": b""})
    endpoints = {"far": {"url": f"http://127.0.0.1:{free_port()}/share"}}
    declared = {"version": 1, "endpoints": endpoints, "jobs": {"a": {"source": "s", "destination": "d"}}}
    (tmp_path / "jobs.yaml").write_text(json.dumps(declared))

    code, stdout, stderr = dataclasses.astuple(dirsync(*command, "far:/", "-c", "jobs.yaml", cwd=tmp_path))

    assert (code, stdout) == (75, "")
    assert "does not answer: Connection refused; is the agent running?" in stderr
    assert not (tmp_path / "x").exists()
