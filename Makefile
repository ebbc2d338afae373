# The front doors of the project. `make` alone lists them. Each sets up what it needs: Python 3.11+ and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint bench docs format lock clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## virtual environment in .venv with the pinned requirements

$(READY): requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

demo: $(READY)  ## send two sample campaigns through shim, service and sandbox; exit 0 when every outcome is the expected one
	$(BIN)/python -m sandbox.demo

test: $(READY)  ## the tests, on SQLite and PostgreSQL
	$(BIN)/pytest

lint: $(READY)  ## style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test  ## what CI runs: lint, types, tests

bench: $(READY)  ## timings of this machine, with their goals
	$(BIN)/python -m bench

docs: $(READY)  ## write docs/api.md anew from the OpenAPI document
	$(BIN)/whatsapp-channel openapi --markdown > docs/api.md

format: $(READY)  ## put the code into the house's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## pin the requirements anew (needs uv)
	$(UV) pyproject.toml --extra dev --output-file requirements-dev.txt
	$(UV) pyproject.toml --extra local --constraints requirements-dev.txt --output-file requirements.txt
	$(UV) pyproject.toml --extra dev --extra browser --constraints requirements-dev.txt --output-file requirements-browser.txt

clean:  ## remove what the commands above have made
	rm -rf $(VENV) var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
