"""The whole program, imported and run once, ready to be forked for one run after the other.

Started as a process of its own: `python -m tests.sweeps.ready STDERR ARGUMENT…`. For each
byte on its stdin it forks; the child waits for another byte, so that a tracer can attach,
and runs the command. The child's process id and how it ended are written to stdout.
"""

from __future__ import annotations

import os
import sys
import traceback

from dirsync.cli.main import main


def serve(stderr: str, arguments: list[str]) -> None:
    """Run the command once, then in one child after the other until stdin ends."""
    told = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    main(arguments)
    _tell(told, 0)
    while os.read(0, 1):
        child = os.fork()
        if child == 0:
            os.read(0, 1)
            _run(stderr, arguments)
        _tell(told, child)
        _, status = os.waitpid(child, 0)
        _tell(told, os.waitstatus_to_exitcode(status))


def _run(stderr: str, arguments: list[str]) -> None:
    """Do what the interpreter does with a program, and end."""
    os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
    code = 1
    try:
        code = main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _tell(handle: int, number: int) -> None:
    os.write(handle, b"%d\n" % number)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
