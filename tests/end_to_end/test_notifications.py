"""The whole program tells people: of runs at once, of runs on schedule, and by reports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mail_servers import PASSWORD, MailServer, body, mail_server
from tests.program import CHECKOUT, Ended, running
from tests.trees import tree
from tests.webhooks import WebHook, web_hook

PATIENCE_SECONDS = 30
EVERYTHING = ["failure", "partial", "held", "success", "changes"]


class House:
    """A directory with a jobs.yaml whose jobs tell people."""

    def __init__(self, folder: Path, server: MailServer, hook: WebHook) -> None:
        self.folder = folder
        self.server = server
        self.hook = hook
        (folder / "pw").write_text(PASSWORD)
        tree(folder / "s", {"a": b"1", "sub": {"b": b"2"}})

    def declare(self, *, job: dict[str, Any] | None = None, **more: Any) -> None:
        """Write jobs.yaml: one job, `photos`, which tells `ops` and `hook` of everything."""
        notifiers = {
            "ops": {
                "type": "smtp",
                "host": "localhost",
                "port": self.server.port,
                "from": "dirsync <dirsync@lan>",
                "to": ["ops@lan"],
                "password": {"secret": "smtp"},
                "ca": str(self.server.ca),
            },
            "hook": {"type": "webhook", "url": f"{self.hook.url}/t0psecretpath"},
        }
        photos = {
            "source": "s",
            "destination": "d",
            "notify": [{"to": name, "on": EVERYTHING} for name in notifiers],
        }
        declared = {
            "version": 1,
            "secrets": {"smtp": {"file": "pw"}},
            "notifiers": notifiers,
            "jobs": {"photos": photos | (job or {})},
        }
        (self.folder / "jobs.yaml").write_text(json.dumps(declared | more))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(CHECKOUT / "run.py"), *arguments, "-c", str(self.folder / "jobs.yaml")]

    def run(self, *arguments: str) -> Ended:
        process = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=PATIENCE_SECONDS * 3
        )
        return Ended(process.returncode, process.stdout, process.stderr)

    def everything_written(self) -> bytes:
        """Give all that the program wrote beside the trees: state, logs, reports."""
        written = b""
        for folder, _, names in os.walk(self.folder):
            for name in names:
                if name not in ("pw", "jobs.yaml", "ca.pem"):
                    written += (Path(folder) / name).read_bytes()
        return written


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with mail_server(tmp_path, asks_password=True) as server, web_hook() as hook:
        house = House(tmp_path, server, hook)
        house.declare()
        yield house


def wait_for(seen: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not seen():
        assert time.monotonic() < ends_at, "it did not happen"
        time.sleep(0.05)


def test_runs_at_once_tell_each_outcome_once(house: House) -> None:
    """The program is another one each time: what was told is on record."""
    codes = [house.run("--now", "--json").code]
    (house.folder / "s").rename(house.folder / "away")
    codes += [house.run("--now", "--json").code for _ in range(2)]
    (house.folder / "away").rename(house.folder / "s")
    codes.append(house.run("--now", "--json").code)

    subjects = [
        "photos: 3 copied",
        f"photos: failed: source '{house.folder}/s' does not exist; is it mounted?",
        "photos: well again",
    ]
    assert codes == [0, 5, 5, 0]
    assert house.server.box.subjects == subjects
    assert house.hook.subjects == subjects
    assert house.server.box.were_protected == [True] * 3


def test_a_partial_and_a_held_run_are_told_with_what_matters(house: House) -> None:
    house.declare(job={"guard": {"max_delete": 1}})
    house.run("--now", "-q")
    (house.folder / "s" / "sub" / "b").unlink()
    (house.folder / "s" / "sub").rmdir()
    assert house.run("--now", "-q").code == 4
    assert house.run("approve", "photos").code == 0

    held, well = house.server.box.mails[1:]
    assert held["Subject"].startswith("photos: held: ")
    assert "held: nothing was changed" in body(held, "plain")
    assert well["Subject"] == "photos: well again"
    assert "Deleted (2)" in body(well, "plain")


def test_a_dry_run_tells_nobody(house: House) -> None:
    house.run("--now", "--dry-run")

    assert (house.server.box.subjects, house.hook.posted) == ([], [])


def test_a_notifier_that_refuses_changes_nothing_of_the_run(house: House) -> None:
    house.server.box.sender_answer = f"550 no such sender {PASSWORD}"
    told = house.run("--now")

    place = f"localhost:{house.server.port}"
    assert told.code == 0
    assert told.stderr == (
        f"WARNING: photos: message not sent: 'ops': {place} refused the sender: 550 no such sender ***\n"
    )
    assert "message not sent" in (house.folder / "logs" / "photos.log").read_text()
    assert house.hook.subjects == ["photos: 3 copied"]


def test_no_secret_is_written_anywhere(house: House) -> None:
    house.hook.answers = [(403, {})]
    told = [house.run("--now", "-vv"), house.run("show"), house.run("notify", "test", "hook")]

    for each in told:
        for secret in (PASSWORD, "t0psecretpath"):
            assert secret not in each.stdout + each.stderr
            assert secret.encode() not in house.everything_written()


def test_a_test_message_arrives_and_says_so(house: House) -> None:
    told = house.run("notify", "test", "ops")

    assert (told.code, told.stderr) == (0, "")
    assert told.stdout == f"'ops': test message sent to ops@lan through localhost:{house.server.port}\n"
    assert house.server.box.subjects == ["dirsync can reach 'ops'"]


def test_a_test_message_that_is_refused_is_one_line(house: House) -> None:
    house.server.box.sender_answer = "550 5.7.1 unknown"
    error = f"'ops': localhost:{house.server.port} refused the sender: 550 5.7.1 unknown"

    told = house.run("notify", "test", "ops")
    assert (told.code, told.stdout, told.stderr) == (5, "", f"{error}\n")

    told = house.run("notify", "test", "ops", "--json")
    assert told.code == 5
    assert told.events == [
        {"event": "notify", "notifier": "ops", "type": "smtp", "sent": False, "error": error}
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("test", "opz"),
            "dirsync: no notifier 'opz'; did you mean 'ops'?; the notifiers are ops, hook",
        ),
        (("test", "xyz"), "dirsync: no notifier 'xyz'; the notifiers are ops, hook"),
        (("tset", "ops"), "dirsync: argument test: 'tset' is none of test; did you mean 'test'?; see --help"),
    ],
)
def test_a_test_message_to_nobody_is_a_usage_error(
    house: House, arguments: tuple[str, ...], line: str
) -> None:
    told = house.run("notify", *arguments)

    assert (told.code, told.stderr) == (2, f"{line}\n")


def test_the_scheduler_tells_and_reports_by_mail(house: House) -> None:
    """A failure goes out once, however often it happens; so do the report on the job, and the one on all."""
    soon = {"schedule": {"every": "1d", "start": "now"}, "since": "1d"}
    house.declare(
        job={"interval": "1s", "source": "missing", "report": {**soon, "to": ["ops", "./r.html", "hook"]}},
        report={**soon, "to": "ops"},
    )
    box = house.server.box
    assert house.run("--now").code == 5  # what the reports tell of
    with running(house.command()) as daemon:
        wait_for(lambda: len(box.envelopes) >= 3 and len(house.hook.posted) >= 2)
        time.sleep(2.5)  # two more runs
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE_SECONDS) == 143
        assert daemon.stdout is not None
        assert "reports on schedule: photos, all jobs" in daemon.stdout.readline()

    reports = [mail for mail in box.mails if mail["X-Dirsync-Event"] == "report"]
    runs = [mail for mail in box.mails if mail["X-Dirsync-Event"] == "run"]
    assert [mail["Subject"].split(":")[1] for mail in runs] == [" failed"]
    assert sorted(str(mail["List-Id"]).partition(".")[0] for mail in reports) == ["<all", "<photos"]
    assert all("<!doctype html>" in body(mail, "html") for mail in reports)
    assert sorted(str(mail["Subject"]).partition(": ")[2][:42] for mail in reports) == [
        "1 job needs attention",
        "report: alarm: the last run failed: source",
    ]
    assert all("dirsync report of " in body(mail, "plain") for mail in reports)
    assert (house.folder / "r.html").read_text().startswith("<!doctype html>")
    (posted,) = [each.fields for each in house.hook.posted if each.fields["event"] == "report"]
    assert [job["job"] for job in posted["jobs"]] == ["photos"]


def test_a_stale_job_is_told_once_and_when_it_is_over(house: House) -> None:
    """The alarm and the failure that leads to it are two messages, their end is one."""
    house.declare(job={"stale_after": "1s", "source": "late", "notify": [{"to": "hook"}]})
    house.run("--now")
    time.sleep(1.1)
    house.run("--now")
    house.run("--now")
    (house.folder / "s").rename(house.folder / "late")
    house.run("--now")
    house.run("--now")

    failed, *others = house.hook.subjects
    assert failed.startswith("photos: failed: source ")
    assert others == ["photos: stale: it has never succeeded", "photos: well again"]


def test_a_changed_declaration_tells_whom_it_names_now(house: House) -> None:
    house.declare(job={"interval": "1s", "notify": []})
    with running(house.command()) as daemon:
        wait_for(lambda: (house.folder / "d" / "a").exists())
        house.declare(job={"interval": "1s", "notify": [{"to": "hook", "on": ["success"]}]})
        wait_for(lambda: len(house.hook.posted) >= 2)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE_SECONDS) == 143

    assert set(house.hook.subjects) == {"photos: nothing changed"}
    assert house.server.box.subjects == []


def test_who_tells_nobody_loads_nothing_of_it(house: House) -> None:
    (house.folder / "jobs.yaml").write_text("{version: 1, jobs: {a: {source: s, destination: d}}}")
    script = (
        "import sys\nfrom dirsync.cli.main import main\n"
        f"assert main(['--now', '-q', '-c', {str(house.folder / 'jobs.yaml')!r}]) == 0\n"
        "told = ('dirsync.notify', 'email', 'smtplib', 'jinja2')\n"
        "print(sorted(name for name in sys.modules if name.startswith(told)))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=CHECKOUT)

    assert (told.stdout, told.stderr) == ("[]\n", "")
