"""What the files on both sides hold, so that a move is confirmed before it is believed."""

from __future__ import annotations

from dirsync.model.entry import Entry
from dirsync.model.job import HashAlgorithm
from dirsync.model.stop import Deadline
from dirsync.runner.identities import Identities
from dirsync.trees.local import LocalTree
from dirsync.trees.source import SourceTree


class FileContents:
    """Hashes files, and knows some without: what the last run copied and nobody touched since."""

    def __init__(
        self,
        source: SourceTree,
        destination: LocalTree,
        *,
        algorithm: HashAlgorithm,
        identities: Identities | None,
        trusts_ctimes: bool,
        deadline: Deadline,
    ) -> None:
        """Read from two trees; `identities` None: nothing is remembered.

        `trusts_ctimes` False: every content is hashed, because the job compares hashes
        or the source's file system keeps no fine ctimes.
        """
        self._source = source
        self._destination = destination
        self._algorithm = algorithm
        self._identities = identities
        self._deadline = deadline
        self.knows_some = identities is not None and trusts_ctimes

    def remembered(self, new: Entry) -> bytes | None:
        """Where the destination had an object of the source when the last run ended; None: not known."""
        found = None if self._identities is None else self._identities.find(new)
        return None if found is None else found.path

    def is_known(self, new: Entry, destination_path: bytes) -> bool:
        """Whether a file of the source is surely what the one there was copied from.

        Nothing changes a file, or the name it has, and leaves its ctime as it was.
        """
        if not self.knows_some or self._identities is None:
            return False
        return self._identities.find(new) == (new.ctime_ns, destination_path)

    def of_source(self, path: bytes) -> bytes | None:
        """Hash a file of the source; None: it cannot be read."""
        return self._hash(self._source, path)

    def of_destination(self, path: bytes) -> bytes | None:
        """Hash a file of the destination; None: it cannot be read."""
        return self._hash(self._destination, path)

    def _hash(self, tree: SourceTree, path: bytes) -> bytes | None:
        try:
            return tree.content(path, self._algorithm, check=self._deadline.check, lasting=False).hash
        except OSError:  # not paired then, so it is copied, and that tells what is wrong
            return None
