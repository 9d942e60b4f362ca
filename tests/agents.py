"""Agents over real TLS: in a thread of the test's process, or as a process of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import yaml
from msgspec import Struct

from dirsync.agent.certificates import generate_certificate
from dirsync.agent.server import serving_agent
from dirsync.model.place import FarPlace
from dirsync.model.serving import Access, Serving, Share, token_hash
from tests.program import CHECKOUT

TOKEN = "a token that nobody can guess, or so we hope"
_UP_SECONDS = 20.0


class Served(Struct, frozen=True, kw_only=True):
    """An agent that is up, and how to reach it."""

    address: str
    fingerprint: str
    share: str

    def place(self, beneath: bytes = b"", *, token: str | None = TOKEN) -> FarPlace:
        """Give a place in its share."""
        return FarPlace(
            address=self.address,
            share=self.share,
            beneath=beneath,
            token=token,
            fingerprint=self.fingerprint,
        )


@contextlib.contextmanager
def served(root: Path, *, state: Path, access: Access = Access.WRITE) -> Iterator[Served]:
    """Serve a directory from a thread, as the share `tree`."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = f"{folder}/cert.pem", f"{folder}/key.pem"
        fingerprint = generate_certificate(["localhost"], certificate=certificate, key=key)
        share = Share(name="tree", path=os.fsencode(root), access=access, token_hashes=(token_hash(TOKEN),))
        serving = Serving(host="127.0.0.1", port=0, certificate=certificate, key=key, shares=(share,))
        with serving_agent(serving, state=str(state)) as agent:
            yield Served(address=agent.address, fingerprint=fingerprint, share="tree")


class AgentProcess:
    """An agent that runs as a process of its own, and can be killed and started again at its port."""

    def __init__(
        self,
        folder: Path,
        shares: Mapping[str, tuple[Path, str]],
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        through: Sequence[str] = (),
    ) -> None:
        """Declare an agent in a folder; `shares` gives the directory and the access of each.

        `through`: the command that it is started by, as `ip netns exec NAME`.
        """
        self.folder = folder
        self.host = host
        self.port = port or free_port()
        self._through = list(through)
        self._process: subprocess.Popen[str] | None = None
        folder.mkdir(exist_ok=True)
        self.fingerprint = generate_certificate(
            [host], certificate=str(folder / "cert.pem"), key=str(folder / "key.pem")
        )
        declared = {
            "version": 1,
            "secrets": {"token": {"environment": "FAR_TEST_TOKEN"}},
            "serve": {
                "listen": f"{host}:{self.port}",
                "tls": {"cert": "cert.pem", "key": "key.pem"},
                "shares": {
                    name: {"path": str(path), "access": access, "tokens": [{"secret": "token"}]}
                    for name, (path, access) in shares.items()
                },
            },
        }
        (folder / "jobs.yaml").write_text(yaml.safe_dump(declared))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it is up."""
        command = [sys.executable, str(CHECKOUT / "run.py"), "serve", "-c", str(self.folder / "jobs.yaml")]
        log = open(self.folder / "log", "a")  # noqa: SIM115 - the process has it
        self._process = subprocess.Popen(
            [*self._through, *command, "--json"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            env={**os.environ, "FAR_TEST_TOKEN": TOKEN},
        )
        log.close()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert '"event":"serving"' in line, (line, (self.folder / "log").read_text())

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """End it in order; give its exit code."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(timeout=60)
        self._process = None
        return code

    def __enter__(self) -> AgentProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def free_port() -> int:
    """Give a port that nobody listens on."""
    import socket

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def far_jobs(
    file: Path, agent: AgentProcess, jobs: Mapping[str, Mapping[str, object]], *, share: str = "tree"
) -> Path:
    """Declare jobs of which `far:/…` is a place at an agent."""
    calm = {"delete": "remove", "durability": "none"}
    unguarded = {"max_delete": "off", "min_free": "off", "source_not_empty": False}
    declared = {
        "version": 1,
        "state": str(file.parent / "state"),
        "secrets": {"token": {"environment": "FAR_TEST_TOKEN"}},
        "endpoints": {
            "far": {
                "url": f"https://{agent.host}:{agent.port}/{share}",
                "token": {"secret": "token"},
                "fingerprint": f"sha256:{agent.fingerprint}",
            }
        },
        "jobs": {name: {**calm, "guard": unguarded, **job} for name, job in jobs.items()},
    }
    file.write_text(yaml.safe_dump(declared))
    os.environ["FAR_TEST_TOKEN"] = TOKEN
    return file


def wait_until(holds: Callable[[], bool], seconds: float = _UP_SECONDS) -> None:
    """Wait until something holds, or fail."""
    ends_at = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends_at, "it did not come to that in time"
        time.sleep(0.02)
