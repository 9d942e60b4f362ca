"""Hand the command line to dirsync."""

import sys

if __name__ == "__main__":
    from dirsync.cli.start import tune  # here: a worker process imports this file, and needs none of it

    tune()
    from dirsync.cli.main import main

    sys.exit(main())
