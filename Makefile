# Every target installs what it needs into $(VENV) first; a second time costs nothing.
# The first Python of these that is there and new enough makes the environment; constraints.txt is tested on 3.11.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3 python; do \
    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$python; break; }; done)
VENV ?= .venv
# Processes of the test run; each has an Airflow home of its own and takes about 1.5 GB.
WORKERS ?= 2
# Further arguments for pytest: make test ARGS="-k ledger"
ARGS ?=

BIN := $(VENV)/bin
# uv installs in a fifth of pip's time; pip is there for an index that only pip is set up for.
INSTALL = install() { $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt "$$@" \
    || $(BIN)/pip install --quiet --constraint constraints.txt "$$@"; }; install

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup lint format types layers test packaging loop test-e2e test-ui test-metrics bench demo demo-down lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / {printf "  \033[1m%-10s\033[0m  %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.dev ## Make .venv with the package, editable, and every tool

$(VENV)/bin/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found on the PATH." >&2; exit 1; }
	@echo "Making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv

# Two stamps: what runs the package, and on top of it what tests it.
$(VENV)/.all: pyproject.toml constraints.txt operators/airflow_mlops/__init__.py | $(VENV)/bin/uv
	@echo "Installing the package with all extras under constraints.txt (minutes the first time)"
	@$(INSTALL) --editable ".[all]"
	@touch $@

$(VENV)/.dev: $(VENV)/.all
	@echo "Installing what tests and lints it"
	@$(INSTALL) --editable ".[all,dev]"
	@touch $@

lint: $(VENV)/.dev ## Check style, format, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev ## Mend style and format where a tool can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.dev ## Check types alone
	$(BIN)/mypy

layers: $(VENV)/.dev ## Check layers alone
	$(BIN)/lint-imports --no-cache

test: $(VENV)/.dev ## Run every test that needs no scheduler, the wheel in a fresh environment included
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope -m "not e2e and not browser and not prometheus" $(ARGS)

packaging: $(VENV)/.dev ## Build the wheel, install it into a fresh environment, look at it with Airflow's commands
	$(BIN)/python -m pytest tests/packaging $(ARGS)

loop: $(VENV)/.dev ## Tell the demonstration without a terminal, and ring bells, on a real scheduler
	$(BIN)/python -m pytest -m e2e tests/e2e/test_loop.py tests/e2e/test_events.py $(ARGS)

test-e2e: $(VENV)/.dev ## Run every test on real servers and a real scheduler
	$(BIN)/python -m pytest -m e2e $(ARGS)

test-ui: $(VENV)/.dev ## Use the pages in Chromium, before a real Airflow with the demonstration's ledger
	$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

test-metrics: $(VENV)/.dev ## Hold alert rules and dashboards to a real Prometheus (needs prometheus and promtool)
	@command -v prometheus >/dev/null && command -v promtool >/dev/null || \
	    { echo "prometheus and promtool are needed; install the Debian package prometheus." >&2; exit 1; }
	$(BIN)/python -m pytest -m prometheus tests/monitoring $(ARGS)

bench: $(VENV)/.dev ## Measure the life of a model beside a hand-written DAG and a plain script
	$(BIN)/python -m benchmarks.lifecycle $(ARGS)

demo: $(VENV)/.all ## Start Airflow, MLflow and the model server, and close the loop on 2013's flights before your eyes
	@$(BIN)/python -m airflow_mlops.demo up $(ARGS)

demo-down: ## Stop what `make demo` started
	@test ! -x $(BIN)/python || $(BIN)/python -m airflow_mlops.demo down $(ARGS)

# Fernet asks for 32 bytes in URL-safe base64; the others take any letters.
.env: ## Write the secrets of docker-compose.yaml, once
	@umask 077 && $(PYTHON) -c 'import base64, secrets; \
	    fernet = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(); \
	    names = ("API_SECRET_KEY", "JWT_SECRET", "POSTGRES_PASSWORD", "AIRFLOW_ADMIN_PASSWORD", "MODEL_SERVER_TOKEN"); \
	    print(f"FERNET_KEY={fernet}", *(f"{name}={secrets.token_hex(24)}" for name in names), sep="\n")' > $@
	@echo "Wrote $@: the password of Airflow's admin is AIRFLOW_ADMIN_PASSWORD"

lock: $(VENV)/.dev ## Resolve constraints.txt anew; ARGS=--upgrade to move what is pinned
	$(BIN)/uv pip compile pyproject.toml --python-version 3.11 --extra all --extra celery --extra dev --quiet \
	    --no-annotate --no-header --no-emit-index-url --output-file constraints.txt $(ARGS)

clean: ## Remove the environment, builds and caches
	rm -rf $(VENV) dist build .ruff_cache .mypy_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
