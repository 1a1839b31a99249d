# Needs make and Python 3.11 or newer; everything else is installed into .venv, with the versions of constraints-dev.txt.
# Another Python: make demo PYTHON=/path/to/python3.12

PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(if $(shell $(p) -c 'import sys; print(1 if sys.version_info >= (3, 11) else "")' 2>/dev/null),$(p))) python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
# A file of tests each, those that take longest first (ml_platform_tests/costs.txt). Three workers for two cores, for some tests wait for a
# daemon most of the time; the fast ones do not wait, and every worker pays for its imports: two.
# Something else for pytest, for instance: make test PYTEST_ARGS="-m 'not slow'"
PYTEST_ARGS ?= -n $(WORKERS) --dist loadfile --no-loadscope-reorder
all-tests: WORKERS ?= 3
fast-tests: WORKERS ?= 2

# Nothing of this calls home.
export DAGSTER_DISABLE_TELEMETRY := 1
export DO_NOT_TRACK := 1
# Threads of LightGBM that wait sleep: on a busy machine spinning ones take half of the CPU from what runs beside them.
export OMP_WAIT_POLICY := passive
# Python keeps what it has compiled: every process of a test and every worker would otherwise compile all modules anew, a second and ten of them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo purchases land dev test lint hunt check all-tests fast-tests costs docs integrations venv format clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## Build the whole pipeline on real flights, then show what was built (minutes the first time, seconds after)
	@$(BIN)/python -m examples.flights demo

purchases: $(STAMP) ## The other example: one CSV of a music shop, from the file to a champion, predictions and the story of it (a minute)
	@$(BIN)/python -m examples.purchases.feed
	@cd examples/purchases && $(CURDIR)/$(BIN)/ml-platform run customer_comes_back

land: NEXT ?= 1d
land: $(STAMP) ## Deliver the flights of the next day (make land NEXT=1h: of the next hour); with `make dev` running, watch them flow
	@$(BIN)/python -m examples.flights land --next $(NEXT)

dev: $(STAMP) ## Start the Dagster UI on the same data: http://127.0.0.1:3000 (Ctrl-C stops it; ML_PLATFORM_BRANCH=NAME: on a branch)
	@DAGSTER_HOME="$(CURDIR)" $(BIN)/ml-platform branch dev

# The types are checked by one core while the tests use the other.
test: $(STAMP) ## Run all checks and tests: format, lint, layers, types, pytest
	@$(MAKE) --no-print-directory --jobs 2 lint all-tests

check: $(STAMP) ## What every commit keeps: the same with the fast tests only
	@$(MAKE) --no-print-directory --jobs 2 lint fast-tests

all-tests: $(STAMP)
	@echo "==> pytest"       && $(BIN)/python -m pytest $(PYTEST_ARGS)

fast-tests: $(STAMP)
	@echo "==> pytest, without the slow tests" && $(BIN)/python -m pytest $(PYTEST_ARGS) -m "not slow"

lint: $(STAMP) ## Check format, lint, layers and types
	@echo "==> ruff format"  && $(BIN)/ruff format --check .
	@echo "==> ruff check"   && $(BIN)/ruff check .
	@echo "==> import-linter (imports point down only)" && $(BIN)/lint-imports
	@echo "==> pyright"      && $(BIN)/pyright --pythonpath $(BIN)/python

costs: WORKERS ?= 3
costs: $(STAMP) ## Run all tests and write down which files of them take longest
	@$(BIN)/python -m pytest $(PYTEST_ARGS) --write-costs

hunt: $(STAMP) ## Look for what the random tests have not seen yet: twenty times their examples (long)
	@ML_PLATFORM_TEST_EFFORT=20 $(BIN)/python -m pytest -n 2 --dist loadfile -m hypothesis

docs: $(STAMP) ## Build the documentation into site/ (open site/index.html; a broken link fails)
	@echo "==> mkdocs" && NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet && echo "==> Open site/index.html"

integrations: $(STAMP) ## Say which packages can be installed beside the wheel and its pinned versions (asks the package index)
	@$(BIN)/python -m ml_platform_tests.integrations

venv: $(STAMP) ## Make .venv and install the pinned packages

format: $(STAMP) ## Put the code into its format and order its imports
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format .

clean: ## Remove what was landed, built and cached (keeps .venv; `rm -r .venv` removes that)
	@echo "==> Removing data/lake, data/.dagster, landed files and caches"
	@rm -rf data/lake data/.dagster data/now examples/purchases/data .tmp_dagster_home_* build dist site .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find data/landing -mindepth 1 ! -name .gitkeep -delete
	@find ml_platform examples ml_platform_docs ml_platform_tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# A changed list of packages installs again; a failed installation leaves no stamp and is taken up where it stopped.
$(STAMP): pyproject.toml constraints.txt constraints-dev.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "ml_platform needs Python 3.11 or newer; $(PYTHON) is %d.%d. Name another: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" % v[:2])' \
		|| { command -v $(PYTHON) >/dev/null || echo "There is no $(PYTHON). Install Python 3.11 or newer, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@echo "==> Making the virtual environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { echo "Python cannot make a virtual environment here. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "==> Installing the pinned packages (some 180 of them, about a minute on a good line)"
	@$(PIP) install -c constraints-dev.txt hatchling editables setuptools
	@$(PIP) install -c constraints-dev.txt --no-build-isolation -e '.[examples,dev]'
	@touch $(STAMP)
	@echo "==> Installed"
