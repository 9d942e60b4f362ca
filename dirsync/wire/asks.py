"""What one end asks of the other's tree, and what it is answered: the messages of the protocol.

Paths are bytes, relative to the root that is asked about. A message with a field that is not
known here is understood without it; one that lacks a field that has no default is refused.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

VERSION = 1
MOST_PATHS = 20_000  # in one ask
MOST_ROWS = 50_000  # listed in one answer, but that no directory is cut off in its middle
ROWS_A_MESSAGE = 50_000
SMALL_BYTES = 64 << 10  # a file up to this size is sent in one message
LARGE_BYTES = 8 << 20  # from this size on a file is asked for alone, and in parts


class Stamped(Struct, frozen=True, kw_only=True):
    """Which state of a file is meant: another one is not what was asked for."""

    size: int
    mtime_ns: int
    ctime_ns: int
    ino: int


class Selecting(Struct, frozen=True, kw_only=True):
    """Which directories are gone to: gitignore lines, as a job has them."""

    include: tuple[bytes, ...] = ()
    exclude: tuple[bytes, ...] = ()


class Counted(Struct, frozen=True, kw_only=True):
    """Which columns of a listing count, besides names, modes and targets."""

    size: bool = True
    mtime: bool = True
    ownership: bool = True
    hard_links: bool = False  # a directory with a file that has several names has no digest


# What is asked


class AskGreeting(Struct, frozen=True, kw_only=True, tag="greeting"):
    """Who is there, and what can it do? Answered by a `Greeting`."""


class AskListings(Struct, frozen=True, kw_only=True, tag="listings"):
    """List directories. Answered by a `Listed` each, in the order asked.

    With `beneath` each one's subdirectories follow it, and theirs, as many as `MOST_ROWS` allows.
    """

    paths: list[bytes]
    beneath: bool = False
    selecting: Selecting = Selecting()


class AskSurvey(Struct, frozen=True, kw_only=True, tag="survey"):
    """Name what directories hold, and all beneath them. Answered by a `Surveyed` each, in order.

    What a survey finds is kept for a while under its `name`, so that a later ask about what is
    deeper costs no second walk. It goes no further than to `most_directories`.
    """

    name: bytes
    root: bytes  # what is surveyed
    paths: list[bytes]  # which of it is told: the root, or directories beneath it
    counted: Counted = Counted()
    selecting: Selecting = Selecting()
    most_directories: int = 200_000


class AskEntries(Struct, frozen=True, kw_only=True, tag="entries"):
    """Look at paths. Answered by a `Seen` each, in order."""

    paths: list[bytes]


class FileWanted(Struct, frozen=True, array_like=True):
    """A file, and from which byte on."""

    path: bytes
    start: int = 0
    stamp: Stamped | None = None  # only if it is in this state; None: in any


class NamesWanted(Struct, frozen=True, array_like=True):
    """Some files of one directory, from their beginning on."""

    directory: bytes
    names: bytes  # joined by NUL; at least one


class AskFiles(Struct, frozen=True, kw_only=True, tag="files"):
    """Send files. Answered in order, each by a `WholeFile`; or a `FileBegins`, data, and a `FileEnds`;
    or an `Unseen`; or some together by a `FilesTogether` and data.
    """

    together: list[NamesWanted] = []  # before the others
    files: list[FileWanted] = []
    namespaces: list[str] = []  # of the attributes that are wanted


class AskChunks(Struct, frozen=True, kw_only=True, tag="chunks"):
    """Cut a file into chunks by its content. Answered by a `FileBegins`, `Chunks`, and a `FileEnds`."""

    path: bytes
    namespaces: list[str] = []


class AskRanges(Struct, frozen=True, kw_only=True, tag="ranges"):
    """Send parts of a file that is in this state. Answered as `AskFiles`, the data of all ranges in order."""

    path: bytes
    stamp: Stamped
    ranges: list[tuple[int, int]]  # from, to


class AskHashes(Struct, frozen=True, kw_only=True, tag="hashes"):
    """Hash files. Answered by a `Hashed` each, in order."""

    paths: list[bytes]
    algorithm: str
    from_disk: bool = False


class AskAttributes(Struct, frozen=True, kw_only=True, tag="attributes"):
    """Read extended attributes. Answered by an `Attributes` each, in order."""

    paths: list[bytes]
    namespaces: list[str]


Ask: TypeAlias = (
    AskGreeting
    | AskListings
    | AskSurvey
    | AskEntries
    | AskFiles
    | AskChunks
    | AskRanges
    | AskHashes
    | AskAttributes
)

# What is answered


class Unseen(Struct, frozen=True, kw_only=True, tag="unseen"):
    """A path that could not be looked at, read, or be what was asked for."""

    path: bytes
    error: str  # the error's name in errno(3), as ENOENT
    reason: str


class Status(Struct, frozen=True, array_like=True):
    """What `stat` says of an object."""

    mode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    uid: int
    gid: int
    ino: int
    dev: int
    nlink: int
    blocks: int = 0  # of 512 bytes


class Greeting(Struct, frozen=True, kw_only=True, tag="greeted"):
    """Who is there, and what its tree keeps."""

    version: int
    program: str
    root: Status
    file_system: str | None  # its identity; None: not known
    mtime_resolution_ns: int
    modes: bool
    attributes: list[str]  # namespaces that its file system has, and this process may read
    access: str


class Listed(Struct, frozen=True, kw_only=True, tag="listed"):
    """A directory in columns, as `model/listing.py` has them."""

    path: bytes
    columns: list[bytes]  # names … targets
    unknown: list[tuple[bytes, str]] = []
    more: bool = False  # the rows go on in the next message


class Surveyed(Struct, frozen=True, kw_only=True, tag="surveyed"):
    """What a directory holds, by name."""

    path: bytes
    own: bytes | None = None  # names its rows; None: they have no name
    whole: bytes | None = None  # names its rows and all beneath; None: something there has no name
    entries: int = 0  # in it and beneath
    rows: int = 0  # in it alone
    known: bool = True  # False: it was not surveyed


class Seen(Struct, frozen=True, kw_only=True, tag="seen"):
    """What is at a path."""

    path: bytes
    status: Status | None  # None: nothing is there
    target: bytes | None = None  # of a symlink


class WholeFile(Struct, frozen=True, kw_only=True, tag="file"):
    """A small file that did not change while it was read."""

    path: bytes
    status: Status
    data: bytes
    attributes: dict[bytes, bytes] = {}  # by name, which need not be text


class FilesTogether(Struct, frozen=True, kw_only=True, tag="together"):
    """The next small files that were asked for, none with attributes; none changed while it was read.

    What they hold follows as data, one behind another in one frame.
    """

    rows: bytes  # their statuses, as `wire/rows.py` has them


class FileBegins(Struct, frozen=True, kw_only=True, tag="begins"):
    """A file that is open; its data follow."""

    path: bytes
    status: Status
    attributes: dict[bytes, bytes] = {}  # by name, which need not be text


class FileEnds(Struct, frozen=True, kw_only=True, tag="ends"):
    """A file's data were all; `status` is what it was after they were read."""

    path: bytes
    status: Status


class Chunks(Struct, frozen=True, kw_only=True, tag="chunked"):
    """Some chunks of a file, in order."""

    lengths: list[int]  # bytes
    hashes: bytes  # 16 bytes of BLAKE3 each


class Hashed(Struct, frozen=True, kw_only=True, tag="hashed"):
    """A file's hash, and how far it can be trusted."""

    path: bytes
    hash: bytes
    status: Status
    unchanged: bool
    certain: bool


class Attributes(Struct, frozen=True, kw_only=True, tag="attributed"):
    """An object's extended attributes."""

    path: bytes
    attributes: dict[bytes, bytes]


Answer: TypeAlias = (
    Unseen
    | Greeting
    | Listed
    | Surveyed
    | Seen
    | WholeFile
    | FilesTogether
    | FileBegins
    | FileEnds
    | Chunks
    | Hashed
    | Attributes
)


class Question(Struct, frozen=True, kw_only=True):
    """An ask, and which directory of the share it is about: paths are relative to that."""

    ask: Ask
    root: bytes = b""
    identity: tuple[int, int] | None = None  # device and inode that it must have; None: any
