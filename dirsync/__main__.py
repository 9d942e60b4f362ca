"""`python -m dirsync` is the same program as `python run.py`."""

import sys

if __name__ == "__main__":
    from dirsync.cli.main import main  # here: a worker process imports this file, and needs none of it

    sys.exit(main())
