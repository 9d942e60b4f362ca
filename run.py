"""Hand the command line to dirsync."""

import sys

from dirsync.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
