"""`python -m dirsync` is the same program as `python run.py`."""

import sys

from dirsync.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
