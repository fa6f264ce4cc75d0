# The targets of the project. `make help` shows them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help test test-kafka check fix clean lock contracts

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(BIN)/.ready: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

test: $(BIN)/.ready ## run all tests (needs nothing but Python)
	$(BIN)/python -m pytest -q -m "not apache and not weaviate and not live" $(ARGS)

test-kafka: $(BIN)/.ready ## the same suites on Apache Kafka (needs Java 17 and Maven)
	$(BIN)/python -m pytest -q -m apache $(ARGS)

check: $(BIN)/.ready ## lint, types, import contracts, published contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m actalog_contracts.publish check

contracts: $(BIN)/.ready ## renew the published schemas and the AsyncAPI document
	$(BIN)/python -m actalog_contracts.publish $(ARGS)

fix: $(BIN)/.ready ## format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove what was built
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .actalog

lock: ## renew requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --extra dev pyproject.toml -o requirements.lock
