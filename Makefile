# Two commands do everything on a machine with Python 3.11 or newer, pip and git: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test check snapshots picture bench soak lock clean

install: $(VENV)/installed

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# On the Letta that is configured or, without one, on one that is started on this machine.
demo: install
	$(BIN)/letta-conv-mcp demo

test: install
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses 2 --dist worksteal $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Format, lint and types.
check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright

# Accept a changed tool surface and README tables.
snapshots: install
	UPDATE_SNAPSHOTS=1 $(BIN)/python -m pytest -q tests/contract/test_surface.py tests/contract/test_readme.py

# The pictures in the README, made from the demo and from a chat.
picture: install
	$(BIN)/python -m tests.stack run --agent Ada $(BIN)/python docs/record_demo.py
	$(BIN)/python -m docs.record_chat

bench: install
	$(BIN)/python -m bench.startup
	$(BIN)/python -m bench.surface
	$(BIN)/python -m bench.send
	$(BIN)/python -m bench.first_progress
	$(BIN)/python -m bench.history
	$(BIN)/python -m bench.export
	$(BIN)/python -m bench.load
	$(BIN)/python -m bench.recovery
	$(BIN)/python -m bench.refresh

# Random faults before a real Letta for as long as MINUTES says, with a printed seed.
MINUTES ?= 30
soak: install
	$(BIN)/python -m bench.soak --minutes $(MINUTES)

# Without these options the lock would record a registry host and the command line.
lock: install
	$(BIN)/uv pip compile pyproject.toml --extra local --group dev --universal --python-version 3.11 --upgrade \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --output-file requirements.lock

clean:
	rm -rf $(VENV) dist .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis
