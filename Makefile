# All that is assumed: make, bash, and Python 3.11 or 3.12. Every command may be run again at any time; what is installed
# is installed once, until requirements.txt, constraints.txt or pyproject.toml change.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := app
.PHONY: app test verify

VENV := .venv
BIN := $(VENV)/bin
# A candidate must run: a version manager may put a name on the PATH that no version stands behind.
PYTHON ?= $(shell for python in python3.12 python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info[:2] not in [(3, 11), (3, 12)])' 2>/dev/null && echo $$python && break; done)
PLACE := $(shell { pwd; $(PYTHON) -VV; } 2>/dev/null | cksum | cut -d' ' -f1)
NEEDS := $(shell cat requirements.txt constraints.txt pyproject.toml | cksum | cut -d' ' -f1)

# Serves the page on 127.0.0.1:7860.
app: $(VENV)/runtime-$(NEEDS)
	$(BIN)/python app.py

# What every change must pass: lint, types, import contracts, doctests, tests, and tests in a real browser.
test: $(VENV)/development-$(NEEDS)
	.ci/browser $(BIN)/playwright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -m 'not slow and not browser' --numprocesses auto --maxprocesses 4 --dist loadfile
	$(BIN)/pytest -m 'browser and not slow'

# The long proofs: whole test sets, statistics, load. Their output is kept in docs/verify.txt.
verify: $(VENV)/development-$(NEEDS)
	mkdir -p docs
	.ci/verify $(BIN) 2>&1 | tee docs/verify.txt

# An environment cannot be moved, and one that was left half made is made anew.
$(VENV)/created-$(PLACE):
	@test -n "$(PYTHON)" || { echo "FlowGen needs Python 3.11 or 3.12: install one, or name it with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

$(VENV)/runtime-$(NEEDS): $(VENV)/created-$(PLACE)
	$(BIN)/python -m pip install --constraint constraints.txt --editable .
	touch $@

$(VENV)/development-$(NEEDS): $(VENV)/created-$(PLACE)
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev,track]'
	touch $(VENV)/runtime-$(NEEDS) $@
