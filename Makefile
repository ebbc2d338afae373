# The front doors of the project. `make` alone lists them. Each sets up what it needs: Python 3.11+ and make are enough.
PYTHON ?= python3
JOBS ?= 3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
BROWSER := $(VENV)/.browser
PEERS := $(VENV)/.peers
AXE := tests/browser/node_modules/.package-lock.json
AUDIT := $(VENV)/audit
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
PINNED := $(PIP) --require-hashes --only-binary :all:
UV := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
EXTRA := $(PYTHON) -c 'import sys, tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]], sep="\n")'
SAMPLES := tests/samples/pinpoint_campaign_article.json tests/samples/pinpoint_campaign_fifty.json

TOO_OLD := Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ...
NO_VENV := $(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv
NO_AXE := axe-core could not be installed; npm says why above. Is npm there (on Debian: apt-get install npm), the registry reachable?
NO_PACKAGES := The packages could not be installed; pip says why above: is the package index reachable, is the disk full? Then run make again.

.DEFAULT_GOAL := help
.PHONY: help setup run demo test check lint lambda bench bench-full proof browser-test readme-test containers-test docs format lock clean audit sbom

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(INSTALLED)  ## everything on this machine, with two sample campaigns to watch; Ctrl-C stops it
	@DATABASE_URL=sqlite:///var/run.db exec $(BIN)/whatsapp-channel up --fresh $(SAMPLES:%=--send %) $(ARGS)

demo: $(INSTALLED)  ## the same without a person: exit 0 when every outcome is the expected one
	$(BIN)/python -m sandbox.demo

setup: $(READY)  ## virtual environment in .venv with everything but a browser

test: $(READY)  ## the tests, on SQLite and PostgreSQL, JOBS files at once (most of them wait for processes)
	$(BIN)/pytest -n $(JOBS) --dist loadfile

lint: $(READY)  ## style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test  ## lint, types, tests

browser-test: $(BROWSER) $(AXE)  ## the pages in Chromium (on Debian: apt-get install chromium npm)
	$(BIN)/pytest -m browser tests/browser

containers-test: $(READY)  ## the image and the compose stack, really run; needs a container engine
	$(BIN)/pytest -s -m containers tests/containers

readme-test: $(READY)  ## type every command of the README in a fresh clone
	$(BIN)/pytest -m readme tests/test_readme.py

lambda: | $(BIN)/pip  ## the Lambda's deployment package, build/lambda_shim.zip; prints its size and import time
	@$(BIN)/python -m deploy.package

audit: sbom  ## asks an advisory service for known vulnerabilities of what is shipped
	@$(AUDIT)/bin/python -m deploy.audit audit $(ARGS)

sbom: $(AUDIT)/.installed  ## what is shipped, as a bill of materials: build/sbom.json
	@$(AUDIT)/bin/python -m deploy.audit sbom

proof: $(READY)  ## crashes, faults under load, guards removed in turn and a soak, with figures; three hours
	$(BIN)/pytest -s -m 'proof or not proof' tests/crash tests/faults tests/mutations

bench: $(PEERS)  ## timings of this machine, with their goals, in ten minutes; ROW=dispatch (or another, see ARGS=--help) for a part
	$(BIN)/python -m bench $(ROW) $(ARGS)

bench-full: $(PEERS)  ## the same, and what takes long: much sent, much stored; an hour, 15 GB of disk
	$(BIN)/python -m bench --full

docs: $(READY)  ## write docs/api.md and docs/errors.md anew from the code
	$(BIN)/whatsapp-channel openapi --markdown > docs/api.md
	$(BIN)/whatsapp-channel errors --markdown > docs/errors.md

format: $(READY)  ## put the code into the house's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## pin the requirements anew (needs uv)
	$(UV) pyproject.toml --extra dev --output-file requirements-dev.txt
	$(UV) pyproject.toml --extra local --constraints requirements-dev.txt --output-file requirements.txt
	$(UV) pyproject.toml --extra dev --extra browser --constraints requirements-dev.txt --output-file requirements-browser.txt
	$(EXTRA) bench | $(UV) - --constraints requirements-dev.txt --output-file requirements-bench.txt
	$(EXTRA) lambda | $(UV) - --constraints requirements-dev.txt --output-file requirements-lambda.txt
	$(EXTRA) audit | $(UV) - --constraints requirements-dev.txt --output-file requirements-audit.txt

clean:  ## remove what the commands above have made
	rm -rf $(VENV) tests/browser/node_modules var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo '$(TOO_OLD)' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo '$(NO_VENV)' >&2; exit 1; }

$(INSTALLED): requirements.txt pyproject.toml | $(BIN)/pip
	@echo 'Installing what it needs into $(VENV); this takes about a minute, once.'
	@{ $(PINNED) -r requirements.txt && $(PIP) --no-deps --no-build-isolation --editable .; } \
		|| { echo '$(NO_PACKAGES)' >&2; exit 1; }
	@touch $@

$(READY): requirements-dev.txt $(INSTALLED)
	@echo 'Installing what the tests need into $(VENV).'
	@$(PINNED) -r requirements-dev.txt || { echo '$(NO_PACKAGES)' >&2; exit 1; }
	@touch $@

$(BROWSER): requirements-browser.txt $(READY)
	@$(PINNED) -r requirements-browser.txt || { echo '$(NO_PACKAGES)' >&2; exit 1; }
	@touch $@

$(PEERS): requirements-bench.txt $(READY)
	@$(PINNED) -r requirements-bench.txt || { echo '$(NO_PACKAGES)' >&2; exit 1; }
	@touch $@

$(AXE): tests/browser/package-lock.json
	@npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund --silent || { echo '$(NO_AXE)' >&2; exit 1; }
	@touch $@

$(AUDIT)/.installed: requirements-audit.txt | $(BIN)/pip
	@echo 'Installing the audit tools into $(AUDIT), apart from what they look at.'
	@$(PYTHON) -m venv $(AUDIT)
	@$(AUDIT)/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-audit.txt \
		|| { echo '$(NO_PACKAGES)' >&2; exit 1; }
	@touch $@
