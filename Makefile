# Serein's few commands. A fresh machine needs Python 3.11 or later, make, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PORT ?= 4566
DATA ?= .serein

.DEFAULT_GOAL := help
.PHONY: help setup run test long clients check fmt bench models coverage clean

help: ## what these commands do
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@echo "Setting up $(VENV) (once; about half a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit("Serein needs Python 3.11 or later, this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q serein
	@touch $(STAMP)

setup: $(STAMP) ## make .venv with the serein command in it

run: $(STAMP) ## start Serein, deploy the example, say how to use it
	@$(BIN)/serein up --port $(PORT) --data $(DATA) --example examples/todo

test: $(STAMP) ## all tests
	@$(BIN)/python -m pytest -q -n auto --dist loadgroup

long: $(STAMP) ## the tests that take long (Terraform on everything, more kills)
	@SEREIN_LONG=1 $(BIN)/python -m pytest -q -n 2 -m long tests

clients: ## real clients for the tests: aws, sam, Powertools, the SDK for JavaScript (needs npm)
	@test -x .clients/bin/pip || $(PYTHON) -m venv .clients
	@test -x .clients/bin/sam || .clients/bin/pip install --quiet --disable-pip-version-check aws-sam-cli awscli
	@test -d .clients/powertools/aws_lambda_powertools || .clients/bin/pip install --quiet --disable-pip-version-check --target .clients/powertools 'aws-lambda-powertools[tracer]'
	@test -d .clients/node_modules/@amazon-dax-sdk/lib-dax || ! command -v npm >/dev/null || \
		(cp tests/clients/javascript/package.json .clients/ && npm install --prefix .clients --silent --no-audit --no-fund --no-package-lock --fetch-retries 1 --fetch-timeout 60000)

check: $(STAMP) ## format, lint, types, import contracts, house tests
	@$(BIN)/ruff format --check serein tests tools benchmarks examples
	@$(BIN)/ruff check serein tests tools benchmarks examples
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -q tests/house

fmt: $(STAMP) ## format and mend what can be mended by itself
	@$(BIN)/ruff format serein tests tools benchmarks examples
	@$(BIN)/ruff check --fix serein tests tools benchmarks examples

bench: $(STAMP) ## speed, side by side with peers and the bare floor
	@$(BIN)/python benchmarks/run.py

models: $(STAMP) ## write each service's model.py anew from botocore
	@$(BIN)/python tools/generate_models.py --all

coverage: $(STAMP) ## write docs/coverage.md anew from the registry
	@$(BIN)/python tools/coverage_page.py

clean: ## remove the environment and caches (never your data)
	rm -rf $(VENV) .clients .mypy_cache .ruff_cache .pytest_cache .hypothesis
