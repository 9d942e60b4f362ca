"""Who is trusted: certificates before anything is sent, tokens before anything is told; and no more."""

from __future__ import annotations

import datetime
import http.client
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import trustme

from dirsync.agent.certificates import fingerprint_of
from dirsync.agent.server import serving_agent
from dirsync.errors import RunError
from dirsync.model.job import HashAlgorithm, JobType
from dirsync.model.place import FarPlace
from dirsync.model.serving import Access, Serving, Share, token_hash
from dirsync.trees.far.connection import FarConnection, Refusal
from dirsync.trees.far.http import HttpAsking
from dirsync.trees.far.tree import FarTree
from dirsync.wire.asks import AskEntries, AskFiles, AskListings, FileWanted, Question
from dirsync.wire.runs import Order, ordered_job
from tests.agents import TOKEN
from tests.jobs import sync_job
from tests.trees import Link, tree

PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_encode = msgspec.msgpack.Encoder().encode


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


class Up:
    """An agent that is up, with shares of each access."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.folder = folder
        self.port = int(address.rpartition(":")[2])

    def place(self, share: str = "read", *, beneath: bytes = b"", **more: str | None) -> FarPlace:
        given: dict[str, str | None] = {"token": TOKEN, "ca": str(self.folder / "ca.pem"), **more}
        return FarPlace(address=self.address, share=share, beneath=beneath, **given)  # type: ignore[arg-type]


def up(tmp_path: Path, certificate: trustme.LeafCert, *, host: str = "127.0.0.1") -> Iterator[Up]:
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    root = tmp_path / "share"
    if not root.exists():
        tree(root, {"a": b"secret", "d": {"b": b"2"}, "out": Link("/etc"), "up": Link("..")})
        (tmp_path / "outside").write_bytes(b"outside")
    hashes = (token_hash("another one"), token_hash(TOKEN))
    shares = tuple(
        Share(name=access.value, path=os.fsencode(root), access=access, token_hashes=hashes)
        for access in Access
    )
    foreign = Share(
        name="foreign", path=os.fsencode(tmp_path), access=Access.WRITE, token_hashes=(token_hash("other"),)
    )
    serving = Serving(
        host=host,
        port=0,
        certificate=str(tmp_path / "cert.pem"),
        key=str(tmp_path / "key.pem"),
        shares=(*shares, foreign),
    )
    with serving_agent(serving, state=str(tmp_path / "state")) as agent:
        yield Up(agent.address.replace("127.0.0.1", "localhost"), tmp_path)


@pytest.fixture
def agent(tmp_path: Path, authority: trustme.CA) -> Iterator[Up]:
    yield from up(tmp_path, authority.issue_cert("localhost"))


def greeted(place: FarPlace) -> str:
    connection = FarConnection(place, HttpAsking(place))
    try:
        return connection.greeting().program
    finally:
        connection.close()


# Certificates


def test_certificate_of_a_trusted_authority_for_the_right_name_is_taken(agent: Up) -> None:
    assert greeted(agent.place()).startswith("dirsync ")


def test_certificate_of_an_unknown_authority_fails_closed(agent: Up) -> None:
    with pytest.raises(Refusal, match=r"its certificate is not trusted: .*; give the endpoint"):
        greeted(agent.place(ca=None))


def test_certificate_for_another_name_fails_closed(tmp_path: Path, authority: trustme.CA) -> None:
    for each in up(tmp_path, authority.issue_cert("elsewhere.test")):
        with pytest.raises(Refusal, match="not trusted: Hostname mismatch"):
            greeted(each.place())


@pytest.mark.parametrize("pins", [True, False])
def test_certificate_that_has_expired_fails_closed(tmp_path: Path, authority: trustme.CA, pins: bool) -> None:
    expired = authority.issue_cert("localhost", not_before=PAST, not_after=PAST + datetime.timedelta(days=9))
    for each in up(tmp_path, expired):
        pin = fingerprint_of(str(tmp_path / "cert.pem")) if pins else None
        with pytest.raises(Refusal, match="not trusted: certificate has expired"):
            greeted(each.place(fingerprint=pin))


def test_pinned_certificate_is_taken_whatever_its_name_and_authority(
    tmp_path: Path, authority: trustme.CA
) -> None:
    for each in up(tmp_path, authority.issue_cert("elsewhere.test")):
        pin = fingerprint_of(str(tmp_path / "cert.pem"))
        assert greeted(each.place(ca=None, fingerprint=pin)).startswith("dirsync ")


def test_another_certificate_than_the_pinned_one_fails_closed(agent: Up) -> None:
    with pytest.raises(Refusal, match=r"has the fingerprint sha256:[0-9a-f]{64}, not sha256:0000"):
        greeted(agent.place(fingerprint="0" * 64))


# Tokens

_REQUESTS = [
    ("POST", "/v1/shares/read/ask"),
    ("POST", "/v1/shares/nothing/ask"),
    ("POST", "/v1/shares/write/runs"),
    ("POST", "/v1/runs/abc/events"),
    ("POST", "/v1/runs/abc/answers/1"),
    ("POST", "/v1/runs/abc/heard/1"),
    ("POST", "/v1/runs/abc/stop"),
    ("GET", "/v1/shares/read/ask"),
    ("GET", "/"),
    ("GET", "/v1"),
    ("DELETE", "/v1/shares/read"),
    ("GET", "/docs"),
    ("GET", "/../../etc/passwd"),
]
_TOKENS = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Bearer wrong",
    f"Basic {TOKEN}",
    f"Bearer {TOKEN}x",
    f"Bearer {TOKEN[:-1]}",
]


def asked(
    agent: Up, method: str, path: str, *, authorization: str | None, body: bytes = b""
) -> tuple[int, bytes]:
    context = ssl.create_default_context(cafile=str(agent.folder / "ca.pem"))
    connection = http.client.HTTPSConnection("localhost", agent.port, context=context, timeout=20)
    headers = {} if authorization is None else {"Authorization": authorization}
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(("method", "path"), _REQUESTS)
def test_request_without_a_valid_token_learns_nothing_but_401(agent: Up, method: str, path: str) -> None:
    answers = {asked(agent, method, path, authorization=token) for token in _TOKENS}

    assert answers == {(401, b'{"error":"unauthorized"}')}


def test_health_says_that_it_is_there_and_no_more(agent: Up) -> None:
    assert asked(agent, "GET", "/health", authorization=None) == (200, b'{"status":"ok"}')


def test_token_of_one_share_does_not_open_another(agent: Up) -> None:
    with pytest.raises(Refusal, match="there is no share 'foreign' for this token"):
        greeted(agent.place("foreign"))
    with pytest.raises(Refusal, match="there is no share 'nothing' for this token"):
        greeted(agent.place("nothing"))


def test_wrong_token_is_told_as_such(agent: Up) -> None:
    with pytest.raises(Refusal, match="does not know this token"):
        greeted(agent.place(token="wrong"))


# Access


def far_tree(place: FarPlace) -> FarTree:
    return FarTree(FarConnection(place, HttpAsking(place)))


def test_share_that_may_be_listed_cannot_be_read(agent: Up) -> None:
    listed = far_tree(agent.place("list"))

    assert listed.listing(b"").name_list() == [b"a", b"d", b"out", b"up"]
    for deed in (
        lambda: listed.read_file(b"a"),
        lambda: listed.content(b"a", HashAlgorithm.BLAKE3, check=lambda: None),
        lambda: listed.bearer(b"a").attributes(frozenset({})) or listed.opened(b"a").status(),
    ):
        with pytest.raises(Refusal, match="may be listed, but not read"):
            deed()


def order(tmp_path: Path, kind: JobType, *, dry_run: bool = False) -> bytes:
    job = msgspec.structs.replace(sync_job(tmp_path, tmp_path), type=kind)
    return _encode(Order(root=b"d", client="0" * 16, job="push", ordered=ordered_job(job), dry_run=dry_run))


@pytest.mark.parametrize("share", ["list", "read"])
def test_share_that_is_not_for_writing_refuses_a_run(agent: Up, share: str, tmp_path: Path) -> None:
    path, authorization = f"/v1/shares/{share}/runs", f"Bearer {TOKEN}"

    answer = asked(agent, "POST", path, authorization=authorization, body=order(tmp_path, JobType.SYNC))

    assert answer == (403, b'{"error":"share \'%s\' may not be written to"}' % share.encode())


@pytest.mark.parametrize(("kind", "dry_run"), [(JobType.CHECK, False), (JobType.SYNC, True)])
def test_share_that_may_be_read_takes_a_run_that_changes_nothing(
    agent: Up, kind: JobType, dry_run: bool, tmp_path: Path
) -> None:
    path, authorization = "/v1/shares/read/runs", f"Bearer {TOKEN}"
    body = order(tmp_path, kind, dry_run=dry_run)
    context = ssl.create_default_context(cafile=str(agent.folder / "ca.pem"))
    connection = http.client.HTTPSConnection("localhost", agent.port, context=context, timeout=20)
    connection.request("POST", path, body=body, headers={"Authorization": authorization})

    response = connection.getresponse()

    assert response.status == 200
    assert b"began" in response.read1()
    connection.close()


# Nothing outside of the share

_OUTSIDE = [
    b"../outside",
    b"..",
    b".",
    b"d/../../outside",
    b"/etc/hostname",
    b"d//b",
    b"d/./b",
    b"a\0",
    b"x" * 256,
]
_THROUGH_LINKS = [b"out/hostname", b"up/outside"]


@pytest.mark.parametrize("path", _OUTSIDE)
def test_path_that_is_none_is_refused_with_a_reason(agent: Up, path: bytes) -> None:
    for ask in (
        AskListings(paths=[path]),
        AskEntries(paths=[path]),
        AskFiles(files=[FileWanted(path)]),
    ):
        for question in (Question(ask=ask), Question(ask=AskListings(paths=[b""]), root=path)):
            status, body = asked(
                agent,
                "POST",
                "/v1/shares/read/ask",
                authorization=f"Bearer {TOKEN}",
                body=_encode(question),
            )
            assert status == 200
            assert b"is not the name of an entry" in body
            assert b"outside" not in body.replace(path, b"").replace(b"'../outside'", b"")


@pytest.mark.parametrize("path", _THROUGH_LINKS)
def test_link_in_a_share_leads_nowhere(agent: Up, path: bytes) -> None:
    read = far_tree(agent.place("read"))

    with pytest.raises((OSError, RunError)):
        read.read_file(path)
    with pytest.raises((OSError, RunError)):
        far_tree(agent.place("read", beneath=path.split(b"/")[0])).listing(b"")


def test_question_that_is_none_is_refused(agent: Up) -> None:
    for body in (b"", b"\xc1", b"\x80", b"{}", _encode({"ask": {"type": "other"}}), os.urandom(100)):
        status, told = asked(agent, "POST", "/v1/shares/read/ask", authorization=f"Bearer {TOKEN}", body=body)
        assert status == 400, told


def test_question_that_is_too_long_is_refused(agent: Up) -> None:
    status, told = asked(
        agent, "POST", "/v1/shares/read/ask", authorization=f"Bearer {TOKEN}", body=bytes(17 << 20)
    )

    assert status == 413, told
