# README.md says what each target does for whom; `.ci/run` is `make lint` and `make test`.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: run serve test test-quick test-python test-js lint bench bench-nodes bench-growth profile faults system-packages

PORT ?= 8000
HOST ?= 127.0.0.1
SERVER ?= uvicorn
# The first interpreter of 3.11 or later; PYTHON=... names another.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
# platform/ has no __init__.py and is on the path itself: the standard library's `platform` stays what it is.
export PYTHONPATH := $(CURDIR)/platform
export PORT
export HOST
export SERVER

run: $(VENV)/.runtime
	@exec $(PY) -m config.embedded

# One production node, by uvicorn or, with SERVER=daphne, by Daphne. Settings come from the environment.
serve: $(VENV)/.runtime
	@exec $(PY) -m config.serve

# Everything. A part that cannot run is an error: nothing is skipped in silence.
test: system-packages test-python test-js

# Files side by side, because most of the time tests wait for servers and clocks; each worker has servers of its own.
# Those that hold the system to its promised times have the machine to themselves, and run nodes that nobody traces: the
# first part has to cover the code by itself.
WORKERS ?= 4
ALONE := tests/deployment tests/e2e tests/faults tests/load
test-python: $(VENV)/.dev
	$(PY) -m pytest -q -n $(WORKERS) --dist loadfile $(addprefix --ignore=,$(ALONE)) --cov --cov-report=term
	$(PY) -m pytest -q $(ALONE) --durations=15

test-quick: $(VENV)/.dev
	$(PY) -m pytest -m "not server and not browser" -q
	@$(MAKE) --no-print-directory test-js

test-js: $(VENV)/.dev
	@tests/node --test tests/js/*.test.js

system-packages:
	@tests/install-system-packages

# Our nodes and their peers under the same load; BENCH=--quick for three minutes at 3,000 sockets.
bench: system-packages $(VENV)/.dev
	@$(PY) -m bench $(BENCH)

# Several nodes: pushes across three behind nginx, and a node with 15,000 sockets that is drained, then one killed.
bench-nodes: system-packages $(VENV)/.dev
	@$(PY) -m bench.nodes $(BENCH)

# Where a node's time goes: WHAT=opening, broadcast or send.
WHAT ?= broadcast
profile: system-packages $(VENV)/.dev
	@$(PY) -m bench.profile $(WHAT) $(BENCH)

# What nodes ask of PostgreSQL all day, over almost nothing and over five million stored items: it must cost the same.
bench-growth: system-packages $(VENV)/.dev
	@$(PY) -m bench.growth $(BENCH)

# The randomized run under faults, long: a line and a verdict for each seed. FIRST= begins at another one.
SEEDS ?= 20
SECONDS ?= 300
FIRST ?= 1
faults: system-packages $(VENV)/.dev
	@$(PY) -m tests.faults.run --seeds $(SEEDS) --first $(FIRST) --seconds $(SECONDS)

lint: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/Dockerfile
	@tests/with-sample-production $(PY) manage.py makemigrations --check --dry-run
	@tests/with-sample-production $(PY) manage.py check --deploy --fail-level WARNING

$(VENV)/.python:
	@[ -n "$(PYTHON)" ] || { echo "No Python 3.11 or later found: install one, or name it by PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: requirements.txt | $(VENV)/.python
	@echo "Installing requirements.txt into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing requirements-dev.txt into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
