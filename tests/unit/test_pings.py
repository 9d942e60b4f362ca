"""Calls of a dead-man service, which is a real one."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPMessage
from pathlib import Path
from urllib.request import HTTPRedirectHandler, Request

import pytest
from msgspec.structs import replace

import dirsync
from dirsync.cli.main import main
from dirsync.model.job import Job, Ping
from dirsync.model.result import Outcome, RunResult
from dirsync.model.stop import Stop
from dirsync.runner import pinging
from dirsync.runner.pinging import Pings, _opener
from tests.jobs import sync_job
from tests.pinged import Service, dead_man_service
from tests.trees import tree

pytestmark = pytest.mark.usefixtures("restored_logging")

TOKEN = "8d0f0c7a-5b3e"


@pytest.fixture
def service() -> Iterator[Service]:
    with dead_man_service() as service:
        yield service


@pytest.fixture(autouse=True)
def quick_and_direct(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ask the service itself, without long pauses; no call outlives its test."""
    monkeypatch.setattr(pinging, "_PAUSES_SECONDS", (0.05, 0.05))
    monkeypatch.setenv("no_proxy", "*")
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("ping "):
            thread.join()


def pinging_job(url: str, name: str = "mirror") -> Job:
    return replace(sync_job(Path("/s"), Path("/d")), name=name, ping=Ping(url=url))


def ended(outcome: Outcome, *, dry_run: bool = False) -> RunResult:
    now = datetime.now(UTC)
    job = sync_job(Path("/s"), Path("/d"))
    return RunResult(
        job="mirror",
        run_id=7,
        type=job.type,
        outcome=outcome,
        dry_run=dry_run,
        started_at=now,
        finished_at=now,
    )


def warned(caplog: pytest.LogCaptureFixture, url: str, *, stop: Stop | None = None) -> list[str]:
    """Ping once; give what was warned of."""
    pings = Pings()
    pings.after(pinging_job(url), ended(Outcome.SUCCEEDED))
    pings.wait(stop or Stop())
    assert TOKEN not in caplog.text
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_success_is_a_get_of_the_url(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    assert warned(caplog, f"{service.address}/ping/{TOKEN}?create=1") == []
    assert service.asked == [("GET", f"/ping/{TOKEN}?create=1")]
    assert service.agents == {f"dirsync/{dirsync.__version__}"}


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.SUCCEEDED])
def test_no_other_outcome_is_a_call(service: Service, outcome: Outcome) -> None:
    pings = Pings()
    pings.after(pinging_job(service.address), ended(outcome))
    pings.after(pinging_job(service.address), ended(Outcome.SUCCEEDED, dry_run=True))
    pings.after(sync_job(Path("/s"), Path("/d")), ended(Outcome.SUCCEEDED))
    pings.wait(Stop())

    assert service.asked == []


def test_service_that_fails_is_called_three_times(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.answers = [(503, {})] * 3

    assert warned(caplog, f"{service.address}/{TOKEN}") == [
        f"dead-man service {service.address} was not reached: it answered with 503"
    ]
    assert len(service.asked) == 3


def test_service_that_comes_back_is_reached(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.answers = [(500, {}), (502, {})]

    assert warned(caplog, f"{service.address}/{TOKEN}") == []
    assert len(service.asked) == 3


def test_service_that_is_not_there_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    assert warned(caplog, f"http://127.0.0.1:{port}/{TOKEN}") == [
        f"dead-man service http://127.0.0.1:{port} was not reached: Connection refused"
    ]


def test_service_that_speaks_something_else_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        pings = Pings()
        pings.after(
            pinging_job(f"http://127.0.0.1:{server.getsockname()[1]}/{TOKEN}"), ended(Outcome.SUCCEEDED)
        )
        for _ in range(3):
            connection, _address = server.accept()
            connection.recv(1000)
            connection.sendall(b"220 smtp.lan ESMTP\r\n")
            connection.close()
        pings.wait(Stop())

    assert "was not reached: BadStatusLine" in caplog.text
    assert TOKEN not in caplog.text


def test_service_that_is_slow_is_given_up(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the program waits no longer than one attempt may take."""
    monkeypatch.setattr(pinging, "TIMEOUT_SECONDS", 0.2)
    service.hangs.set()
    begun_at = time.monotonic()

    assert warned(caplog, f"{service.address}/{TOKEN}") == ["the dead-man service has not answered yet"]
    assert time.monotonic() - begun_at < 2


def test_attempt_has_a_time_limit(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinging, "TIMEOUT_SECONDS", 0.2)
    service.hangs.set()

    assert pinging._failure(Ping(url=service.address)) == "timed out"
    assert len(service.asked) == 3


def test_signal_ends_the_waiting(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.hangs.set()
    stop = Stop()
    stop.request(15)
    begun_at = time.monotonic()
    warned(caplog, service.address, stop=stop)

    assert time.monotonic() - begun_at < 2


def test_call_never_holds_up_who_asks_for_it_and_is_not_doubled(service: Service) -> None:
    service.hangs.set()
    pings = Pings()
    begun_at = time.monotonic()
    for _ in range(5):
        pings.after(pinging_job(service.address), ended(Outcome.SUCCEEDED))
    took = time.monotonic() - begun_at
    service.hangs.clear()
    pings.wait(Stop())

    assert took < 1
    assert len(service.asked) == 1


def test_redirect_is_followed(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.answers = [(302, {"Location": "/elsewhere"})]

    assert warned(caplog, f"{service.address}/{TOKEN}") == []
    assert service.asked == [("GET", f"/{TOKEN}"), ("GET", "/elsewhere")]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://h/x"])
def test_redirect_to_anything_but_http_is_not_followed(
    service: Service, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    service.answers = [(302, {"Location": target})] * 3

    assert len(warned(caplog, f"{service.address}/{TOKEN}")) == 1
    assert len(service.asked) == 3


def test_redirect_from_https_to_http_is_not_followed() -> None:
    """What goes there could be read on the way."""
    redirects = next(each for each in vars(_opener())["handlers"] if isinstance(each, HTTPRedirectHandler))

    def led_to(url: str) -> object:
        request = Request(f"https://hc.lan/{TOKEN}")
        return redirects.redirect_request(request, io.BytesIO(), 302, "Found", HTTPMessage(), url)

    assert led_to("http://hc.lan/x") is None
    assert led_to("https://hc.lan/x") is not None


def test_only_http_can_be_opened() -> None:
    assert pinging._failure(Ping(url="file:///etc/passwd")) == "unknown url type: file"


JOBS = """\
version: 1
state: ./state
secrets: {hc: {file: ./token}}
jobs:
  photos:
    source: s
    destination: d
    ping_url: {secret: hc}
    guard: {min_free: off}
"""


def test_run_at_once_calls_it_and_waits_for_that(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree(tmp_path, {"s": {"a": b"1"}})
    (tmp_path / "jobs.yaml").write_text(JOBS)
    (tmp_path / "token").write_text(f"{service.address}/{TOKEN}\n")
    command = ["-c", str(tmp_path / "jobs.yaml"), "--now", "--json"]
    main([*command, "--dry-run"])
    assert service.asked == []

    assert main(command) == 0
    assert service.asked == [("GET", f"/{TOKEN}")]
    service.answers = [(404, {})] * 3
    assert main(command) == 0
    told = capsys.readouterr()
    assert f"WARNING: photos: dead-man service {service.address} was not reached" in told.err
    assert TOKEN not in told.out + told.err + (tmp_path / "logs" / "photos.log").read_text()
    assert {json.loads(line)["event"] for line in told.out.splitlines()} <= {"change", "result"}
    (tmp_path / "s").rename(tmp_path / "gone")
    main(command)
    assert len(service.asked) == 4


def test_approval_calls_it(service: Service, tmp_path: Path) -> None:
    tree(tmp_path, {"s": {"a": b"1"}})
    (tmp_path / "jobs.yaml").write_text(JOBS)
    (tmp_path / "token").write_text(f"{service.address}/{TOKEN}\n")
    main(["-c", str(tmp_path / "jobs.yaml"), "--now", "--dry-run", "--save"])

    assert main(["approve", "photos", "-c", str(tmp_path / "jobs.yaml")]) == 0
    assert service.asked == [("GET", f"/{TOKEN}")]
