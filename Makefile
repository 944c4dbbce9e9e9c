.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
# Each process takes half of the tests; who is done takes over from the other.
PYTEST := $(BIN)/pytest -n 2 --dist worksteal
# Without bytecode each program that a test starts would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

run: $(INSTALLED) ## set up what is missing and scale B0 to 16 times its cost
	$(BIN)/effscale scale --phi 4

test: $(INSTALLED) ## set up what is missing and run every check and test
	@$(MAKE) --no-print-directory --jobs 2 lint types tests

# mypy has but one core, and takes half a minute where it finds no cache: beside the tests.
tests: $(INSTALLED)
	$(PYTEST) --durations 10

long: $(INSTALLED) ## every test, those that take minutes too, with ten times the draws
	nice $(PYTEST) --long --durations 10

quick: $(INSTALLED) ## the tests that run nothing in torch and take no time
	$(PYTEST) -m "not torch and not slow" --ignore=tests/module --ignore=tests/train \
		--ignore=tests/test_agreement.py --ignore=tests/test_parity.py

lint: $(INSTALLED) ## ruff: format and rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED) ## mypy --strict
	$(BIN)/mypy

format: $(INSTALLED) ## rewrite the code as ruff formats it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

cov: $(INSTALLED) ## branch coverage
	$(BIN)/pytest --cov --cov-report=term-missing:skip-covered

snapshots: $(INSTALLED) ## rewrite what commands are expected to print; read the diff
	$(BIN)/pytest tests/cli --snapshot-update

shown: $(INSTALLED) ## rewrite the output shown in README.md and docs; read the diff
	$(BIN)/python -m tests.documents

docs: $(INSTALLED) ## build the site of docs into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

fuzz: $(INSTALLED) ## 200,000 mutated specs down the whole road, 10,000 of them built and measured
	nice $(BIN)/python -m tests.fuzz --count 200000 --built 10000

kills: $(INSTALLED) ## every command that writes, ended by signals at 100 points and by full disks
	nice $(BIN)/python -m tests.kills

bench: $(INSTALLED) ## the table of speed, into benchmarks/RESULTS.md: three minutes
	$(BIN)/python benchmarks/bench.py

bench-profile: $(INSTALLED) ## where start-up and counting spend their time
	$(BIN)/python benchmarks/profiles.py

bench-torch: $(INSTALLED) ## counters, fusion and latency of built networks
	$(BIN)/python benchmarks/counters.py
	$(BIN)/python benchmarks/fusion.py
	$(BIN)/python benchmarks/latency.py

growth: $(INSTALLED) ## draw how counting grows into docs/assets/growth.svg
	$(BIN)/python benchmarks/growth.py

wheel: $(INSTALLED) ## build dist/*.whl
	$(BIN)/python -m build --wheel

clean: ## remove everything that make has made
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

.PHONY: help run test tests long quick lint types format cov snapshots shown docs fuzz kills bench bench-profile bench-torch growth wheel clean
