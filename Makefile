# `make` alone lists the targets. Each target sets up what it needs, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PYTHONDONTWRITEBYTECODE :=  # Airflow takes 7 s to import without bytecode, and 2 s with it

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-changes ui test test-servers test-airflow lint types docs bench dist lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14 | sed 's/^/  make /'

setup: $(READY) ## make .venv with the locked packages and the s3copy command

$(READY): requirements/dev.txt requirements/uv.txt pyproject.toml s3copy_tasks/__init__.py
	@echo "Setting up $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt \
	  || $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## copy a real tree between two accounts on an embedded S3 server, with Airflow
	@$(BIN)/python -m tools.demo

demo-changes: $(READY) ## copy objects as they are written, by a queue of S3's events, with Airflow
	@$(BIN)/python -m tools.demo_changes

ui: $(READY) ## run a live Airflow with three jobs and some runs, until Ctrl-C
	@$(BIN)/python -m tools.ui

test: $(READY) ## run all tests; installs Debian's Chromium and PostgreSQL for some of them, if it may
	@$(BIN)/python -m tools.browser
	@$(BIN)/python -m tools.postgresql
	@$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-servers: $(READY) ## run the integration tests on Ceph and LocalStack, too; installs them
	@$(BIN)/python -m tools.servers $(ARGS)

test-airflow: $(READY) ## install the wheel beside Airflow 3.0 to 3.4 under constraints, and test it there
	@$(BIN)/python -m tools.airflows $(ARGS)

lint: $(READY) ## ruff: rules and format; import-linter: which part may import which
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-logo --cache-dir build/import_linter

types: $(READY) ## mypy, strict
	@$(BIN)/mypy

docs: $(READY) ## write docs/configuration.md from the schema, and build the site into build/site
	@$(BIN)/python -m tools.reference
	@$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going docs build/site
	@cp build/site/README.html build/site/index.html

bench: $(READY) ## print the benchmarks' tables, and write them to build/bench/; ARGS=copy chooses one
	@$(BIN)/python -m tests.performance $(ARGS)

dist: $(READY) ## build wheel and source archive into dist/, and check them
	@rm -rf dist
	@$(BIN)/pytest --quiet tests/unit/repository/test_dist.py
	@$(BIN)/hatchling build
	@$(BIN)/twine check --strict dist/*

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-header --no-annotate
PINS := uv pip compile --quiet --all-extras --no-emit-index-url --no-emit-find-links --no-header --no-annotate
FLOORS := apache-airflow(-core|-task-sdk|-providers-(amazon|http|openlineage|slack|smtp))?|boto.*|s3transfer|croniter|jinja2
FLOORS := $(FLOORS)|jsonschema|packaging|pendulum|pycurl|pydantic.*|pyyaml|rich|structlog

lock: $(READY) ## resolve requirements/*.txt again
	@$(BIN)/$(COMPILE) --group dev pyproject.toml --output-file requirements/dev.txt
	@printf 'uv==%s\n' "$$($(BIN)/uv --version | cut -d' ' -f2)" \
	  | $(BIN)/$(COMPILE) - --output-file requirements/uv.txt
	@for name in localstack bench; do \
	  $(BIN)/$(COMPILE) requirements/$$name.in --output-file requirements/$$name.txt || exit 1; done
	@$(BIN)/$(PINS) --python-version 3.12 --prerelease if-necessary-or-explicit pyproject.toml \
	  requirements/airflow/prerelease.in --output-file requirements/airflow/prerelease-py3.12.txt
	@$(BIN)/$(PINS) --python-version 3.13 --constraint requirements/dev.txt pyproject.toml \
	  --output-file requirements/airflow/newest-py3.13.txt
	@grep -viE '^($(FLOORS))==' requirements/airflow/3.0.6-py3.12.txt | $(BIN)/$(PINS) --python-version 3.12 \
	  --resolution lowest-direct --upgrade --constraint - pyproject.toml --output-file requirements/airflow/lowest-py3.12.txt

clean: ## remove .venv and everything built
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
