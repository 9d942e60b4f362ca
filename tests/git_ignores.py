"""Git as the judge of ignore rules.

Two commands are asked. `git ls-files --others` is the walk itself: it lists the files
git reaches, and never enters what it excludes. `git check-ignore` runs the same rules
for any path, directories and what is beneath excluded ones included, and names the
line that decides; where the two disagreed, the walk would be the truth.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Decision(NamedTuple):
    """What git says of one path."""

    file: bytes  # b"" with the rest empty: no line matches
    line: int
    pattern: bytes

    @property
    def ignored(self) -> bool:
        """Whether git ignores the path."""
        return bool(self.pattern) and not self.pattern.startswith(b"!")


class Git:
    """A repository of nothing but ignore rules, kept apart from the tree it looks at."""

    def __init__(self, directory: Path) -> None:
        for name in ("objects", "refs", "info"):
            (directory / name).mkdir(parents=True)
        (directory / "HEAD").write_text("ref: refs/heads/main\n")
        (directory / "config").write_text("[core]\nrepositoryformatversion = 0\nbare = false\n")
        self.exclude_file = directory / "info" / "exclude"
        self._environment = {
            "PATH": os.environ["PATH"],
            "GIT_DIR": str(directory),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": "/",
        }

    def reached_files(self, tree: Path) -> set[bytes]:
        """List what is no directory and is neither ignored nor beneath an ignored directory."""
        listed = self._run(tree, "ls-files", "-z", "--others", "--exclude-standard")
        return set(listed.split(b"\0")[:-1])

    def decisions(self, tree: Path, paths: Iterable[bytes]) -> dict[bytes, Decision]:
        """Say for each path what decides about it."""
        options = ("-z", "--stdin", "--verbose", "--non-matching", "--no-index")
        given = b"".join(b"./%b\0" % path for path in paths)  # "./", for a leading ":" has a meaning
        output = self._run(tree, "check-ignore", *options, given=given)
        fields = output.split(b"\0")[:-1]
        return {
            path.removeprefix(b"./"): Decision(file, int(line or b"0"), pattern)
            for file, line, pattern, path in zip(*(fields[start::4] for start in range(4)), strict=True)
        }

    def _run(self, tree: Path, *arguments: str, given: bytes = b"") -> bytes:
        done = subprocess.run(
            ["git", *arguments],
            cwd=tree,
            env={**self._environment, "GIT_WORK_TREE": str(tree)},
            input=given,
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr  # 1: nothing is ignored
        assert done.stderr == b""
        return done.stdout
