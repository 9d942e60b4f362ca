"""What people get wrong of an endpoint is told in one line, with the right exit code."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.agents import TOKEN, AgentProcess, free_port
from tests.program import CHECKOUT, Ended
from tests.trees import tree


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    folder = tmp_path_factory.mktemp("agent")
    tree(folder / "share", {"out": {"a": b"1"}})
    with AgentProcess(folder / "files", {"tree": (folder / "share", "write")}) as agent:
        yield agent


@pytest.fixture
def stranger() -> Iterator[int]:
    """Give the port of a server that speaks HTTP, and is no agent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
                    connection.close()

        threading.Thread(target=answer, daemon=True).start()
        yield listener.getsockname()[1]


def run_now(
    tmp_path: Path, agent: AgentProcess, *, job: str, token: str | None = TOKEN, **endpoint: Any
) -> Ended:
    """Run a job of which the endpoint is declared otherwise than it should be."""
    known = {
        "url": f"https://127.0.0.1:{agent.port}/tree",
        "token": {"secret": "token"},
        "fingerprint": f"sha256:{agent.fingerprint}",
        **endpoint,
    }
    declared = {
        "version": 1,
        "secrets": {"token": {"file": "token"}},
        "endpoints": {"far": {key: value for key, value in known.items() if value is not None}},
        "jobs": {
            "pull": {"source": "far:/out", "destination": str(tmp_path / "in")},
            "push": {"source": str(tree(tmp_path / "out", {"a": b"1"})), "destination": "far:/in"},
        },
    }
    if token is not None:
        (tmp_path / "token").write_text(token)
    (tmp_path / "jobs.yaml").write_text(yaml.safe_dump(declared))
    return plainly(str(CHECKOUT / "run.py"), "-c", str(tmp_path / "jobs.yaml"), "--job", job, "--now")


def plainly(*arguments: str) -> Ended:
    """Run Python as a user would, and see what a user sees."""
    process = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    assert "Traceback" not in process.stderr
    return Ended(process.returncode, process.stdout, process.stderr)


def check_told(result: Ended, code: int, line: str) -> None:
    assert result.code == code, result.stderr
    assert line in result.stderr, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr


pytestmark = pytest.mark.parametrize("job", ["pull", "push"])


def test_port_where_nobody_listens(tmp_path: Path, agent: AgentProcess, job: str) -> None:
    result = run_now(tmp_path, agent, job=job, url=f"https://127.0.0.1:{free_port()}/tree")

    check_told(result, 75, "does not answer: Connection refused; is the agent running?")


def test_http_where_tls_is_spoken(tmp_path: Path, agent: AgentProcess, job: str) -> None:
    result = run_now(tmp_path, agent, job=job, url=f"http://127.0.0.1:{agent.port}/tree")

    check_told(result, 75, "does not answer: it closed the connection (if it speaks TLS, write https://)")


def test_tls_where_http_is_spoken(tmp_path: Path, agent: AgentProcess, stranger: int, job: str) -> None:
    result = run_now(tmp_path, agent, job=job, url=f"https://127.0.0.1:{stranger}/tree")

    check_told(result, 5, "does not speak TLS; give the port of the agent, or write http://")


def test_server_that_is_no_agent(tmp_path: Path, agent: AgentProcess, stranger: int, job: str) -> None:
    result = run_now(tmp_path, agent, job=job, url=f"http://127.0.0.1:{stranger}/tree")

    check_told(result, 5, "refused, and not as an agent would; is that its port? (404)")


def test_share_that_is_not_there(tmp_path: Path, agent: AgentProcess, job: str) -> None:
    result = run_now(tmp_path, agent, job=job, url=f"https://127.0.0.1:{agent.port}/other")

    check_told(result, 5, "there is no share 'other' for this token (404)")


def test_wrong_token(tmp_path: Path, agent: AgentProcess, job: str) -> None:
    result = run_now(tmp_path, agent, job=job, token="another one entirely")

    check_told(result, 5, "does not know this token; give the endpoint one that the share lists")


@pytest.mark.parametrize("token", ["пароль", "one line\nand another"])
def test_token_that_is_none(tmp_path: Path, agent: AgentProcess, job: str, token: str) -> None:
    result = run_now(tmp_path, agent, job=job, token=token)

    check_told(result, 2, "the secret 'token' is no token: one is a line of printable ASCII")


def test_secret_that_is_missing(tmp_path: Path, agent: AgentProcess, job: str) -> None:
    result = run_now(tmp_path, agent, job=job, token=None)

    assert result.code == 2
    assert "token" in result.stderr


def test_another_certificate_than_the_pinned_one(tmp_path: Path, agent: AgentProcess, job: str) -> None:
    result = run_now(tmp_path, agent, job=job, fingerprint="sha256:" + "0" * 64)

    check_told(result, 5, f"its certificate has the fingerprint sha256:{agent.fingerprint}, not sha256:00")


def test_certificate_that_nobody_vouches_for(tmp_path: Path, agent: AgentProcess, job: str) -> None:
    result = run_now(tmp_path, agent, job=job, fingerprint=None)

    check_told(result, 5, "its certificate is not trusted: self-signed certificate; give the endpoint its")


@pytest.mark.parametrize("module", ["pyfastcdc", "backports.zstd"])
def test_packages_that_are_missing(tmp_path: Path, agent: AgentProcess, job: str, module: str) -> None:
    if module == "backports.zstd" and sys.version_info >= (3, 14):
        pytest.skip("it is a part of Python")
    run_now(tmp_path, agent, job=job)
    program = (
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); sys.modules[{module!r}] = None; "
        "from dirsync.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    result = plainly("-c", program, "-c", str(tmp_path / "jobs.yaml"), "--job", job, "--now")

    assert result.code == 2
    assert "is on another machine, which needs more packages; pip install 'dirsync[agent]'" in result.stderr
