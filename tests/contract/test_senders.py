"""Each sender against a real server of its kind: what arrives, what is refused, and what is said then."""

from __future__ import annotations

import base64
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import trustme
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.server import ThreadedMotoServer
from moto.ses.models import ses_backends
from msgspec.structs import replace

from dirsync.errors import NotDelivered
from dirsync.model.notifier import (
    AppriseNotifier,
    Notifier,
    Secret,
    Security,
    SesNotifier,
    SmtpNotifier,
    WebhookNotifier,
)
from dirsync.notify.sending import send, send_patiently
from tests.mail_servers import PASSWORD, USER, MailServer, body, mail_server
from tests.tidings import eventful_run, letter
from tests.webhooks import WebHook, web_hook

LETTER = letter(eventful_run(more=40))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    """A mail server that takes no mail without STARTTLS and password."""
    with mail_server(tmp_path, asks_password=True) as running:
        yield running


@pytest.fixture
def hook() -> Iterator[WebHook]:
    with web_hook() as running:
        yield running


def by_smtp(server: MailServer, *, password: str = PASSWORD) -> SmtpNotifier:
    return SmtpNotifier(
        name="ops",
        host=server.host,
        port=server.port,
        sender="dirsync <dirsync@lan>",
        to=("ops@lan", "Ann <ann@lan>"),
        user=USER,
        password=Secret(password),
        ca=str(server.ca),
    )


def by_webhook(url: str, **headers: str) -> WebhookNotifier:
    return WebhookNotifier(
        name="hook",
        url=Secret(url),
        headers=tuple((name, Secret(value)) for name, value in headers.items()),
    )


def refusal(notifier: Notifier) -> NotDelivered:
    """Send a letter that is refused."""
    with pytest.raises(NotDelivered) as caught:
        send(notifier, LETTER)
    return caught.value


# SMTP


def test_a_mail_goes_out_encrypted_and_logged_in(server: MailServer) -> None:
    send(by_smtp(server), LETTER)

    (mail,), (envelope,) = server.box.mails, server.box.envelopes
    assert server.box.were_protected == [True]
    assert (envelope.mail_from, envelope.rcpt_tos) == ("dirsync@lan", ["ops@lan", "ann@lan"])
    assert mail["Subject"] == "photos: 49 failed, 49 deleted, 98 copied, 1 moved"
    assert body(mail, "plain").replace("\r\n", "\n") == LETTER.text
    assert body(mail, "html").replace("\r\n", "\n") == LETTER.html.rstrip("\n") + "\n"
    assert [part.get_filename() for part in mail.iter_attachments()] == ["changes.csv"]


def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    with mail_server(tmp_path, speaks_tls=True) as server:
        send(replace(by_smtp(server), security=Security.TLS, user=None), LETTER)

        assert len(server.box.envelopes) == 1


def test_a_server_without_starttls_gets_no_mail(tmp_path: Path) -> None:
    with mail_server(tmp_path, protects=False) as server:
        error = refusal(by_smtp(server))

        assert str(error) == (
            f"'ops': localhost:{server.port} offers no STARTTLS; write 'security: tls', or another port"
        )
        assert not error.is_transient
        assert server.box.envelopes == []


def test_a_server_on_this_machine_may_be_spoken_to_in_the_clear(tmp_path: Path) -> None:
    with mail_server(tmp_path, protects=False) as server:
        send(replace(by_smtp(server), security=Security.NONE, user=None, password=None), LETTER)

        assert server.box.were_protected == [False]


def test_a_server_that_cannot_prove_who_it_is_gets_no_password(server: MailServer, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)

    error = refusal(replace(by_smtp(server), ca=str(other)))

    assert str(error).startswith(f"'ops': localhost:{server.port} cannot prove who it is: ")
    assert not error.is_transient
    assert server.box.envelopes == []


def test_a_certificate_of_another_name_is_refused(server: MailServer) -> None:
    error = refusal(replace(by_smtp(server), host="127.0.0.1"))

    assert "cannot prove who it is" in str(error)


def test_a_missing_file_of_certificates_is_told(server: MailServer, tmp_path: Path) -> None:
    error = refusal(replace(by_smtp(server), ca=str(tmp_path / "missing.pem")))

    assert (
        str(error)
        == f"'ops': certificates '{tmp_path}/missing.pem' cannot be read: No such file or directory"
    )
    assert not error.is_transient


def test_a_wrong_password_is_told_and_not_repeated(server: MailServer) -> None:
    error = refusal(by_smtp(server, password="wr0ng-passw0rd"))

    assert str(error).startswith(f"'ops': localhost:{server.port} refused user or password: 535 ")
    assert "wr0ng" not in str(error)
    assert not error.is_transient


def test_a_password_beyond_ascii_is_told(server: MailServer) -> None:
    error = refusal(by_smtp(server, password="pässwörd"))

    assert "beyond ASCII" in str(error)
    assert "pässwörd" not in str(error)


def test_a_sender_who_is_refused_is_told(server: MailServer) -> None:
    server.box.sender_answer = "550 5.7.1 no <b>such</b> sender\x1b[31m"
    error = refusal(by_smtp(server))

    assert str(error) == (
        f"'ops': localhost:{server.port} refused the sender: 550 5.7.1 no <b>such</b> sender\\x1b[31m"
    )
    assert not error.is_transient


def test_recipients_who_are_all_refused_are_told(server: MailServer) -> None:
    server.box.refused = {"ops@lan": "550 unknown", "ann@lan": "550 unknown"}
    error = refusal(by_smtp(server))

    assert str(error) == f"'ops': localhost:{server.port} refused every recipient: 550 unknown"


def test_one_recipient_who_is_refused_is_a_warning(
    server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.box.refused = {"ops@lan": "550 unknown"}

    with caplog.at_level(logging.WARNING):
        send(by_smtp(server), LETTER)

    assert [envelope.rcpt_tos for envelope in server.box.envelopes] == [["ann@lan"]]
    assert f"'ops': localhost:{server.port} refused 'ops@lan': 550 unknown" in caplog.text


def test_what_may_pass_is_tried_again(server: MailServer) -> None:
    server.box.answers = ["451 try later", "421 busy"]
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return False

    send_patiently(by_smtp(server), LETTER, wait=wait)

    assert pauses == [2.0, 8.0]
    assert len(server.box.envelopes) == 1


def test_what_will_not_pass_is_not_tried_again(server: MailServer) -> None:
    server.box.answers = ["554 spam", "250 OK"]

    with pytest.raises(NotDelivered, match="refused the mail: 554 spam"):
        send_patiently(by_smtp(server), LETTER, wait=lambda _: pytest.fail("another try"))


def test_a_server_that_is_not_there_may_come_back(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        notifier = by_smtp(server)
    error = refusal(notifier)

    assert str(error) == f"'ops': localhost:{server.port} cannot be reached: Connection refused"
    assert error.is_transient


def test_a_server_that_says_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dirsync.notify.smtp._TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        notifier = SmtpNotifier(
            name="ops", host="127.0.0.1", port=silent.getsockname()[1], sender="d@lan", to=("o@lan",)
        )
        begun_at = time.monotonic()
        error = refusal(notifier)

    assert "broke off: Connection unexpectedly closed: timed out" in str(error)
    assert error.is_transient
    assert time.monotonic() - begun_at < 5


@pytest.mark.parametrize("security", Security)
def test_a_host_that_cannot_be_is_told(security: Security) -> None:
    notifier = SmtpNotifier(
        name="ops", host="a" * 70 + ".lan", port=25, sender="d@lan", to=("o@lan",), security=security
    )

    assert str(refusal(notifier)).endswith(".lan:25 cannot be reached: that is no host")
    assert str(refusal(by_webhook(f"http://{notifier.host}/"))).endswith(
        ".lan cannot be reached: that is no host"
    )


# SES


@pytest.fixture(scope="module")
def ses() -> Iterator[str]:
    """The URL of a server that answers as Amazon SES does."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def by_ses(url: str) -> SesNotifier:
    return SesNotifier(
        name="cloud", sender="dirsync@lan", to=("ops@lan",), region="eu-central-1", endpoint_url=url
    )


@pytest.mark.usefixtures("aws")
def test_a_mail_goes_out_through_ses(ses: str) -> None:
    client = boto3.client("ses", region_name="eu-central-1", endpoint_url=ses)
    client.verify_email_identity(EmailAddress="dirsync@lan")

    send(by_ses(ses), LETTER)

    (sent,) = ses_backends[DEFAULT_ACCOUNT_ID]["eu-central-1"].sent_messages
    assert sent.source == "dirsync@lan"
    assert "Subject: photos: 49 failed, 49 deleted, 98 copied, 1 moved" in sent.raw_data


@pytest.mark.usefixtures("aws")
def test_a_sender_whom_ses_does_not_know_is_told(ses: str) -> None:
    error = refusal(replace(by_ses(ses), sender="stranger@lan"))

    assert str(error).startswith("'cloud': Amazon SES refused the mail: ")
    assert not error.is_transient


@pytest.mark.usefixtures("aws")
def test_ses_that_is_not_there_may_come_back() -> None:
    error = refusal(by_ses("http://127.0.0.1:1"))

    assert str(error).startswith("'cloud': Amazon SES cannot be used: ")
    assert error.is_transient


# Webhooks


def test_a_webhook_gets_json_and_its_headers(hook: WebHook) -> None:
    send(by_webhook(f"{hook.url}/a?b=c", Authorization="Bearer token"), LETTER)

    (posted,) = hook.posted
    assert posted.path == "/a?b=c"
    assert posted.headers["authorization"] == "Bearer token"
    assert posted.headers["content-type"] == "application/json"
    assert posted.fields["subject"] == LETTER.subject
    assert posted.fields["failures"][0]["path"] == "<script>alert(1)</script>\nBcc: x@y"
    assert posted.body.isascii()
    assert not set(b"<>&\n") & set(posted.body)


@pytest.mark.parametrize(
    ("status", "is_transient"),
    [(404, False), (401, False), (408, True), (429, True), (500, True), (503, True)],
)
def test_a_webhook_that_refuses_is_told_without_its_path(
    hook: WebHook, status: int, is_transient: bool
) -> None:
    hook.answers = [(status, {})]
    error = refusal(by_webhook(f"{hook.url}/t0psecret"))

    assert str(error).startswith(f"'hook': {hook.url} refused the message: {status} ")
    assert error.is_transient is is_transient


def test_a_user_in_the_url_logs_in(hook: WebHook) -> None:
    send(by_webhook(hook.url.replace("://", "://us%40er:p%C3%A4ss@")), LETTER)

    assert (
        hook.posted[0].headers["authorization"] == "Basic " + base64.b64encode("us@er:päss".encode()).decode()
    )


def test_a_webhook_that_is_not_there_may_come_back() -> None:
    error = refusal(by_webhook("http://user:secret@127.0.0.1:1/t0psecret"))

    assert str(error) == "'hook': http://127.0.0.1:1 cannot be reached: Connection refused"
    assert error.is_transient


def test_a_redirection_within_the_server_is_followed(hook: WebHook) -> None:
    hook.answers = [(308, {"Location": f"{hook.url}/new"})]

    send(by_webhook(f"{hook.url}/old", Authorization="Bearer token"), LETTER)

    (posted,) = hook.posted
    assert (posted.path, posted.headers["authorization"]) == ("/new", "Bearer token")
    assert posted.fields["subject"] == LETTER.subject


@pytest.mark.parametrize(
    ("status", "target"),
    [
        (307, "file:///etc/passwd"),
        (307, "ftp://127.0.0.1/"),
        (307, "https://127.0.0.1:1/"),
        (307, "http://127.0.0.2:1/"),
        (302, "/new"),
        (301, "/new"),
    ],
)
def test_a_redirection_to_elsewhere_is_not_followed(hook: WebHook, status: int, target: str) -> None:
    """Neither to another protocol or server, nor where what is posted would be lost."""
    hook.answers = [(status, {"Location": target})]
    error = refusal(by_webhook(hook.url))

    assert f"'hook': {hook.url} sends elsewhere ({status} " in str(error)
    assert not error.is_transient
    assert hook.posted == []


def test_redirections_in_a_circle_end(hook: WebHook) -> None:
    hook.answers = [(307, {"Location": "/"})] * 30

    assert "hook" in str(refusal(by_webhook(hook.url)))


# Chat services


def test_a_chat_service_is_told(hook: WebHook) -> None:
    send(AppriseNotifier(name="chat", url=Secret(hook.url.replace("http://", "json://") + "/p")), LETTER)

    (posted,) = hook.posted
    assert posted.fields["title"] == LETTER.subject
    assert posted.fields["message"].startswith("Failed (49)\n")
    assert posted.fields["type"] == "warning"


def test_a_chat_service_that_refuses_is_told_without_its_url(
    hook: WebHook, capfd: pytest.CaptureFixture[str]
) -> None:
    hook.answers = [(403, {})]
    error = refusal(
        AppriseNotifier(name="chat", url=Secret(hook.url.replace("http://", "json://") + "/t0psecret"))
    )

    assert str(error).startswith("'chat': json did not take the message: ")
    assert "403" in str(error)
    assert "t0psecret" not in str(error)
    assert "t0psecret" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("url", ["nosuch://t0psecret/x", "slack://t0psecret"])
def test_a_chat_service_that_is_unknown_is_told(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    error = refusal(AppriseNotifier(name="chat", url=Secret(url)))

    scheme = url.partition("://")[0]
    assert str(error) == f"'chat': {scheme} is no service that Apprise knows, or its URL is not complete"
    assert not error.is_transient
    assert "t0psecret" not in "".join(capfd.readouterr())
