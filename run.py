"""Hand the command line to dirsync."""

import sys

if __name__ == "__main__":
    from dirsync.cli.main import main  # here: a worker process imports this file, and needs none of it

    sys.exit(main())
