"""A push to an agent that lies, floods and mumbles: it ends, in one line, and harms nothing."""

from __future__ import annotations

import contextlib
import http.server
import os
import random
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from dirsync.cli.output.machine import change_fields, failure_fields
from dirsync.cli.output.records import as_line
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.job import PushJob
from dirsync.model.place import FarPlace, LocalPlace
from dirsync.model.result import Outcome, RunResult
from dirsync.wire import frames
from dirsync.wire.asks import AskFiles, AskGreeting, FileWanted, Question, Seen, Status
from dirsync.wire.frames import ProtocolError
from dirsync.wire.runs import Asked, AtStage, Began, Changed, Ended, Figures, GivenUp, Noticed
from tests.jobs import UNGUARDED, Watched, watched_run
from tests.property.test_far_fuzz import spoilt_stream
from tests.trees import snapshot, tree

RUNS = int(os.environ.get("DIRSYNC_FUZZ_RUNS", "60"))
SEED = int(os.environ.get("DIRSYNC_SEED", "1"))
SECONDS = 20.0

Tells = Callable[["Liar"], Iterable[bytes]]


class Liar(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """An agent that tells what it is told to."""

    daemon_threads = True
    request_queue_size = 200

    def __init__(self, tells: Tells) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.tells = tells
        self.answering = threading.Semaphore(0)  # one more for each answer that begins to arrive
        self.may_read = threading.Event()  # the answers
        self.over = threading.Event()

    @property
    def place(self) -> FarPlace:
        return FarPlace(address=f"http://127.0.0.1:{self.server_address[1]}", share="tree")

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no news."""


class _Request(http.server.BaseHTTPRequestHandler):
    server: Liar
    protocol_version = "HTTP/1.0"

    def log_message(self, *_: object) -> None: ...

    def do_POST(self) -> None:
        if "/answers/" in self.path:
            self.server.answering.release()
            self.server.may_read.wait(SECONDS)
            while "Content-Length" not in self.headers and (length := int(self.rfile.readline(), 16)):
                self.rfile.read(length + 2)
        self.send_response(200)
        self.end_headers()
        if self.path.endswith("/runs"):
            for piece in self.server.tells(self.server):
                self.wfile.write(piece)
                self.wfile.flush()


@contextlib.contextmanager
def liar(tells: Tells) -> Iterator[Liar]:
    with Liar(tells) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.over.set()
        server.may_read.set()
        server.shutdown()


def pushed(
    tmp_path: Path, tells: Tells, *, timeout_seconds: float | None = None
) -> tuple[RunResult, Watched]:
    with liar(tells) as server:
        job = PushJob(
            name="push",
            source=LocalPlace(path=os.fsencode(tmp_path / "out")),
            destination=server.place,
            guard=UNGUARDED,
            timeout_seconds=timeout_seconds,
        )
        return watched_run(job, tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tree(tmp_path / "out", {"a": b"1", "big": b"2" * 300_000})


SUCCEEDED = Ended(outcome="succeeded", counts={"scanned": 2}, error=None, signal_number=None)
FAILED = Ended(outcome="failed", counts={}, error="some waited", signal_number=None)
BEGAN = Began(run="0" * 32)


def test_questions_are_answered_however_many_are_asked_at_once(tmp_path: Path, source: Path) -> None:
    """None waits for the end of another: each of a run's workers reads its own at its own speed."""

    def tells(server: Liar) -> Iterator[bytes]:
        yield frames.messages(BEGAN)
        ask = AskFiles(files=[FileWanted(b"big")])
        yield frames.messages(*(Asked(number=n, question=Question(ask=ask)) for n in range(100)))
        everyone = all(server.answering.acquire(timeout=SECONDS) for _ in range(100))
        server.may_read.set()
        yield frames.messages(SUCCEEDED if everyone else FAILED)
        yield frames.END

    result, _ = pushed(tmp_path, tells)

    assert result.outcome is Outcome.SUCCEEDED, result


def test_questions_without_end_end_the_run(tmp_path: Path, source: Path) -> None:
    def tells(server: Liar) -> Iterator[bytes]:
        yield frames.messages(BEGAN)
        ask = AskFiles(files=[FileWanted(b"big")])
        for number in range(100_000):
            yield frames.messages(Asked(number=number, question=Question(ask=ask)))
        server.over.wait(SECONDS)

    began = time.monotonic()
    result, _ = pushed(tmp_path, tells)

    assert result.outcome is Outcome.FAILED
    assert "more questions at once than anybody has" in (result.error or "")
    assert time.monotonic() - began < SECONDS


def test_answers_that_nobody_reads_do_not_keep_a_run_that_is_over(tmp_path: Path, source: Path) -> None:
    def tells(server: Liar) -> Iterator[bytes]:
        yield frames.messages(BEGAN)
        ask = AskFiles(files=[FileWanted(b"big")])
        yield frames.messages(*(Asked(number=n, question=Question(ask=ask)) for n in range(20)))
        assert all(server.answering.acquire(timeout=SECONDS) for _ in range(20))
        yield frames.messages(SUCCEEDED)
        yield frames.END

    began = time.monotonic()
    result, _ = pushed(tmp_path, tells)

    assert result.outcome is Outcome.SUCCEEDED, result
    assert time.monotonic() - began < SECONDS / 2


def test_agent_that_says_nothing_any_more_is_left_when_the_run_is_to_stop(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dirsync.runner.conversation._GIVE_UP_SECONDS", 0.5)

    def tells(server: Liar) -> Iterator[bytes]:
        yield frames.messages(BEGAN)
        server.over.wait(SECONDS)

    began = time.monotonic()
    result, _ = pushed(tmp_path, tells, timeout_seconds=0.5)

    assert result.error == "not done within its time limit of 0.5 s"
    assert time.monotonic() - began < SECONDS / 2


def test_what_a_far_end_says_is_one_line_that_does_nothing_to_a_terminal(
    tmp_path: Path, source: Path
) -> None:
    evil = "\x1b[31mred\r\nERROR a second line\u202e" + "x" * 100_000

    def tells(_: Liar) -> Iterator[bytes]:
        yield frames.messages(BEGAN, Noticed(text=evil), GivenUp(path=b"a", reason=evil))
        yield frames.messages(Ended(outcome="failed", counts={}, error=evil, signal_number=None))
        yield frames.END

    result, watched = pushed(tmp_path, tells)

    for text in (result.error or "", *watched.notices, *(each.reason for each in watched.failures)):
        assert "red" in text
        assert text.isprintable()
        assert len(text) < 2_000


@pytest.mark.parametrize("run", ["", "é", "../../etc", "a b", "²"])
def test_run_with_a_name_that_is_none_ends_the_run(tmp_path: Path, source: Path, run: str) -> None:
    result, _ = pushed(tmp_path, lambda _: [frames.messages(Began(run=run))])

    assert result.outcome is Outcome.FAILED
    assert "a run without a name" in (result.error or "")


def genuine_stream() -> bytes:
    def seen(path: bytes) -> Seen:
        return Seen(path=path, status=Status(0o100644, 1, 2, 3, 0, 0, 4, 5, 1))

    changes = [
        Changed(kind=ChangeKind.CREATED, old=None, new=seen(b"a"), aspects=frozenset()),
        Changed(kind=ChangeKind.DELETED, old=seen(b"b"), new=None, aspects=frozenset()),
        Changed(kind=ChangeKind.MOVED, old=seen(b"c"), new=seen(b"d"), aspects=frozenset({Aspect.MTIME})),
        Changed(kind=ChangeKind.MODIFIED, old=seen(b"e"), new=seen(b"e"), aspects=frozenset({Aspect.SIZE})),
    ]
    told = [
        BEGAN,
        AtStage(stage="scan"),
        Figures(scanned=4, operations_planned=4, bytes_planned=1),
        *(Asked(number=n, question=Question(ask=AskGreeting())) for n in (1, 2)),
        *changes,
        GivenUp(path=b"f", reason="cannot be copied: Permission denied"),
        Noticed(text="something"),
        Figures(operations=3, bytes_copied=1),
        Ended(outcome="partial", counts={"created": 1, "deleted": 1}, error=None, signal_number=None),
    ]
    return b"".join(frames.messages(each) for each in told) + frames.END


def test_spoilt_runs_end_without_harm(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dirsync.runner.conversation._PATIENCE_SECONDS", 0.0)
    drawn = random.Random(SEED)
    before = snapshot(source)
    outcomes: dict[Outcome, int] = {}
    for number in range(RUNS):
        said = genuine_stream()
        with contextlib.suppress(ProtocolError, ValueError, IndexError):  # it is spoilt enough
            for _ in range(drawn.choice([0, 1, 1, 2, 3])):
                said = spoilt_stream(drawn, said)

        def tells(server: Liar, said: bytes = said) -> Iterator[bytes]:
            server.may_read.set()
            yield said

        result, watched = pushed(tmp_path, tells)
        outcomes[result.outcome] = outcomes.get(result.outcome, 0) + 1
        assert "internal error" not in (result.error or ""), (number, result)
        for change in watched.changes:
            as_line(change_fields(change, job="push"), mask=str)
        for failure in watched.failures:
            as_line(failure_fields(failure, job="push"), mask=str)
        msgspec.json.encode(result.counts)
    assert len(outcomes) > 1, outcomes
    assert snapshot(source) == before
