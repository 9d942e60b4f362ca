# What a change must pass (check), the whole suite (test), this program against its peers (bench),
# and the sweeps at length, with a table (sweep; SWEEPS="kill cut" for some). What is in C, built anew
# after a change of it (native).
PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
WORKERS ?= auto
SIZE ?= full
SWEEPS ?=

.PHONY: check test bench sweep native

check:
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
	$(PYTHON) -m pytest -q -n 2 tests/unit

test:
	$(PYTHON) -m pytest -q -n $(WORKERS)

bench:
	$(PYTHON) -m pip install -q --ignore-requires-python -r benchmarks/requirements.txt
	$(PYTHON) -m benchmarks.run --size $(SIZE)

sweep:
	$(PYTHON) -m tests.sweeps $(SWEEPS)

native:
	$(PYTHON) -m pip install -q --no-deps -e .
