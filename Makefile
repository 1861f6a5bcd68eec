SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Where it is set, each of the hundreds of processes that tests start compiles all of ours anew.
export PYTHONDONTWRITEBYTECODE :=

PY := .venv/bin/python
# Certificates are the machine's, as for pip and npm: behind a company's proxy only those fit.
UV := UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 .venv/bin/uv

# Set PYTHON to choose one; else the first of these that runs and is in range.
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)

.PHONY: help
help:
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

TEST = .venv/bin/pytest -m "not clients and not e2e and not load" --numprocesses auto --maxprocesses 5 \
  --dist loadscope --no-loadscope-reorder

##@ Start here

.PHONY: demo
demo: setup ## a run that outlives two crashes of its worker; needs no API key
	@$(PY) dev/demo.py

.PHONY: test
test: setup-test ## unit, integration and crash tests, against a real Restate server
	@$(TEST) --one-mode

.PHONY: test-full
test-full: setup-test ## the same, with every integration test in both modes of its stack
	@$(TEST)

.PHONY: test-unit
test-unit: setup-test ## the tests that need no other process than their own
	@.venv/bin/pytest --quiet --numprocesses logical --dist loadscope tests/unit

.PHONY: test-clients
test-clients: setup-test clients ## clients of other protocols, as people have them, against a stack
	@.venv/bin/pytest -m clients tests/clients

.PHONY: test-load
test-load: setup-test ## a thousand watchers, and what watching costs: minutes; prints figures
	@.venv/bin/pytest -m load -s tests/load tests/crash

EXAMPLE_CHAT = examples/chat-react

.PHONY: example-chat
example-chat: $(EXAMPLE_CHAT)/node_modules/.synced ## a page that chats with the agents of make up-local, or make up
	@npm run dev --prefix $(EXAMPLE_CHAT)

##@ Run without Docker

# Whose agents: as the commands of a user's project find them in its .env, else the examples.
AGENTS ?= $(or $(shell sed -n 's/^AGENTS=//p' .env 2>/dev/null),example_agents)
OUTLAST = AGENTS=$(AGENTS) .venv/bin/outlast

.PHONY: dev
dev: setup ## app and worker in one process, with Restate; reloads on change
	@$(OUTLAST) dev

.PHONY: up-local
up-local: setup ## Restate, worker and app in the background (ports and STACK_DIR can be set)
	@$(OUTLAST) up

.PHONY: down-local
down-local: setup ## end what up-local started
	@$(OUTLAST) down

##@ Develop

.PHONY: setup
setup: .venv/.synced node_modules/.synced ## install what the demo and the local stack need
	@:

.PHONY: setup-test
setup-test: .venv/.synced-test node_modules/.synced-test .venv/third_party/.synced ## install what tests and checks need, too
	@:

.PHONY: clients
clients: .venv/clients/.synced tests/clients/node_modules/.synced $(EXAMPLE_CHAT)/node_modules/.synced ## install the clients that test-clients runs
	@:

.PHONY: format
format: setup-test ## format the code and fix what can be fixed
	@$(PY) -m ruff check --fix-only --quiet
	@$(PY) -m ruff format

.PHONY: check
check: setup-test ## format, lint, types, imports, locks: what CI and pre-commit run
	@$(PY) -m ruff format --check --quiet --diff
	@$(PY) -m ruff check
	@$(PY) dev/locks.py check
	@$(PY) -c 'from importlinter.cli import lint_imports_command as run; run()' --no-logo
	@node_modules/.bin/pyright

##@ Docker

# Asked where they count: in the worker's container, with what it gets from the shell and .env.
MODEL_CHOSEN = docker compose run --rm --no-deps -T worker python -c \
  'import os, outlast.providers as p; raise SystemExit(not p.choose_model(os.environ))'

.PHONY: up
up: ## start Restate, worker and app; without a provider key, with a demo model
	@docker compose --profile demo build
	@if ! $(MODEL_CHOSEN); then \
	  export COMPOSE_PROFILES=demo; \
	  echo "There is no provider key, so the demo model answers: a stand-in, no real model."; \
	fi; \
	docker compose up --wait --remove-orphans; \
	app=http://$$(docker compose port app 8070); \
	agent=$$(docker compose exec -T app python -c 'from outlast_app.settings import AppSettings as Settings; \
	  print(Settings().load_registry().names()[0])'); \
	echo; \
	echo "The app is at $$app (its API at $$app/docs), Restate's UI at http://$$(docker compose port guard 9070). Try:"; \
	echo; \
	echo "  curl $$app/agents/$$agent/runs -H 'content-type: application/json' -d '{\"input\": \"Where is my order A-1003?\"}'"; \
	echo "  docker compose exec app outlast chat $$agent"

.PHONY: down
down: ## stop the containers; the data stays (docker compose down --volumes deletes it)
	@docker compose --profile demo down

.PHONY: logs
logs: ## follow the containers' logs
	@docker compose --profile demo logs --follow --tail 100

.PHONY: register
register: ## register the worker with Restate: the one in Docker if it is up, else the local one
	@if [ -n "$$(docker compose ps --quiet --status running restate 2>/dev/null)" ]; then \
	  docker start --attach "$$(docker compose ps --all --quiet register)"; \
	else \
	  $(MAKE) --no-print-directory setup; \
	  $(OUTLAST) register; \
	fi

.PHONY: test-e2e
test-e2e: setup-test ## try the containers on a real engine: start, kill, restart
	@.venv/bin/pytest -m e2e tests/e2e

##@ Measure

ROUNDS = 3

.PHONY: bench
bench: setup-test ## what a run costs, beside a bare loop on Restate and loops in memory (ROUNDS=3)
	@$(PY) -m benchmarks --rounds $(ROUNDS) $(BENCH)

PEERS = langgraph pydantic-ai
PEER_FOLDER = .venv/peers

.PHONY: bench-peers
bench-peers: setup-test $(PEERS:%=$(PEER_FOLDER)/%/.synced) ## the same, and LangGraph, pydantic-ai, DBOS
	@$(PY) -m benchmarks --rounds $(ROUNDS) --peers $(PEER_FOLDER) $(BENCH)

$(PEER_FOLDER)/%/.synced: benchmarks/peers/%.txt | .venv/.uv
	@$(UV) venv --quiet --clear --python $(PY) $(@D)
	@$(UV) pip sync --quiet --require-hashes --python $(@D)/bin/python $<
	@touch $@

##@ Maintain

PACKAGES = shared app worker cli local
DIST = dist

.PHONY: build
build: .venv/.uv ## fill dist/ (DIST=…) with the packages' wheels; the same sources make the same files
	@rm -f $(DIST)/*.whl
	@for package in $(PACKAGES); do \
	  $(UV) build --wheel --offline --quiet --python $(PY) --out-dir $(DIST) $$package; \
	done
	@ls $(DIST)/*.whl

# Ours are installed from the workspace, never from an index: no lock names them.
OURS = outlast outlast-app outlast-cli outlast-local outlast-worker example-agents
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  $(addprefix --no-emit-package ,$(OURS)) $(if $(UPGRADE),--upgrade)
COMPILE_PART = $(COMPILE) --constraints requirements/dev.txt --no-annotate
NPM_FOLDERS = tests/third_party tests/clients $(EXAMPLE_CHAT)

.PHONY: prices
prices: setup-test ## write the price list of models anew, from the installed litellm's
	@$(PY) dev/model_prices.py

.PHONY: lock
lock: .venv/.uv ## write the locks anew, keeping versions unless UPGRADE=1
	@$(COMPILE) --group bootstrap --output-file requirements/uv.txt
	@$(COMPILE) --group dev --output-file requirements/dev.txt
	@$(COMPILE_PART) local/pyproject.toml --output-file requirements/local.txt
	@$(COMPILE_PART) app/pyproject.toml cli/pyproject.toml --output-file requirements/app.txt
	@$(COMPILE_PART) worker/pyproject.toml --extra granian --extra litellm --extra mcp --output-file requirements/worker.txt
	@for peer in $(PEERS); do \
	  $(COMPILE) benchmarks/peers/$$peer.in --output-file benchmarks/peers/$$peer.txt; \
	done
	@$(COMPILE) --no-annotate tests/third_party/requirements.in --output-file tests/third_party/requirements.txt
	@$(COMPILE) --no-annotate tests/clients/requirements.in --output-file tests/clients/requirements.txt
	@$(if $(UPGRADE),rm -f $(addsuffix /package-lock.json,. $(NPM_FOLDERS)))
	@npm install --package-lock-only --loglevel=error
	@for folder in $(NPM_FOLDERS); do \
	  npm install --package-lock-only --loglevel=error --prefix $$folder \
	    --omit-lockfile-registry-resolved --ignore-scripts; \
	done
	@$(PY) dev/locks.py stamp

# The stamps live inside what they vouch for, so that deleting the folder is a clean start.
.venv/.uv: requirements/uv.txt dev/make_venv.py
	@for python in $(PYTHONS); do \
	  $$python -c '' 2>/dev/null || continue; \
	  status=0; $$python dev/make_venv.py || status=$$?; \
	  case $$status in 0) touch $@; exit;; 3) ;; *) exit $$status;; esac; \
	done; \
	echo "No Python 3.11, 3.12 or 3.13 among: $(PYTHONS). Install one, or run: make setup PYTHON=/path/to/python" >&2; \
	exit 1

# Tests and checks need more than the demo does: whichever was asked for last in full stays.
STEP = $(PY) dev/step.py
EDITABLE = $(addprefix --editable ,./shared ./app ./worker ./cli ./local ./shared/agents)
SYNC = $(UV) pip sync --python $(PY) --require-hashes --compile-bytecode
INSTALL_OURS = $(UV) pip install --python $(PY) --offline --no-deps --quiet $(EDITABLE)

.venv/.synced: .venv/.uv requirements/local.txt */pyproject.toml
	@$(STEP) "Installing the Python packages (460 MB on disk)" env $(SYNC) requirements/local.txt
	@$(INSTALL_OURS)
	@rm -f .venv/.synced-test
	@touch $@

.venv/.synced-test: .venv/.uv requirements/dev.txt */pyproject.toml
	@$(STEP) "Installing the Python packages, those of the tests too (510 MB on disk)" env $(SYNC) requirements/dev.txt
	@$(INSTALL_OURS)
	@touch .venv/.synced $@

CLIENTS = .venv/clients
.venv/clients/.synced: tests/clients/requirements.txt | .venv/.uv
	@$(UV) venv --quiet --clear --python $(PY) $(CLIENTS)
	@$(STEP) "Installing OpenAI's Python clients (60 MB on disk)" \
	  env $(UV) pip sync --require-hashes --python $(CLIENTS)/bin/python $<
	@touch $@

NODE = if ! node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null || ! npm --version >/dev/null 2>&1; then \
    echo "Node.js 18 or later with npm is missing: the Restate server and pyright come from npm." >&2; \
    exit 1; \
  fi

node_modules/.synced: package-lock.json package.json .npmrc
	@$(NODE)
	@$(STEP) "Installing the Restate server (216 MB on disk)" npm ci --omit=dev --loglevel=error
	@rm -f node_modules/.synced-test
	@touch $@

node_modules/.synced-test: package-lock.json package.json .npmrc
	@$(NODE)
	@$(STEP) "Installing the Restate server, its command line and pyright (470 MB on disk)" npm ci --loglevel=error
	@touch node_modules/.synced $@

# Others' MCP servers bring what ours must not depend on: they get folders of their own.
.venv/third_party/.synced: tests/third_party/package-lock.json tests/third_party/requirements.txt .npmrc | .venv/.uv
	@$(NODE)
	@mkdir -p $(@D)
	@cp .npmrc tests/third_party/package.json tests/third_party/package-lock.json $(@D)
	@$(STEP) "Installing others' MCP servers, for tests (80 MB on disk)" npm ci --prefix $(@D) --loglevel=error
	@$(UV) venv --quiet --clear --python $(PY) $(@D)/python
	@$(UV) pip sync --quiet --require-hashes --python $(@D)/python/bin/python tests/third_party/requirements.txt
	@touch $@

tests/clients/node_modules/.synced: tests/clients/package-lock.json tests/clients/package.json
	@$(NODE)
	@$(STEP) "Installing the JavaScript clients (80 MB on disk)" npm ci --prefix tests/clients --loglevel=error
	@touch $@

$(EXAMPLE_CHAT)/node_modules/.synced: $(EXAMPLE_CHAT)/package-lock.json $(EXAMPLE_CHAT)/package.json | .venv/.uv
	@$(NODE)
	@$(STEP) "Installing what the example's page is built with (105 MB on disk)" \
	  npm ci --prefix $(EXAMPLE_CHAT) --loglevel=error
	@touch $@
