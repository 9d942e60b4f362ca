"""The state directory: where runs keep what must outlive them."""

from __future__ import annotations

import contextlib
import os

from dirsync.errors import RunError
from dirsync.model.names import escaped

_LONGEST_NAME_BYTES = 240  # with a suffix below the 255 of common file systems


def file_name_of(job: str) -> str:
    """Name a job's file as the job is named, or by a hash where no file can be."""
    name = os.fsencode(job)
    if b"/" in name or b"\0" in name or job.startswith(".") or len(name) > _LONGEST_NAME_BYTES:
        from hashlib import blake2b  # few jobs have such names

        return "." + blake2b(name, digest_size=16).hexdigest()
    return job


def ensure_state_directory(path: str) -> None:
    """Make the state directory if it is missing, for its owner only (mode 0700).

    Its parent must be there: an unmounted disk must not fill the one beneath it.

    Raises:
        RunError: it is not there and cannot be made, or is no directory.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise RunError(f"state '{escaped(path)}' is not a directory; move it away") from None
    except OSError as error:
        raise RunError(
            f"state '{escaped(path)}' cannot be made ({_reason(error)}); "
            "create its parent directory or set 'state' to another place"
        ) from error
    else:
        flush_directory(os.path.dirname(os.path.abspath(path)))


def flush_directory(path: str) -> None:
    """Make the names in a directory survive a power cut, where the system can."""
    with contextlib.suppress(OSError):  # Windows cannot open directories; some file systems cannot flush them
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
