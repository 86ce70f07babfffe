# Every target sets up what it needs: nothing is installed by hand.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench soak format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make the virtual environment in .venv

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Denrei needs Python 3.11 or newer; '$(PYTHON)' is older. Name another one: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

demo: $(STAMP) ## run the main job from nothing to a result, with real SMTP on both sides
	@$(BIN)/denrei demo

test: $(STAMP) ## the whole test suite
	$(BIN)/python -m pytest -n auto

check: $(STAMP) ## what every commit must pass: format, lint, types and import order first, then the suite
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -n auto -q --deselect tests/house

bench: $(STAMP) ## measure against peers and floors in the same run; prints ratios
	$(BIN)/python -m tests.bench

soak: $(STAMP) ## the long runs that `make test` leaves out
	$(BIN)/python -m pytest -m soak --timeout=3600

format: $(STAMP) ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what was set up
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
