"""Hand the command line to dirsync."""

import gc
import sys

if __name__ == "__main__":
    gc.set_threshold(20_000)  # what a start loads stays: looking through it again and again took 5 of 130 ms
    from dirsync.cli.main import main  # here: a worker process imports this file, and needs none of it

    sys.exit(main())
