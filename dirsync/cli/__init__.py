"""The command line: parse, call, show, and turn what came of it into an exit code."""
