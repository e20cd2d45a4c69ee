# Everything a contributor or CI does here. Plain `make` lists it.
# PYTHON=…            the interpreter for .venv (3.11 or newer)
# KAFKA_BOOTSTRAP=…   a broker for the tests; without it they start their own
# CHROMIUM=…          a browser for the tests; without it they take Debian's
# SCREENSHOTS=…       where the tests of the console keep their screenshots
# SEEDS=…             how many histories `make simulation` plays
# ROUNDS=…            how many rounds `make crash` plays on each log
# FILES=…             how many damaged lists of each kind `make fuzz` tries
# FUZZ_S=…            for how many seconds `make fuzz` tries damaged CMPP
# ARGS=…              passed on: make demo ARGS="--numbers 100000", make test ARGS="-k lane" or ARGS=--cpu, make bench ARGS="--help"

SHELL := bash
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
PACKAGES := schemas dispatcher producers consumers loadtest
# Test processes; they wait a lot. tests/distribution.py says which tests run in the same one.
WORKERS ?= 4
SEEDS ?= 10000
ROUNDS ?= 200
FILES ?= 10000
FUZZ_S ?= 600
# Where the tests of the console keep their screenshots.
SCREENSHOTS ?= build/screenshots

.PHONY: help setup demo test coverage lint format simulation mutants crash fuzz bench kafka chromium catalogues pins clean FORCE
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## */  make \1\t/' | expand -t 18

setup: .venv/.dev ## make .venv with the pinned packages and the `dispatcher` command

# With PYTHON the script looks whether .venv is made with that one.
.venv/.runtime .venv/.dev: pyproject.toml $(wildcard requirements/*.txt) scripts/venv scripts/pinned_uv.py $(if $(PYTHON),FORCE)

.venv/.runtime: # what running needs
	@scripts/venv build runtime

.venv/.dev: # and what testing and measuring need
	@scripts/venv build runtime dev

FORCE:

demo: .venv/.runtime ## the whole dispatcher, against a simulated vendor
	@$(BIN)/dispatcher demo $(ARGS)

test: setup kafka chromium ## every test and lint, with a real Kafka broker and a real browser
	@SCREENSHOTS=$(SCREENSHOTS) $(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

coverage: setup ## which lines and branches of the core its own tests run
	@$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term tests/core tests/schemas tests/simulation $(ARGS)

lint: setup ## format check, lint, types, import layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: setup ## format and sort imports
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

simulation: setup ## play SEEDS random histories of crashes, freezes and faults on both cores
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) $(ARGS)

mutants: setup ## break each rule on purpose: the simulation must catch every one
	@$(BIN)/python -m tests.simulation --mutants $(ARGS)

crash: setup kafka ## kill -9 real processes on real logs, ROUNDS times: the vendor's ledger must agree
	@$(BIN)/python -m tests.crash --rounds $(ROUNDS) $(ARGS)

fuzz: setup ## damaged lists (FILES of each kind) and damaged CMPP (FUZZ_S seconds): nothing may break
	@$(BIN)/python -m tests.fuzz --files $(FILES) $(ARGS)
	@$(BIN)/python -m tests.fuzz.cmpp --seconds $(FUZZ_S)

bench: setup kafka ## measure the hot paths beside the naive ways
	@$(BIN)/python -m loadtest.bench $(ARGS)

kafka: ## get what the tests start a Kafka broker with (nothing to do if KAFKA_BOOTSTRAP is set)
	@scripts/kafka

chromium: ## get the browser that the tests of the console drive (nothing to do if CHROMIUM is set)
	@scripts/chromium

catalogues: setup ## bring the texts of dispatcher/locale up to date with the source, and compile them
	@$(BIN)/python scripts/catalogues

pins: ## resolve requirements/*.in again into hashed pins
	@scripts/pins

clean: ## remove what make and the tools made
	rm -rf .venv .kafka build dist .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find $(PACKAGES) tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
