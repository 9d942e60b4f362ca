"""Who is told, as declared: what is right, what is wrong, and what is never shown."""

# ruff: noqa: E501 (one case a line)

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dirsync.config.showing import effective_yaml
from dirsync.model.notifier import (
    TOLD,
    AppriseNotifier,
    Notify,
    Occasion,
    Security,
    SmtpNotifier,
    WebhookNotifier,
)
from tests.declared import declared, problems_of

HEAD = "version: 1\nsecrets: {pw: {environment: TEST_PW}, none: {environment: TEST_UNSET}}\nnotifiers:\n"
JOBS = "jobs: {a: {source: s, destination: d}}\n"
SLACK = "https://hooks.slack.com/services/T00/B00/t0psecret"


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PW", "hunter22")


def with_notifiers(lines: str, *, jobs: str = JOBS) -> str:
    return f"{HEAD}  {lines}\n{jobs}"


def test_a_notifier_is_declared_with_what_it_leaves_out_filled_in(tmp_path: Path) -> None:
    found = declared(
        tmp_path,
        with_notifiers(
            "ops: {type: smtp, host: mail.lan, from: 'dirsync <d@lan>', to: ops@lan, password: {secret: pw}}"
        ),
    ).notifiers["ops"]

    assert isinstance(found, SmtpNotifier)
    assert (found.port, found.security, found.user) == (587, Security.STARTTLS, "d@lan")
    assert (found.to, found.password and found.password.value) == (("ops@lan",), "hunter22")


@pytest.mark.parametrize(
    ("security", "host", "port"),
    [("tls", "mail.lan", 465), ("none", "localhost", 25), ("none", "127.0.0.2", 25), ("none", "'::1'", 25), ("cleartext", "mail.lan", 25)],
)  # fmt: skip
def test_the_port_follows_the_protection(tmp_path: Path, security: str, host: str, port: int) -> None:
    text = f"ops: {{type: smtp, host: {host}, from: d@lan, to: [o@lan], security: {security}}}"
    found = declared(tmp_path, with_notifiers(text)).notifiers["ops"]

    assert isinstance(found, SmtpNotifier)
    assert found.port == port


def test_a_job_tells_whom_it_names_of_what_it_names(tmp_path: Path) -> None:
    jobs = "defaults: {notify: [{to: hook}]}\njobs:\n  a: {source: s, destination: d, notify+: [{to: hook, on: [success]}]}\n"
    (job,) = declared(tmp_path, with_notifiers(f"hook: {{type: webhook, url: '{SLACK}'}}", jobs=jobs)).jobs

    assert job.notify == (
        Notify(to="hook", on=TOLD),
        Notify(to="hook", on=frozenset({Occasion.SUCCESS})),
    )


SMTP = "ops: {type: smtp, host: h, from: d@lan, to: [o@lan]"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("ops: {host: h}", "ops: 'type' is missing; write 'type: smtp', or ses, webhook or apprise"),
        ("ops: {type: smtq}", "ops.type: 'smtq' is not known; did you mean 'smtp'?"),
        ("ops: {type: smtp, from: d@lan, to: [o@lan]}", "ops: 'host' is missing; write 'host: mail.example.org'"),
        ("ops: {type: ses, to: [o@lan]}", "ops: 'from' is missing; write 'from: dirsync@example.org'"),
        ("ops: {type: ses, from: d@lan}", "ops: 'to' is missing; write 'to: [ops@example.org]'"),
        ("ops: {type: webhook}", "ops: 'url' is missing; write 'url: https://example.org/hook'"),
        ("ops: {type: apprise}", "ops: 'url' is missing; write 'url: {secret: NAME}'"),
        (f"{SMTP}, url: 'http://x'}}", "ops.url: is nothing an smtp notifier has; remove it"),
        ("ops: {type: webhook, url: 'http://x', host: h}", "ops.host: is nothing a webhook notifier has; remove it"),
        (f"{SMTP}, hots: h}}", "ops.hots: unknown key; did you mean 'host'?"),
        (f"{SMTP}, port: 0}}", "ops.port: 0 is out of range; write 1 to 65535"),
        (f"{SMTP}, password: hunter3}}", "ops.password: is not written here; declare it under 'secrets', and write {secret: NAME}"),
        (f"{SMTP}, password: {{secret: pww}}}}", "ops.password: there is no secret 'pww'; did you mean 'pw'?"),
        (f"{SMTP}, password: {{secret: none}}}}", "ops.password: the secret 'none' is empty or cannot be read; give it a value"),
        (f"{SMTP}, password: {{}}}}", "ops.password: says not which secret; write {secret: NAME}"),
        (f"{SMTP}, user: me}}", "ops.user: logs in without a password; write 'password: {secret: NAME}'"),
        (f"{SMTP}, security: none}}", "ops.security: would send mail to 'h' unprotected; write starttls or tls, or cleartext if that is meant"),
        ("ops: {type: smtp, host: 127.evil.com, from: d@lan, to: [o@lan], security: none}", "ops.security: would send mail to '127.evil.com' unprotected; write starttls or tls, or cleartext if that is meant"),
        ("ops: {type: smtp, host: 'smtp://h', from: d@lan, to: [o@lan]}", "ops.host: 'smtp://h' is no host; write its name or address, as mail.example.org"),
        ("ops: {type: smtp, host: h, from: d@lan, to: []}", "ops.to: names nobody; write an address"),
        ("ops: {type: smtp, host: h, from: d@lan, to: [o]}", "ops.to[0]: 'o' is no mail address; write one, as ops@example.org or 'Backups <ops@example.org>'"),
        ("ops: {type: smtp, host: h, from: 'a@lan, b@lan', to: [o@lan]}", "ops.from: 'a@lan, b@lan' is no mail address; write one, as ops@example.org or 'Backups <ops@example.org>'"),
        ('ops: {type: smtp, host: h, from: "a@lan\\nBcc: x@y", to: [o@lan]}', "ops.from: 'a@lan\\nBcc: x@y' is no mail address; write one, as ops@example.org or 'Backups <ops@example.org>'"),
        ("ops: {type: ses, from: ä@lan, to: [o@lan]}", "ops.from: 'ä@lan' is an address that few servers take; write it in ASCII"),
        ("ops: {type: webhook, url: t0psecret}", "ops.url: is no URL; write one, as https://example.org/hook, or {secret: NAME}"),
        ("ops: {type: webhook, url: 'ftp://t0p/secret'}", "ops.url: is no URL of a web server; write one that begins with https://"),
        ("ops: {type: webhook, url: 'file:///etc/passwd'}", "ops.url: is no URL of a web server; write one that begins with https://"),
        ("ops: {type: webhook, url: 'https://exämple.org/'}", "ops.url: is no URL of a web server; write one that begins with https://"),
        ("ops: {type: webhook, url: 'https://example.org:99999/'}", "ops.url: is no URL of a web server; write one that begins with https://"),
        ("ops: {type: webhook, url: {secret: pw}}", "ops.url: what the secret holds is no URL; give it the URL"),
        ("ops: {type: webhook, url: 'http://x', headers: {'a b': c}}", "ops.headers.a b: is no name of a header; write one, as Authorization"),
        ('ops: {type: webhook, url: "http://x", headers: {a: "b\\r\\nc: d"}}', "ops.headers.a: holds what no header can; write printable ASCII, or {secret: NAME}"),
        ("o.ps: {type: apprise, url: 'json://x'}", "o.ps: the name holds '.', as files' names do; choose one as 'ops'"),
    ],
)  # fmt: skip
def test_a_notifier_that_is_declared_wrongly_is_one_line(tmp_path: Path, lines: str, told: str) -> None:
    assert problems_of(tmp_path, with_notifiers(lines)) == [f"jobs.yaml:4: notifiers.{told}"]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("notify: [{to: opz}]", "jobs.a.notify[0].to: there is no notifier 'opz'; did you mean 'ops'?"),
        ("notify: [{to: nobody}]", "jobs.a.notify[0].to: there is no notifier 'nobody'; write ops"),
        ("notify: [{on: [held]}]", "jobs.a.notify[0]: 'to' is missing; write {to: NAME}, the name of a notifier"),
        ("notify: [{to: ops, on: []}]", "jobs.a.notify[0].on: names nothing; name something, or remove it"),
        ("notify: [{to: ops, on: [hold]}]", "jobs.a.notify[0].on[0]: 'hold' is not known; did you mean 'held'?"),
        ("notify: ops", "jobs.a.notify: expected a list, not 'ops'; write it in brackets, or one '- …' a line"),
        ("report: {schedule: {every: 1d}, to: opz}", "jobs.a.report.to: there is no notifier 'opz'; did you mean 'ops'?; for a file, write './opz'"),
        ("report: {schedule: {every: 1d}, to: [./r.html, opz]}", "jobs.a.report.to[1]: there is no notifier 'opz'; did you mean 'ops'?; for a file, write './opz'"),
        ("report: {schedule: {every: 1d}, to: []}", "jobs.a.report.to: names nobody; write a file, or a notifier's name"),
        ("report: {schedule: {every: 1d}, to: [ops, d/r.html]}", "jobs.a.report.to: is in the destination of 'a', which would remove it; write it elsewhere"),
    ],
)  # fmt: skip
def test_a_job_that_tells_wrongly_is_one_line(tmp_path: Path, keys: str, told: str) -> None:
    jobs = f"jobs:\n  a:\n    source: s\n    destination: d\n    {keys}\n"

    assert problems_of(tmp_path, with_notifiers(f"{SMTP}}}", jobs=jobs)) == [f"jobs.yaml:9: {told}"]


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ("{to: ops}", ["report: 'schedule' is missing; write 'schedule: {at: \"07:00\"}'"]),
        ("{schedule: {at: '07:00', every: 1d}, to: ops}", ["report.schedule: has every and at; keep one of them"]),
        ("{schedule: {every: 1d}, to: opz}", ["report.to: there is no notifier 'opz'; did you mean 'ops'?; for a file, write './opz'"]),
        ("{schedule: {every: 1d}, to: ./d/r.html}", ["report.to: is in the destination of 'a', which would remove it; write it elsewhere"]),
        ("{schedule: {every: 1d}, to: ops, sinec: 1d}", ["report.sinec: unknown key; did you mean 'since'?"]),
        ("{schedule: {at: '07:00', on: mon}, to: [ops, './all-%Y.html']}", []),
    ],
)  # fmt: skip
def test_a_report_on_all_jobs_is_checked_as_one_on_a_job(
    tmp_path: Path, report: str, told: list[str]
) -> None:
    text = with_notifiers(f"{SMTP}}}", jobs=f"report: {report}\n{JOBS}")

    assert problems_of(tmp_path, text) == [f"jobs.yaml:5: {line}" for line in told]


def test_everything_wrong_with_notifiers_is_told_at_once(tmp_path: Path) -> None:
    """A value that is wrong in one of them hides nothing of the others."""
    text = with_notifiers(
        "a: {type: smtp, host: h, from: d, to: [o@lan]}\n  b: {type: webhook}\n  c: {type: ses, url: x}"
    )

    told = problems_of(tmp_path, text)

    assert [line.split(": ")[1] for line in told] == [
        *("notifiers.a.from", "notifiers.b", "notifiers.c", "notifiers.c", "notifiers.c.url", "notifiers.c.url"),
    ]  # fmt: skip


def test_an_included_file_declares_no_notifiers(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("notifiers: {}\n")

    told = problems_of(tmp_path, f"version: 1\ninclude: [more.yaml]\n{JOBS}")

    assert told == ["more.yaml:1: notifiers: not allowed in an included file; move it to the main file"]


def test_no_secret_of_a_notifier_is_shown(tmp_path: Path) -> None:
    """A secret is shown by its name; a URL or header that stands in the file is masked."""
    lines = (
        "ops: {type: smtp, host: mail.lan, from: d@lan, to: [o@lan], password: {secret: pw}}\n"
        f"  hook: {{type: webhook, url: '{SLACK}', headers: {{Authorization: Bearer abcdefgh}}}}\n"
        "  chat: {type: apprise, url: 'slack://tokenA/tokenB/tokenC'}"
    )
    configuration = declared(tmp_path, with_notifiers(lines))

    shown = effective_yaml(str(tmp_path / "jobs.yaml"))

    hook, chat = configuration.notifiers["hook"], configuration.notifiers["chat"]
    assert isinstance(hook, WebhookNotifier)
    assert isinstance(chat, AppriseNotifier)
    assert yaml.safe_load(shown)["notifiers"]["ops"]["password"] == {"secret": "pw"}
    for secret in ("hunter22", "t0psecret", "abcdefgh", "tokenB"):
        assert secret not in shown
        assert secret not in repr(configuration)
    assert configuration.mask(f"GET {SLACK}") == "GET ***"
    assert configuration.mask("no route to /services/T00/B00/t0psecret") == "no route to /***"


def test_what_is_shown_loads_again_to_the_same_notifiers(tmp_path: Path) -> None:
    lines = (
        "ops: {type: smtp, host: mail.lan, from: 'x <d@lan>', to: o@lan, password: {secret: pw}, ca: ca.pem}\n"
        "  ses: {type: ses, from: d@lan, to: [o@lan], region: eu-central-1}"
    )
    jobs = "report: {schedule: {at: '07:00'}, to: [ops, ./r.html]}\njobs: {a: {source: s, destination: d, notify: [{to: ses, on: [changes]}]}}\n"
    before = declared(tmp_path, with_notifiers(lines, jobs=jobs))
    shown = effective_yaml(str(tmp_path / "jobs.yaml"))

    after = declared(tmp_path, shown)

    assert (after.notifiers, after.jobs, after.report) == (before.notifiers, before.jobs, before.report)
