"""`python -m dirsync` is the same program as `python run.py`."""

if __name__ == "__main__":
    from dirsync.cli.start import (
        run_program,
    )  # here: a worker process imports this file, and needs none of it

    run_program()
