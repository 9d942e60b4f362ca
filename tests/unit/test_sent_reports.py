"""Reports that go to notifiers: of one job and of all, beside files or instead of them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from dirsync.cli.daemon import greeting
from dirsync.cli.rendering import make_digest
from dirsync.config import Configuration
from dirsync.errors import RunError
from dirsync.model.job import EVERY_JOB, Digest, Job, every_job
from dirsync.model.notifier import Secret, Security, SmtpNotifier, WebhookNotifier
from dirsync.model.timing import Schedule
from dirsync.runner.ledger import open_ledger
from dirsync.runner.reports_written import last_report
from tests.jobs import run, sync_job
from tests.mail_servers import body, mail_server
from tests.trees import tree
from tests.webhooks import WebHook, web_hook

DAILY = Schedule(at=(datetime.time(7),))


@pytest.fixture
def hook() -> Iterator[WebHook]:
    with web_hook() as running:
        yield running


def configured(folder: Path, hook: WebHook, digest: Digest) -> Configuration:
    """Declare two jobs that ran, and a third that is disabled."""
    one = replace(sync_job(tree(folder / "s", {"a": b"1"}), folder / "d"), name="one", report=digest)
    jobs = (one, replace(one, name="two"), replace(one, name="off", enabled=False))
    for job in jobs[:2]:
        run(job, state=folder / "state")
    return Configuration(
        file="jobs.yaml",
        files=(),
        state=str(folder / "state"),
        jobs=jobs,
        notifiers={"hook": WebhookNotifier(name="hook", url=Secret(hook.url))},
    )


def made(job: Job, configuration: Configuration) -> None:
    make_digest(job, configuration, mask=lambda text: text.replace("one", "***"), wait=lambda _: False)


def noted(configuration: Configuration, job: str) -> bool:
    with open_ledger(configuration.state) as ledger:
        return last_report(ledger, job) is not None


def test_a_report_goes_to_a_file_and_a_notifier(tmp_path: Path, hook: WebHook) -> None:
    digest = Digest(schedule=DAILY, files=(f"{tmp_path}/r.html",), notifiers=("hook",))
    configuration = configured(tmp_path, hook, digest)

    made(configuration.jobs[0], configuration)

    (posted,) = hook.posted
    assert posted.fields["event"] == "report"
    assert posted.fields["subject"] == "***: report: fine: 1 change was carried over"
    assert posted.fields["text"].startswith("dirsync report of ")
    assert [job["job"] for job in posted.fields["jobs"]] == ["***"]
    assert (tmp_path / "r.html").exists()
    assert noted(configuration, "one")


def test_a_report_on_all_jobs_is_on_those_that_are_enabled(tmp_path: Path, hook: WebHook) -> None:
    digest = Digest(schedule=DAILY, notifiers=("hook",))
    configuration = configured(tmp_path, hook, digest)

    made(every_job(digest), configuration)

    (posted,) = hook.posted
    assert posted.fields["subject"].endswith(": All is well")
    assert [job["job"] for job in posted.fields["jobs"]] == ["***", "two"]
    assert noted(configuration, EVERY_JOB)
    assert not noted(configuration, "one")


def test_a_report_that_is_not_taken_is_not_noted_and_its_file_is_written(
    tmp_path: Path, hook: WebHook
) -> None:
    digest = Digest(schedule=DAILY, files=(f"{tmp_path}/r.html",), notifiers=("hook",))
    configuration = configured(tmp_path, hook, digest)
    hook.answers = [(503, {}), (404, {})]

    with pytest.raises(RunError, match=r"'hook': .* refused the message: 404"):
        made(configuration.jobs[0], configuration)

    assert (tmp_path / "r.html").exists()
    assert not noted(configuration, "one")


def test_a_file_that_cannot_be_written_keeps_no_notifier_from_the_report(
    tmp_path: Path, hook: WebHook
) -> None:
    digest = Digest(schedule=DAILY, files=(f"{tmp_path}/missing/r.html",), notifiers=("hook", "gone"))
    configuration = configured(tmp_path, hook, digest)

    with pytest.raises(RunError, match=r"missing/r\.html.*; there is no notifier 'gone' any more"):
        made(configuration.jobs[0], configuration)

    assert len(hook.posted) == 1


def test_a_mailed_report_is_the_page_with_a_text_beside_it(tmp_path: Path, hook: WebHook) -> None:
    digest = Digest(schedule=DAILY, notifiers=("ops",))
    with mail_server(tmp_path, protects=False) as server:
        ops = SmtpNotifier(
            name="ops",
            host=server.host,
            port=server.port,
            sender="d@lan",
            to=("o@lan",),
            security=Security.NONE,
        )
        configuration = replace(configured(tmp_path, hook, digest), notifiers={"ops": ops})

        made(configuration.jobs[1], configuration)

        (mail,) = server.box.mails
    assert mail["Subject"] == "two: report: fine: nothing changed"
    assert mail["X-Dirsync-Event"] == "report"
    assert "two: fine\n---------" in body(mail, "plain").replace("\r\n", "\n")
    assert '<span class="badge">fine</span>' in body(mail, "html")


def test_the_greeting_names_the_report_on_all_jobs() -> None:
    assert greeting([every_job(Digest(schedule=DAILY))]) == [
        "1 report on schedule: all jobs; end with Ctrl-C"
    ]
