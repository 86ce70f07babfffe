# Every target sets up what it needs: nothing is installed by hand.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NODE := tests/node
NODE_STAMP := $(NODE)/node_modules/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench soak fuzz format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make the virtual environment in .venv

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Denrei needs Python 3.11 or newer; '$(PYTHON)' is older. Name another one: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

# Readers of another maker, for the tests that read our mails with them. Without Node these tests are skipped.
$(NODE_STAMP): $(NODE)/package.json
	@if command -v npm >/dev/null; then \
		cd $(NODE) && npm install --no-package-lock --no-audit --no-fund --loglevel=error && touch node_modules/.installed; \
	fi || echo "The packages for Node could not be set up: the tests that need them cannot run." >&2

demo: $(STAMP) ## run the main job from nothing to a result, with real SMTP on both sides
	@$(BIN)/denrei demo

test: $(STAMP) $(NODE_STAMP) ## the whole test suite
	$(BIN)/python -m pytest -n auto

check: $(STAMP) $(NODE_STAMP) ## what every commit must pass: format, lint, types and import order first, then the suite
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -n auto -q --deselect tests/house

bench: $(STAMP) ## measure against peers and floors in the same run; prints ratios
	$(BIN)/python -m tests.bench

soak: $(STAMP) ## the long runs that `make test` leaves out
	$(BIN)/python -m pytest -m soak --timeout=3600

FUZZ_SECONDS ?= 60

fuzz: $(VENV)/.fuzz ## look for inputs that break what reads text from outside, FUZZ_SECONDS for each target
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

$(VENV)/.fuzz: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	@touch $@

format: $(STAMP) ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what was set up
	rm -rf $(VENV) $(NODE)/node_modules build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
