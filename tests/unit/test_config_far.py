"""Endpoints, far places and what is served, as jobs.yaml declares them."""

# ruff: noqa: E501 - what is told is one line

from __future__ import annotations

from pathlib import Path

import pytest

from dirsync.model.job import MirrorJob, PushJob
from dirsync.model.place import FarPlace, LocalPlace
from dirsync.model.serving import Access, token_hash
from tests.declared import declared, problems_of

HEAD = "version: 1\nsecrets: {t: {environment: T}}\n"
ENDPOINT = (
    'endpoints: {nas: {url: "https://nas:8443/photos/2026", token: {secret: t}, fingerprint: "sha256:'
    + "ab" * 32
    + '"}}\n'
)


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T", "the token\n")
    monkeypatch.delenv("DIRSYNC_TOKEN", raising=False)


def jobs(**keys: str) -> str:
    return "jobs: {j: {" + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}}\n"


def test_endpoint_gives_a_place_its_share_token_and_fingerprint(tmp_path: Path) -> None:
    (job,) = declared(tmp_path, HEAD + ENDPOINT + jobs(source='"nas:/a b/c"', destination="./d")).jobs

    assert isinstance(job, MirrorJob)
    assert job.source == FarPlace(
        address="https://nas:8443",
        share="photos",
        beneath=b"2026/a b/c",
        token="the token",
        fingerprint="ab" * 32,
    )


def test_far_destination_makes_a_job_that_pushes(tmp_path: Path) -> None:
    (job,) = declared(tmp_path, HEAD + ENDPOINT + jobs(source="./s", destination='"nas:/"')).jobs

    assert isinstance(job, PushJob)
    assert isinstance(job.source, LocalPlace)
    assert str(job.destination) == "https://nas:8443/photos/2026"


def test_url_of_an_endpoints_share_is_known_as_that_is(tmp_path: Path) -> None:
    text = HEAD + ENDPOINT + jobs(source='"https://nas:8443/photos/x%20y"', destination="./d")
    (job,) = declared(tmp_path, text).jobs

    assert isinstance(job.source, FarPlace)
    assert (job.source.beneath, job.source.token) == (b"x y", "the token")


def test_token_is_in_no_text_of_a_place(tmp_path: Path) -> None:
    configuration = declared(tmp_path, HEAD + ENDPOINT + jobs(source='"nas:/"', destination="./d"))

    assert "the token" not in repr(configuration.jobs[0].source) + str(configuration.jobs[0].source)
    assert configuration.mask("it is the token") == "it is ***"


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("{}", "endpoints.e: 'url' is missing; write 'url: https://host:8443/share'"),
        ("{url: nas}", "endpoints.e.url: 'nas' is no URL of an agent; write https://host:8443/share"),
        (
            "{url: 'https://nas:99999/x'}",
            "endpoints.e.url: 'https://nas:99999/x' is no URL: Port out of range 0-65535; write https://host:8443/share",
        ),
        (
            "{url: 'http://nas/x'}",
            "endpoints.e.url: is plain HTTP to another machine, where anybody can listen; write https, or 'insecure: true'",
        ),
        (
            "{url: 'https://nas/x?y'}",
            "endpoints.e.url: 'https://nas/x?y' has a part after '?' or '#'; write https://host:8443/share",
        ),
        (
            "{url: 'https://nas/x', token: {secret: u}}",
            "endpoints.e.token: there is no secret 'u'; declare it under 'secrets'",
        ),
        (
            "{url: 'https://nas/x', fingerprint: abc}",
            "endpoints.e.fingerprint: 'abc' is no fingerprint; write 'sha256:' and 64 hexadecimal digits",
        ),
        (
            "{url: 'https://nas/x', ca: a, fingerprint: '" + "0" * 64 + "'}",
            "endpoints.e.fingerprint: stands together with 'ca'; keep one of the two",
        ),
        ("{url: 'https://nas/x', tokn: {secret: t}}", "endpoints.e.tokn: unknown key; did you mean 'token'?"),
    ],
)
def test_endpoint_that_is_wrong_is_one_line(tmp_path: Path, endpoint: str, told: str) -> None:
    text = HEAD + f"endpoints: {{e: {endpoint}}}\n" + jobs(source="./s", destination="./d")

    assert problems_of(tmp_path, text) == [f"jobs.yaml:3: {told}"]


def test_plain_http_is_for_this_machine_or_said_in_so_many_words(tmp_path: Path) -> None:
    for url, more in (("http://127.0.0.1:1/x", ""), ("http://nas/x", ", insecure: true")):
        text = HEAD + f'endpoints: {{e: {{url: "{url}"{more}}}}}\n' + jobs(source='"e:/"', destination="./d")
        source = declared(tmp_path, text).jobs[0].source
        assert isinstance(source, FarPlace)
        assert source.address == url.rpartition("/")[0] + ("" if ":1/" in url else ":80")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            {"source": "'nas:/'", "destination": "'nas:/b'"},
            "jobs.j.destination: is on another machine, as the source is; let one of the two machines run the job",
        ),
        (
            {"type": "track", "source": "'nas:/'"},
            "jobs.j.source: is on another machine; let that machine track it",
        ),
        (
            {"source": "'nas:/'", "destination": "d", "watch": "true"},
            "jobs.j.watch: hears nothing of another machine; drop it, and give the job an 'interval'",
        ),
        (
            {"source": "'nas:/'", "destination": "d", "symlinks": "follow"},
            "jobs.j.symlinks: follows no links of another machine; write 'symlinks: preserve' or 'skip'",
        ),
        (
            {"source": "'nsa:/'", "destination": "d"},
            "jobs.j.source: there is no endpoint 'nsa'; did you mean 'nas'?",
        ),
        (
            {"source": "'nas:/../x'", "destination": "d"},
            "jobs.j.source: 'nas:/../x' leads out of its share; write a path without '..'",
        ),
    ],
)
def test_what_a_far_end_cannot_do_is_told(tmp_path: Path, keys: dict[str, str], told: str) -> None:
    assert problems_of(tmp_path, HEAD + ENDPOINT + jobs(**keys)) == [f"jobs.yaml:4: {told}"]


SERVE = "serve: {{listen: {listen}, {more}shares: {{s: {share}}}}}\n"
SHARE = "{path: ./srv, tokens: [{secret: t}]}"


def serve(*, listen: str = "127.0.0.1:8443", more: str = "", share: str = SHARE) -> str:
    return SERVE.format(listen=listen, more=more, share=share)


def test_file_that_only_serves_needs_no_jobs(tmp_path: Path) -> None:
    serving = declared(tmp_path, HEAD + serve()).serving
    assert serving is not None

    (share,) = serving.shares
    assert (serving.host, serving.port, share.access) == ("127.0.0.1", 8443, Access.READ)
    assert share.path == str(tmp_path / "srv").encode()
    assert share.token_hashes == (token_hash("the token"),)


def test_token_may_be_known_by_its_hash_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = token_hash("another").hex()
    monkeypatch.setenv("T", f"sha256:{known}")
    both = f"{{path: ./srv, tokens: [{{secret: t}}, {{sha256: '{known}'}}]}}"

    serving = declared(tmp_path, HEAD + serve(share=both)).serving
    assert serving is not None

    assert serving.shares[0].token_hashes == (token_hash("another"),) * 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            serve(listen="8443"),
            "serve.listen: '8443' is no place to listen; write host:port, as 0.0.0.0:8443",
        ),
        (
            serve(listen="0.0.0.0:1"),
            "serve.listen: is plain HTTP for other machines, where anybody can listen; add 'tls', listen on 127.0.0.1, or write 'insecure: true'",
        ),
        (serve(more="tls: {cert: a}, "), "serve.tls: 'key' is missing; 'serve --generate-cert' makes both"),
        (
            serve(share="{tokens: [{secret: t}]}"),
            "serve.shares.s: 'path' is missing; write 'path: /srv/photos'",
        ),
        (
            serve(share="{path: a}"),
            "serve.shares.s: 'tokens' is missing: nobody could open it; write 'tokens: [{secret: laptop}]'",
        ),
        (
            serve(share="{path: a, tokens: [{}]}"),
            "serve.shares.s.tokens[0]: is one thing; write either 'secret: NAME' or 'sha256: …'",
        ),
        (
            serve(share="{path: a, tokens: [{secret: u}]}"),
            "serve.shares.s.tokens[0]: there is no secret 'u'; declare it under 'secrets'",
        ),
        (
            serve(share="{path: a, access: rw, tokens: [{secret: t}]}"),
            "serve.shares.s.access: 'rw' is not known; write list, read or write",
        ),
        (
            "serve: {listen: '127.0.0.1:1'}\n",
            "serve: serves nothing; write 'shares: {photos: {path: /srv/photos, tokens: […]}}'",
        ),
    ],
)
def test_serving_that_is_wrong_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    assert problems_of(tmp_path, HEAD + text) == [f"jobs.yaml:3: {told}"]


@pytest.mark.parametrize(
    ("written", "bytes_a_second"), [("none", None), ("5M", 5 << 20), ("1MiB/s", 1 << 20), ("2000", 2000)]
)
def test_bandwidth_is_bytes_a_second(tmp_path: Path, written: str, bytes_a_second: int | None) -> None:
    text = "version: 1\n" + jobs(source="./s", destination="./d", bandwidth=written)

    assert declared(tmp_path, text).jobs[0].bandwidth == bytes_a_second


def test_bandwidth_of_next_to_nothing_is_refused(tmp_path: Path) -> None:
    text = "version: 1\n" + jobs(source="./s", destination="./d", bandwidth="10")

    (told,) = problems_of(tmp_path, text)
    assert "jobs.j.bandwidth: '10' is next to nothing; write at least 1024 bytes a second, as 1M" in told
