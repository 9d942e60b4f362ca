"""Where a held plan lies; every run that ends well takes away what is there."""

from __future__ import annotations

import os

from dirsync.errors import RunError
from dirsync.model.names import escaped
from dirsync.runner.state import file_name_of, flush_directory

FOLDER = "held"  # in the state directory


def path_of_plan(state: str, job: str) -> str:
    """Give the path of the file that holds a job's plan, if one is held."""
    return os.path.join(state, FOLDER, file_name_of(job))


def remove_plan(state: str, job: str) -> None:
    """Hold a job's plan no more, durably; there may be none.

    Raises:
        RunError: it is there and cannot be removed.
    """
    path = path_of_plan(state, job)
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        told = f"its held plan '{escaped(path)}' cannot be removed: {error.strerror}"
        raise RunError(f"'{job}': {told}") from error
    flush_directory(os.path.dirname(path))
