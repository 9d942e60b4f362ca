"""Who may write to a share reaches nothing outside of it, and learns nothing of what is there."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from dirsync.model.job import Comparison, Guard, Limit, PushJob, Retries, Versions
from dirsync.model.place import LocalPlace
from dirsync.model.result import Outcome
from dirsync.trees import kernel
from dirsync.wire.frames import ProtocolError
from dirsync.wire.runs import Order, check_order, ordered_job
from tests.agents import Served, served
from tests.jobs import UNGUARDED, run, sync_job, watched_run
from tests.trees import snapshot, tree

ORDERS = int(os.environ.get("DIRSYNC_ORDERS", "60"))


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Served]:
    """Serve `share`, beside which there is `outside`."""
    tree(tmp_path, {"share": {}, "outside": {"kept": b"1"}, "out": {"a": b"2"}})
    with served(tmp_path / "share", state=tmp_path / "agent-state") as agent:
        yield agent


def push_job(tmp_path: Path, up: Served, beneath: bytes, *, guard: Guard = UNGUARDED) -> PushJob:
    local = sync_job(tmp_path / "out", tmp_path / "out")
    return PushJob(
        name="push",
        source=LocalPlace(path=os.fsencode(tmp_path / "out")),
        destination=up.place(beneath),
        delete=local.delete,
        durability=local.durability,
        guard=guard,
    )


_FIGURES: list[dict[str, Any]] = [
    {"bandwidth": 0},
    {"bandwidth": -1},
    {"workers": 0},
    {"workers": 10**6},
    {"timeout_seconds": float("nan")},
    {"timeout_seconds": -1.0},
    {"timeout_seconds": 1e300},
    {"versions": Versions(keep_seconds=1e300)},
    {"versions": Versions(keep_seconds=float("nan"))},
    {"versions": Versions(count=-1)},
    {"retries": Retries(wait_seconds=1e300)},
    {"retries": Retries(wait_seconds=-1.0)},
    {"guard": Guard(max_delete=Limit())},
    {"guard": Guard(max_delete=Limit(percent=float("nan")))},
    {"guard": Guard(min_free=Limit(percent=1.0, absolute=1))},
    {"guard": Guard(marker=b"")},
    {"guard": Guard(marker=b"../outside/kept")},
    {"ignore_files": (b"../outside/kept",)},
    {"ignore_files": (b"",)},
    {"comparison": Comparison(modify_window_ns=-1)},
    {"comparison": Comparison(modify_window_ns=2**63)},
]


@pytest.mark.parametrize("figures", _FIGURES, ids=range(len(_FIGURES)))
def test_order_with_a_figure_out_of_its_bounds_is_refused(
    tmp_path: Path, up: Served, figures: dict[str, Any]
) -> None:
    job = structs.replace(push_job(tmp_path, up, b"d"), **figures)
    order = Order(root=b"d", client="0" * 16, job="push", ordered=ordered_job(job))

    with pytest.raises(ProtocolError):
        check_order(order)


@contextlib.contextmanager
def exchanged_after(seconds: float, one: Path, other: Path) -> Iterator[None]:
    """Exchange two objects some time after the block begins, and back when it ends."""
    folder = os.open(one.parent, os.O_RDONLY)
    names = folder, os.fsencode(one.name), folder, os.fsencode(other.name)
    timer = threading.Timer(seconds, kernel.exchange, names)
    timer.start()
    try:
        yield
    finally:
        timer.join()
        kernel.exchange(*names)
        os.close(folder)


def test_destination_that_becomes_a_link_in_mid_run_leads_nowhere(tmp_path: Path, up: Served) -> None:
    before = snapshot(tmp_path / "outside")
    (tmp_path / "share/d").mkdir()
    (tmp_path / "share/link").symlink_to("../outside")
    for number in range(ORDERS):
        with exchanged_after(0.03 * number / ORDERS, tmp_path / "share/d", tmp_path / "share/link"):
            result = run(push_job(tmp_path, up, b"d"), state=tmp_path / "state")

        assert snapshot(tmp_path / "outside") == before, (number, result)


@pytest.mark.parametrize("beneath", [b"link", b"link/new", b"link/kept", b"file", b"file/new"])
def test_order_through_a_link_is_refused(tmp_path: Path, up: Served, beneath: bytes) -> None:
    tree(tmp_path / "share", {"file": b"3"})
    (tmp_path / "share/link").symlink_to("../outside")
    before = snapshot(tmp_path)

    result = run(push_job(tmp_path, up, beneath), state=tmp_path / "state")

    assert result.outcome is Outcome.FAILED, result
    after = snapshot(tmp_path)
    assert {path for path in after if path.startswith((b"share", b"outside"))} <= set(before)


@pytest.mark.parametrize(
    ("marker", "outcome"), [(b"link/kept", Outcome.SKIPPED), (b"here", Outcome.SUCCEEDED)]
)
def test_marker_is_not_looked_for_through_a_link(
    tmp_path: Path, up: Served, marker: bytes, outcome: Outcome
) -> None:
    tree(tmp_path / "share/d", {"here": b""})
    (tmp_path / "share/d/link").symlink_to("../../outside")
    guard = structs.replace(UNGUARDED, marker=marker)

    result, _ = watched_run(push_job(tmp_path, up, b"d", guard=guard), tmp_path, dry_run=True)

    assert result.outcome is outcome, result
