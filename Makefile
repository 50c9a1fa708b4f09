# Each target makes .venv itself when it is missing. `make help` lists them.
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help demo serve test soak fuzz lint translations audit-deps bench clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY)  ## a programme from the bundled real data, then serve (ARGS=--no-serve stops after printing)
	@$(BIN)/tanhui demo $(ARGS)

serve: $(READY)  ## migrate, then API and pages at http://127.0.0.1:8000
	@$(BIN)/tanhui serve

test: $(READY)  ## all tests, on a PostgreSQL and a Redis of their own (ARGS="-k name" picks)
	@$(BIN)/pytest $(ARGS)

soak: $(READY)  ## model, storm and kills for long, then properties by chance (ARGS="--minutes 60": the storm's, at first 5)
	@$(BIN)/pytest tests/soak/soak.py $(ARGS)
	@$(BIN)/pytest -m hypothesis --hypothesis-profile=random

fuzz: $(READY)  ## Schemathesis against the running server, in every role, five minutes in all
	@TANHUI_FUZZ_SECONDS=$${TANHUI_FUZZ_SECONDS:-37} $(BIN)/pytest -n 0 tests/service/test_schemathesis.py $(ARGS)

lint: $(READY)  ## ruff, mypy --strict, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

translations: $(READY)  ## compile the pages' English after it was edited (service/web/translations)
	@for area in service/web/translations/*; do $(BIN)/pybabel -q compile -f -d $$area; done

audit-deps: $(READY)  ## the pinned versions against published advisories, where they can be asked
	@$(BIN)/python -m tests.audit_dependencies

bench: $(READY)  ## figures and ratios of this machine, some minutes
	@$(BIN)/python -m benchmarks.activities
	@$(BIN)/python -m benchmarks.detection
	@$(BIN)/python -m benchmarks.ledger
	@$(BIN)/python -m benchmarks.sealing
	@$(BIN)/python -m benchmarks.app_door
	@$(BIN)/python -m benchmarks.conduct
	@$(BIN)/python -m benchmarks.redemptions
	@$(BIN)/python -m benchmarks.settlements
	@$(BIN)/python -m benchmarks.pages
	@$(BIN)/python -m benchmarks.districts_rollup
	@$(BIN)/python -m benchmarks.districts_dashboard
	@$(BIN)/python -m benchmarks.report_rendering
	@$(BIN)/python -m benchmarks.open_data

clean:  ## remove .venv and caches; var, which holds data, stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info

$(READY): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@echo "setting up .venv (once)"
	@$(PYTHON) -m venv .venv
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)
