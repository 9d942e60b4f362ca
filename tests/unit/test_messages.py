"""What is said of a run, in every form; and that no name can be more than a name."""

# ruff: noqa: E501 (one case a line)

from __future__ import annotations

import csv
import datetime
import email
import email.policy
import io
import json
import re
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest

from dirsync.cli.output.told import ToldWords
from dirsync.model.change import Failure
from dirsync.model.job import JobType
from dirsync.model.names import shown
from dirsync.model.result import Counts, Outcome
from dirsync.notify.happening import EndedRun, Kept, Recovery, Staleness
from dirsync.notify.letter import Letter, letter_of
from dirsync.notify.mail import mail_of
from dirsync.notify.message import recovery_message, run_message, staleness_message, trial_message
from tests.mail_servers import body
from tests.tidings import (
    BEGUN_AT,
    HARMFUL,
    created,
    deleted,
    eventful_run,
    letter,
    message_of,
    modified,
    result,
)


def mailed(letter: Letter) -> EmailMessage:
    """Write a letter as a mail and read it as a mail program does."""
    written = mail_of(letter, sender="dirsync <d@lan>", to=("ops@lan", "'B, ä' <b@lan>")).message.as_bytes()
    assert written.isascii()
    assert max(map(len, written.splitlines())) < 998  # RFC 5322, 2.1.1
    message = email.message_from_bytes(written, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def table(message: EmailMessage) -> list[list[str]]:
    """Read the table of a mail as a spreadsheet does."""
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "changes.csv"
    return list(csv.reader(io.StringIO(attachment.get_content().removeprefix("\ufeff"), newline="")))


@pytest.mark.parametrize(
    ("run", "subject"),
    [
        (
            result(outcome=Outcome.PARTIAL, counts=Counts(failed=3, created=1_200, modified=4)),
            "photos: 3 failed, 1,204 copied",
        ),
        (result(counts=Counts(created=1, deleted=2, moved=3, metadata=4)), "photos: 2 deleted, 1 copied, 3 moved, metadata of 4 changed"),
        (result(), "photos: nothing changed"),
        (result(outcome=Outcome.HELD, error="'photos': max_delete: too much\nmore"), "photos: held: max_delete: too much"),
        (result(outcome=Outcome.FAILED, error="'photos': source '/s' does not exist"), "photos: failed: source '/s' does not exist"),
        (result(outcome=Outcome.FAILED), "photos: failed"),
        (result(type=JobType.CHECK, counts=Counts(created=1, deleted=2)), "photos: 2 only at the destination, 1 missing there"),
        (result(type=JobType.CHECK), "photos: no differences"),
        (result(type=JobType.TRACK, counts=Counts(created=1, modified=2)), "photos: 1 created, 2 modified"),
        (result(outcome=Outcome.FAILED, error="x" * 500), f"photos: failed: {'x' * 143}…"),
    ],
)  # fmt: skip
def test_the_subject_is_the_verdict(run: object, subject: str) -> None:
    assert message_of(EndedRun(result=run)).subject == subject  # type: ignore[arg-type]


def test_failures_and_deletions_come_first() -> None:
    kept = Kept(
        failures=[Failure(b"bad", "No space left on device")],
        failure_count=1,
        deletions=[deleted(b"gone")],
        deletion_count=1,
        others=[created(b"new"), modified(b"old")],
        other_count=2,
    )
    text = letter(EndedRun(result=result(outcome=Outcome.PARTIAL), kept=kept)).text

    assert text.splitlines()[2:12] == [
        "Failed (1)",
        "  bad: No space left on device",
        "",
        "Deleted (1)",
        "  deleted   gone",
        "",
        "Changed (2)",
        "  created   new  (10 B)",
        "  modified  old  (size 10→12)",
        "",
    ]


def test_a_long_list_is_cut_with_a_count_and_whole_in_the_table() -> None:
    changes = [created(b"%d" % number) for number in range(1_205)]
    run = EndedRun(result=result(), kept=Kept(others=changes, other_count=1_205))
    message = mailed(letter(run))

    assert "… and 1,180 more; all are in changes.csv" in body(message, "plain")
    assert "and 1,180 more; all are in changes.csv" in letter(run).html
    assert table(message)[0] == ["what", "path", "details"]
    assert table(message)[1:] == [["created", str(number), "10 B"] for number in range(1_205)]


def test_what_was_not_kept_is_counted() -> None:
    kept = Kept(deletions=[deleted(b"%d" % number) for number in range(30)], deletion_count=5_000)

    assert (
        "and 4,975 more; the first 30 are in changes.csv" in letter(EndedRun(result=result(), kept=kept)).text
    )


def test_a_short_list_needs_no_table() -> None:
    kept = Kept(others=[created(b"a")], other_count=1)
    message = mailed(letter(EndedRun(result=result(), kept=kept)))

    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_a_table_that_is_too_large_is_cut() -> None:
    changes = [deleted(b"%d/" % number + b"n" * 3_000) for number in range(3_000)]
    found = letter(EndedRun(result=result(), kept=Kept(deletions=changes, deletion_count=3_000)))

    assert found.attachment is not None
    assert 5_000_000 < len(found.attachment.data) < 5_010_000
    assert b'"cut","this table is too large' in found.attachment.data.splitlines()[-1]


# Names that mean harm


class Elements(HTMLParser):
    """Notes the elements and attributes of a document, and its texts."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_no_name_becomes_a_header() -> None:
    """A name in the subject is a text of one line, whatever it holds; so is a job's name."""
    for name in HARMFUL:
        text = name.decode("utf-8", "surrogateescape")
        run = EndedRun(
            result=result(outcome=Outcome.FAILED, error=f"'x': source '{text}' is gone", job=shown(name))
        )
        message = mailed(letter(run))

        assert message["Bcc"] is None
        assert message.get_all("Subject") == [message["Subject"]]
        assert set(map(str.lower, message.keys())) == {
            *("subject", "from", "to", "date", "message-id", "auto-submitted", "list-id", "mime-version"),
            *("x-dirsync-host", "x-dirsync-event", "x-dirsync-job", "content-type"),
        }  # fmt: skip
        assert str(message["Subject"]).isprintable()


def test_no_name_becomes_markup() -> None:
    found = Elements(letter(eventful_run()).html)

    assert not found.elements & {"script", "img", "iframe", "link", "object", "form", "a"}
    assert (
        not {name for name in found.attributes if name.startswith("on")} | {"src", "href"} & found.attributes
    )
    assert {shown(name) for name in HARMFUL} <= set(found.texts)


def test_names_are_one_printable_line_of_the_text() -> None:
    lines = letter(eventful_run()).text.splitlines()

    assert all(line.isprintable() for line in lines)
    assert [line for line in lines if line.startswith(("Bcc", "Subject"))] == []


def test_no_cell_of_the_table_is_a_formula() -> None:
    names = [b"=1+1", b"+1", b"-1", b"@SUM(A1)", b"a=b", b"\tx", b'"=x', "＝1".encode()]
    kept = Kept(failures=[Failure(name, "=reason") for name in names * 5], failure_count=40)
    rows = table(mailed(letter(EndedRun(result=result(outcome=Outcome.PARTIAL), kept=kept))))[1:9]

    assert [row[1] for row in rows] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "a=b", "\\tx", '"=x', "'＝1"]
    assert {row[2] for row in rows} == {"'=reason"}


def test_no_name_calls_anybody_in_a_chat() -> None:
    names = [b"<!channel>", b"@everyone", b"<users/all>", b"a@b", b"1 < 2 @ 3"]
    kept = Kept(failures=[Failure(name, "no") for name in names], failure_count=5)
    made = letter(EndedRun(result=result(outcome=Outcome.PARTIAL), kept=kept))

    text = str(made.fields["text"])
    assert "<!channel>" in made.text
    assert not re.search(r"[<@](?=[^\s\u200b])", text)
    assert text.replace("\u200b", "") == made.text


def test_machines_get_every_name_byte_for_byte() -> None:
    run = eventful_run(more=2_000)
    fields = json.loads(json.dumps(letter(run).fields))

    assert fields["occasions"] == ["partial"]
    assert fields["result"]["counts"]["failed"] == len(HARMFUL) + 2_000
    assert fields["failures"][0] == {
        "path": "<script>alert(1)</script>\nBcc: x@y",
        "reason": "Permission denied",
    }
    assert fields["failures"][3]["path_bytes"] == "bad%FF%0D%0ASubject%3A%20other"
    assert (len(fields["failures"]), fields["omitted"]["failures"]) == (1_000, len(HARMFUL) + 1_000)


def test_secrets_are_masked_in_every_form() -> None:
    secret = "p&ss<w>rd"
    kept = Kept(
        failures=[Failure(secret.encode(), f"no {secret}")] * 30,
        failure_count=30,
        notices=[f"note {secret}"],
    )
    run = EndedRun(result=result(outcome=Outcome.PARTIAL, error=f"about {secret}"), kept=kept)

    def mask(text: str) -> str:
        return text.replace(secret, "***")

    message = run_message(run, host="vm", words=ToldWords(), mask=mask, is_well_again=False)
    made = letter_of(message, mask=mask)

    assert made.attachment is not None
    for text in (
        *(made.subject, made.text, made.html, made.attachment.data.decode(), json.dumps(made.fields)),
    ):  # fmt: skip
        assert "ss<w>" not in text
        assert "ss&lt;w" not in text
        assert "***" in text or text == made.subject


# Headers


def test_filters_and_absence_notes_know_the_mail() -> None:
    found = mailed(letter(eventful_run()))

    assert found["Auto-Submitted"] == "auto-generated"
    assert found["List-Id"] == "<photos.vm.dirsync>"
    assert found["Message-ID"].endswith("@lan>")
    assert (found["From"], found["X-Dirsync-Job"], found["X-Dirsync-Event"]) == (
        *("dirsync <d@lan>", "photos", "run"),
    )  # fmt: skip
    assert abs(found["Date"].datetime - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(minutes=1)


def test_two_mails_are_told_apart_and_belong_together() -> None:
    one, two = mailed(letter(eventful_run())), mailed(letter(eventful_run()))

    assert one["Message-ID"] != two["Message-ID"]
    assert one["List-Id"] == two["List-Id"]


def test_jobs_whose_names_are_no_labels_have_lists_of_their_own() -> None:
    lists = [
        mailed(letter(EndedRun(result=result(job=name))))["List-Id"]
        for name in ("写真", "照片", "my photos", "my-photos", "n" * 200)
    ]

    assert len(set(lists)) == 5
    assert all(re.fullmatch(r"<[a-z0-9-]+\.vm\.dirsync>", name) for name in lists)


# Other happenings


def test_a_recovery_says_so_whatever_the_run_did() -> None:
    run = EndedRun(result=result(counts=Counts(created=3)))

    assert message_of(run, is_well_again=True).subject == "photos: well again"


def test_a_stale_job_is_told_with_its_last_success() -> None:
    now = BEGUN_AT + datetime.timedelta(days=2, hours=3)
    stale = Staleness(job="photos", last_success_at=BEGUN_AT, stale_after_seconds=86_400, now=now)
    never = Staleness(job="photos", last_success_at=None, stale_after_seconds=86_400, now=now)
    told = [staleness_message(each, host="vm", words=ToldWords(), mask=str) for each in (stale, never)]

    assert [each.subject for each in told] == [
        "photos: stale: no success for 2 d 3 h",
        "photos: stale: it has never succeeded",
    ]
    assert ("Expected every", "1 d") in told[0].facts


def test_other_messages_have_every_form_too() -> None:
    recovery = recovery_message(Recovery(job="photos", last_success_at=BEGUN_AT), host="vm", mask=str)
    for message in (recovery, trial_message("ops", host="vm")):
        made = letter_of(message, mask=str)

        assert mailed(made)["Subject"] == made.subject
        assert made.fields["subject"] == made.subject
