# Needs only Python 3.11+ and make. Everything else is installed into .venv from the lock files.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-header --no-annotate --no-emit-index-url pyproject.toml

.PHONY: run test test-long coverage check bench lock clean

run: $(VENV)/run.stamp  ## set up, then start Reelay (console and sandbox without a .env)
	@$(BIN)/reelay run $(ARGS)

test: check  ## every check, then every test but the long ones, PostgreSQL included
	$(BIN)/pytest

test-long: $(VENV)/dev.stamp  ## the tests marked `long`: full crowds, every crash point on PostgreSQL
	$(BIN)/pytest -m long

coverage: $(VENV)/dev.stamp  ## `make test` with coverage: takes almost twice as long
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest; status=$$?; $(BIN)/coverage combine --quiet; \
		$(BIN)/coverage report && exit $$status

check: $(VENV)/dev.stamp  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev.stamp  ## measured ratios against named floors
	$(BIN)/python -m tests.benchmarks

lock: $(VENV)/dev.stamp  ## write the lock files anew from pyproject.toml
	$(LOCK) --group build --output-file deploy/requirements.lock
	$(LOCK) --group dev --output-file deploy/requirements-dev.lock

clean:  ## remove the environment and all caches; data/ stays
	rm -rf $(VENV) build *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache
	rm -rf .import_linter_cache .hypothesis
	find bot providers tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Reelay needs Python 3.11 or newer. Try: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { echo "Reelay needs Python 3.11 or newer; $(PYTHON) is older."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment; on Debian or Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/run.stamp: deploy/requirements.lock pyproject.toml | $(BIN)/python
	@echo "Setting up (once) ..."
	@$(PIP) install --require-hashes -r deploy/requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: deploy/requirements-dev.lock $(VENV)/run.stamp
	@echo "Setting up the tools for tests (once) ..."
	@$(PIP) install --require-hashes -r deploy/requirements-dev.lock
	@touch $@
