"""The JSON lines, key by key."""

from __future__ import annotations

import json

import pytest

from dirsync.cli.output.lines import Lines
from dirsync.cli.output.machine import MachineObserver, change_fields, failure_fields, result_fields
from dirsync.cli.output.records import as_line
from dirsync.config.mask import Mask
from dirsync.model.change import Aspect, Change, ChangeKind, Failure
from dirsync.model.job import MirrorJob
from dirsync.model.place import LocalPlace
from dirsync.model.result import Counts, Outcome
from dirsync.model.result_fields import Fields
from tests.results import created, deleted, file_entry, metadata, run_result

JOB = MirrorJob(name="photos", source=LocalPlace(path=b"/s"), destination=LocalPlace(path=b"/d"))


def test_change_line_has_every_key_of_the_contract() -> None:
    fields = change_fields(created(file_entry(b"a/b")), job="photos")

    assert fields == {
        "event": "change",
        "job": "photos",
        "kind": "created",
        "path": "a/b",
        "old_path": None,
        "aspects": [],
    }


def test_aspects_come_in_one_order() -> None:
    change = metadata(file_entry(), file_entry(), Aspect.OWNERSHIP, Aspect.MTIME, Aspect.MODE)

    assert change_fields(change, job="j")["aspects"] == ["mtime", "mode", "ownership"]


def test_move_names_where_it_came_from() -> None:
    change = Change(ChangeKind.MOVED, file_entry(b"old\xff"), file_entry(b"new"))

    fields = change_fields(change, job="j")

    assert (fields["path"], fields["old_path"], fields["old_path_bytes"]) == ("new", "old\\xff", "old%FF")


@pytest.mark.parametrize("path", [b"a\nb", b"[red]x[/red]", b"back\\slash", "ö\u202e".encode()])
def test_utf8_name_comes_back_exactly_on_one_line(path: bytes) -> None:
    line = as_line(change_fields(deleted(file_entry(path)), job="j"), mask=str)

    assert "\n" not in line
    assert json.loads(line)["path"].encode() == path
    assert "path_bytes" not in json.loads(line)


def test_name_that_is_not_utf8_is_shown_escaped_and_given_byte_for_byte() -> None:
    line = as_line(failure_fields(Failure(b"d/\xff\n%", "unstable"), job="j"), mask=str)

    line.encode("utf-8")
    assert json.loads(line) == {
        "event": "failure",
        "job": "j",
        "path": "d/\\xff\\n%",
        "path_bytes": "d/%FF%0A%25",
        "reason": "unstable",
    }


def test_root_is_a_dot() -> None:
    assert failure_fields(Failure(b"", "gone"), job="j")["path"] == "."


def test_result_line_has_every_key_of_the_contract_in_its_order() -> None:
    counts = Counts(
        scanned=9, created=1, modified=2, metadata=3, moved=4, deleted=5, failed=6, bytes_copied=7
    )

    line = as_line(result_fields(run_result(Outcome.PARTIAL, counts=counts)), mask=str)

    assert line == (
        '{"event":"result","job":"photos","run_id":7,"type":"sync","outcome":"partial","dry_run":false,'
        '"started_at":"2026-11-21T12:30:00.123Z","finished_at":"2026-11-21T12:30:02.223Z",'
        '"counts":{"scanned":9,"created":1,"modified":2,"metadata":3,"moved":4,"deleted":5,"failed":6,'
        '"bytes_copied":7},"error":null}'
    )


def test_secrets_are_masked_in_every_text(capsys: pytest.CaptureFixture[str]) -> None:
    def mask(text: str) -> str:
        return text.replace("hunter2", "***")

    observer = MachineObserver(JOB, lines=Lines(mask=mask), quiet=False)
    observer.changed(created(file_entry(b"hunter2")))
    observer.failed(Failure(b"x", "hunter2 refused"))
    observer.noticed("hunter2 is old")
    observer.finished(run_result(Outcome.FAILED, error="no hunter2"))

    printed = capsys.readouterr()
    assert "hunter2" not in printed.out + printed.err
    assert [json.loads(line)["event"] for line in printed.out.splitlines()] == ["change", "failure", "result"]
    assert printed.err == "photos: *** is old\n"


def test_a_secret_is_masked_in_texts_and_never_breaks_what_is_read() -> None:
    secrets = Mask.of(["created", "4096", "2026", "result", "hush"])
    fields: Fields = {
        "event": "result",
        "started_at": "2026-11-27T00:00:00.000Z",
        "counts": {"created": 4096, "bytes_copied": 14096},
        "error": "hush: 4096 were created",
        "folds": [{"path": "hush/2026", "kind": "created"}, "hush"],
    }

    assert json.loads(as_line(fields, mask=secrets)) == {
        **fields,
        "error": "***: *** were ***",
        "folds": [{"path": "***/***", "kind": "created"}, "***"],
    }


def test_a_run_tells_json_whatever_the_secrets_are(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(mask=Mask.of(["succeeded", "counts", "1", "job"]))
    lines.record(result_fields(run_result(Outcome.SUCCEEDED)))

    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["counts"]["scanned"]) == ("succeeded", 0)
