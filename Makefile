# The targets of the project. `make help` shows them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# More than cores: a third of the time tests wait for servers, leases and pauses.
WORKERS ?= 3
TASKS := actalog/examples/support_desk/tasks.jsonl

.DEFAULT_GOAL := help
.PHONY: help run test test-kills simulate chaos cells fuzz sabotage coverage test-kafka test-weaviate test-compose check fix contracts bench up down clean lock

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

# The lock is whole. Left to resolve it, pip may look for `name[extra]` beside the pinned `name`.
$(BIN)/.ready: requirements.lock pyproject.toml
	@echo "Setting up $(VENV), once: about a minute." >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(BIN)/.ready ## the whole platform on the example's tasks; ARGS="--exit" ends with the last result
	$(BIN)/actalog up --tasks $(TASKS) $(ARGS)

test: $(BIN)/.ready ## run all tests (needs nothing but Python)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "not apache and not kills and not chaos and not weaviate and not compose and not live" $(ARGS)

test-kills: $(BIN)/.ready ## processes killed in the middle of their work
	$(BIN)/python -m pytest -q -m "kills and not apache and not chaos" $(ARGS)

# Contracts and what decides: every branch is tested by unit tests alone.
DECIDES := acting agent_run agent_states answers calls draft endings heard kinds memory_run
COVERED := actalog_contracts actalog_core.decider actalog_core.events \
	$(DECIDES:%=actalog_conductor.%) actalog_memory.core

coverage: $(BIN)/.ready ## contracts and deciders: every branch, or it fails
	$(BIN)/python -m pytest -q --no-header tests/contracts tests/unit/actalog_contracts \
		tests/unit/actalog_core tests/unit/actalog_conductor tests/unit/actalog_memory \
		$(COVERED:%=--cov=%) --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

test-kafka: $(BIN)/.ready ## the same suites on Apache Kafka (needs Java 17 and Maven)
	$(BIN)/python -m pytest -q -m "apache and not chaos" $(ARGS)

test-weaviate: $(BIN)/.ready ## the suites of retrieval on Weaviate
	$(BIN)/python -m pytest -q -m weaviate $(ARGS)

test-compose: $(BIN)/.ready ## the image and docker-compose.yml in earnest (needs Docker and its compose plugin)
	docker compose pull --ignore-buildable --policy missing
	docker compose build
	$(BIN)/python -m pytest -q -m compose $(ARGS)

simulate: $(BIN)/.ready ## the whole platform under many seeds; ARGS="--seeds 2000", ARGS="--seed 42 --shrink"
	$(BIN)/python -m tests.simulation $(ARGS)

chaos: $(BIN)/.ready ## real services and servers under real faults; ARGS=--short, ARGS="--seed 7 --only kills"
	$(BIN)/python -m tests.chaos $(ARGS)

cells: $(BIN)/.ready ## each service killed at each of its points (Apache Kafka); ACTALOG_CHAOS_CELLS=12 takes a few
	$(BIN)/python -m pytest -q -m chaos tests/chaos/test_cells.py $(ARGS)

# atheris has wheels for Linux alone: without it, mutants are made blindly.
fuzz: $(BIN)/.ready ## mutated bytes at all that reads from outside; ARGS="border --seconds 600"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
		--require-hashes -r tests/fuzz/requirements.txt || true
	$(BIN)/python -m tests.fuzz $(ARGS)

sabotage: $(BIN)/.ready ## deliberate faults in the code: the suites must catch each
	$(BIN)/python -m tests.simulation.sabotage

check: $(BIN)/.ready ## lint, types, import contracts, published contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m actalog_contracts.publish check --docs docs/reference/messages.md
	$(BIN)/python -m docs.generate check
	@! docker compose version >/dev/null 2>&1 || docker compose config --quiet

contracts: $(BIN)/.ready ## renew the published schemas, the AsyncAPI document and docs/reference
	$(BIN)/python -m actalog_contracts.publish --docs docs/reference/messages.md $(ARGS)
	$(BIN)/python -m docs.generate

fix: $(BIN)/.ready ## format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BIN)/.ready ## measure
	$(BIN)/python -m tests.benchmarks $(ARGS)

up: ## the whole platform with docker compose, each service in its own container
	docker compose up --build --detach --wait

down: ## stop it; what it kept stays (`docker compose down --volumes` removes it)
	docker compose down

clean: ## remove what was built
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .actalog

lock: ## renew requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --extra dev pyproject.toml -o requirements.lock
