"""Which paths a job wants, decided as git decides which paths it ignores.

A line is read (`lines`), parsed (`rule`, `glob`, `brackets`), and all lines of one
list are combined into a few look-ups (`ruleset`). A `Layer` is such a list seen
from one directory; a `Scope` is all the layers that apply to the children of one
directory. Walks ask a scope about each name and enter the directories it lets
through, so nothing beneath an excluded directory is ever asked about. `explanation` and
`selection` ask about single paths.
"""

from dirsync.filters.lines import pattern_lines
from dirsync.filters.scope import Scope, Verdict, root_scope, scope_of

__all__ = ["Scope", "Verdict", "pattern_lines", "root_scope", "scope_of"]
