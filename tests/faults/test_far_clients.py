"""Clients that never read, or go away in the middle, leave nothing behind at an agent."""

from __future__ import annotations

import gc
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from dirsync.answers import pulse
from dirsync.wire.asks import Ask, AskFiles, AskHashes, FileWanted, Question
from tests.agents import TOKEN, Served, served, wait_until
from tests.trees import tree

BIG = 64 << 20


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Served]:
    tree(tmp_path / "share", {"d": {f"d{n}": {} for n in range(500)}})
    with open(tmp_path / "share/big", "wb") as big:
        for _ in range(BIG >> 20):
            big.write(os.urandom(1 << 20))
    with served(tmp_path / "share", state=tmp_path / "state") as agent:
        yield agent


def asked(up: Served, ask: Ask) -> ssl.SSLSocket:
    """Ask, and give the connection; nothing of the answer is read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = int(up.address.rpartition(":")[2])
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    body = msgspec.msgpack.encode(Question(ask=ask))
    head = (
        f"POST /v1/shares/tree/ask HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


def handles_within(root: Path) -> list[str]:
    """Give what this process has open beneath a directory."""
    gc.collect()
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if path.startswith(str(root)):
            found.append(path)
    return found


def test_client_that_never_reads_is_hung_up_on(
    tmp_path: Path, up: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dirsync.agent.server._STALLED_SECONDS", 1.0)
    with asked(up, AskFiles(files=[FileWanted(b"big")])):
        wait_until(lambda: bool(handles_within(tmp_path / "share")))

        wait_until(lambda: not handles_within(tmp_path / "share"), seconds=20)


@pytest.mark.parametrize(
    "ask",
    [
        AskHashes(paths=[b"big"] * 200, algorithm="sha256"),
        AskFiles(files=[FileWanted(b"big")] * 200),
    ],
    ids=["hashes", "files"],
)
def test_client_that_goes_away_ends_what_was_done_for_it(
    tmp_path: Path, up: Served, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    monkeypatch.setattr(pulse, "_PULSE_SECONDS", 0.05)
    threads = threading.active_count()
    connection = asked(up, ask)
    wait_until(lambda: bool(handles_within(tmp_path / "share")))

    connection.close()

    wait_until(lambda: not handles_within(tmp_path / "share"), seconds=20)
    wait_until(lambda: threading.active_count() <= threads + 8)  # those that asyncio keeps at hand


def test_work_for_a_client_that_went_away_stops_before_its_tree_is_closed() -> None:
    """Or else it goes on with handles that are others' by then."""
    began, went_on, is_over = threading.Event(), threading.Event(), threading.Event()

    def work(check: pulse.Check) -> None:
        began.set()
        try:
            while not went_on.wait(0.01):
                check()
        finally:
            is_over.set()

    frames = pulse.with_signs_of_life(work, [], check=lambda: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulse, "_PULSE_SECONDS", 0.01)
        next(frames)
    assert began.is_set()

    frames.close()

    assert is_over.is_set()
    assert not went_on.is_set()
