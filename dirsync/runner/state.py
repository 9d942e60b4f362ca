"""The state directory: where runs keep what must outlive them."""

from __future__ import annotations

import contextlib
import os

from dirsync.errors import RunError
from dirsync.model.names import escaped


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
        _flush_directory(os.path.dirname(os.path.abspath(path)))


def _flush_directory(path: str) -> None:
    """Make a new name in a directory survive a power cut, where the system can."""
    with contextlib.suppress(OSError):  # Windows cannot open directories; some file systems cannot flush them
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
