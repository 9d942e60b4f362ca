"""`python -m dirsync` is the same program as `python run.py`."""

import sys

if __name__ == "__main__":
    from dirsync.cli.start import tune  # here: a worker process imports this file, and needs none of it

    tune()
    from dirsync.cli.main import main

    sys.exit(main())
