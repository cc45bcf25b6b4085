# make run   the environment, then the whole Iris workshop on the embedded pachd
# make test  the environment, then all tests
# make extras  what the breast-cancer and image workshops need beside it
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run extras test test-all lint format conformance coverage bench clean

help:
	@sed -n 's/^# //p' Makefile
	@echo "make test-all, lint, format, conformance, coverage, bench, clean: see the README"

$(VENV)/.run: pyproject.toml constraints.txt
	@echo "Creating the environment in $(VENV) (the first time takes some minutes: PyTorch is large) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar on -c constraints.txt -e .
	@touch $@

$(VENV)/.extras: $(VENV)/.run
	@echo "Adding what the breast-cancer and image workshops need ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar on -c constraints.txt -e '.[breast-cancer,images]'
	@touch $@

extras: $(VENV)/.extras

$(VENV)/.test: $(VENV)/.run
	@echo "Adding what the tests need ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar on -c constraints.txt -e '.[breast-cancer,images,test,lint]'
	@touch $@

run: $(VENV)/.run
	@$(BIN)/workshop run

test: $(VENV)/.test
	@$(BIN)/python -m pytest -m 'not slow'

test-all: $(VENV)/.test
	@$(BIN)/python -m pytest

lint: $(VENV)/.test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.test
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

conformance: $(VENV)/.test
	@$(BIN)/python tests/conformance/run.py

coverage: $(VENV)/.test
	@$(BIN)/python tests/conformance/coverage.py --write

bench: $(VENV)/.test
	@for file in tests/benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file; done

clean:
	rm -rf $(VENV) *.egg-info
