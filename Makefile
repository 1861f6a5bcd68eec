SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PY := .venv/bin/python
UV := UV_PYTHON_DOWNLOADS=never .venv/bin/uv

# Set PYTHON to choose one; else the first of these that runs and is in range.
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
IN_RANGE := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))

.PHONY: help
help:
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Develop

.PHONY: setup
setup: .venv/.synced node_modules/.synced ## install everything into .venv and node_modules
	@:

.PHONY: format
format: setup ## format the code and fix what can be fixed
	@$(PY) -m ruff check --fix-only --quiet
	@$(PY) -m ruff format

.PHONY: check
check: setup ## format, lint, types, imports, locks: what CI and pre-commit run
	@$(PY) -m ruff format --check --quiet --diff
	@$(PY) -m ruff check
	@$(PY) dev/locks.py check
	@$(PY) -c 'from importlinter.cli import lint_imports_command as run; run()' --no-logo
	@node_modules/.bin/pyright

##@ Maintain

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  $(if $(UPGRADE),--upgrade)

.PHONY: lock
lock: .venv/.uv ## write the locks anew, keeping versions unless UPGRADE=1
	@$(COMPILE) --group bootstrap --output-file requirements/uv.txt
	@$(COMPILE) --group dev --output-file requirements/dev.txt
	@for group in app worker; do \
	  $(COMPILE) --group $$group --constraints requirements/dev.txt --no-annotate \
	    --output-file requirements/$$group.txt; \
	done
	@$(if $(UPGRADE),rm -f package-lock.json)
	@npm install --package-lock-only --loglevel=error
	@$(PY) dev/locks.py stamp

# The stamps live inside what they vouch for, so that deleting the folder is a clean start.
.venv/.uv: requirements/uv.txt
	@if ! $(PY) -c '$(IN_RANGE)' 2>/dev/null; then \
	  found=; \
	  for python in $(PYTHONS); do \
	    $$python -c '$(IN_RANGE)' 2>/dev/null || continue; \
	    found=$$python; \
	    $$python -c 'import ensurepip, venv' 2>/dev/null || continue; \
	    echo "Creating .venv with $$($$python --version)"; \
	    $$python -m venv --clear .venv; \
	    break; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "No Python 3.11, 3.12 or 3.13 among: $(PYTHONS). Install one, or run: make setup PYTHON=/path/to/python" >&2; \
	    exit 1; \
	  elif [ ! -x $(PY) ]; then \
	    echo "$$found has no venv module. Install it (Debian, Ubuntu: apt install python3-venv)." >&2; \
	    exit 1; \
	  fi; \
	fi
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

.venv/.synced: .venv/.uv requirements/dev.txt
	@$(UV) pip sync --python $(PY) --require-hashes --compile-bytecode --quiet requirements/dev.txt
	@touch $@

node_modules/.synced: package-lock.json package.json .npmrc
	@if ! node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null || ! npm --version >/dev/null 2>&1; then \
	  echo "Node.js 18 or later with npm is missing: the Restate server and pyright come from npm." >&2; \
	  exit 1; \
	fi
	@npm ci --loglevel=error
	@touch $@
