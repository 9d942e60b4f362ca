"""Which paths of a whole tree are selected, for who meets them in path order."""

from __future__ import annotations

from dirsync.filters.scope import Scope, Verdict


class Selection:
    """Asks the scope of each path's directory; cheap where paths come in path order."""

    def __init__(self, root: Scope) -> None:
        """Select by the rules that hold in the root; nested ignore files are not looked for."""
        self.trivial = root.trivial  # everything is selected
        self._levels: list[tuple[bytes, Scope | None]] = [(b"", root)]  # None: excluded

    def selects(self, path: bytes, *, is_directory: bool) -> bool:
        """Whether a path is selected or, of a directory, entered; beneath an excluded one nothing is."""
        if self.trivial:
            return True
        parent, _, name = path.rpartition(b"/")
        scope = self._scope_in(parent)
        return scope is not None and scope.verdict(name, is_directory=is_directory) is not Verdict.EXCLUDED

    def _scope_in(self, directory: bytes) -> Scope | None:
        levels = self._levels
        while levels[-1][0] and not (directory + b"/").startswith(levels[-1][0] + b"/"):
            levels.pop()
        path, scope = levels[-1]
        for name in _names_below(path, directory):
            path = path + b"/" + name if path else name
            if scope is not None:
                excluded = scope.verdict(name, is_directory=True) is Verdict.EXCLUDED
                scope = None if excluded else scope.enter(name)
            levels.append((path, scope))
        return scope


def _names_below(ancestor: bytes, path: bytes) -> list[bytes]:
    if path == ancestor:
        return []
    return (path[len(ancestor) + 1 :] if ancestor else path).split(b"/")
