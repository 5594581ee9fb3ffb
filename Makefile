# The contributor's whole vocabulary: demo, test, check, simulate, mutate, bench, docs. Each makes what it needs in .venv.
#   make demo [ONCE=1]   the main job on embedded defaults, narrated; ONCE=1 ends with its status instead of serving
#   make test [ARGS=...] every test, against the built wheel
#   make check           lint, types, architecture
#   make simulate [SEEDS=100000]   refreshes against every misfortune: drawn runs; with COMPLETE=1 every run of two callers to its end
#   make mutate [FILES="oauth1/verify"]   changes both protocols in small ways and shows which change no test notices
#   make bench [ARGS=--fleet]   cold starts, signatures and reads per second, fleets, written to docs/benchmarks.md
#   make docs [ENGINES=1]   the tables in docs/ that are made from the code; with ENGINES=1 those that need the stores' servers

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := $(shell find src -type f -not -name '*.pyc' -not -path '*/__pycache__/*')
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test check simulate mutate bench docs clean

demo: $(VENV)/.cli
	@$(BIN)/valetkey demo $(if $(ONCE),--once) $(ARGS)

test: $(VENV)/.wheel $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.wheel $(VENV)/.test $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python tools/program_guard.py src/valetkey

simulate: $(VENV)/.wheel
	$(BIN)/python -m valetkey.testing.simulate $(if $(COMPLETE),--complete,$(if $(DEPTH),--exhaustive $(DEPTH),--seeds $(or $(SEEDS),100000))) $(ARGS)

mutate: $(VENV)/.test $(VENV)/.mutation
	$(BIN)/python -m tools.mutate $(FILES) $(ARGS)

bench: $(VENV)/.wheel $(VENV)/.test $(VENV)/.bench
	$(BIN)/python bench/run.py $(ARGS)

docs: $(VENV)/.wheel
	PYTHONPATH=src $(BIN)/python -m tools.tables docs
	$(if $(ENGINES),PYTHONPATH=src $(BIN)/python -m tools.wire_costs)

clean:
	rm -rf $(VENV) .cache build dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("valetkey needs Python 3.11 or newer; name one with make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'

# The wheel is built and installed as users get it; src/ is not on the path of a test.
$(VENV)/.wheel: $(VENV)/bin/python $(SOURCES) pyproject.toml README.md
	$(PIP) install '.[all]'
	$(PIP) install --no-deps --force-reinstall .
	@touch $@

$(VENV)/.cli: $(VENV)/bin/python $(SOURCES) pyproject.toml README.md
	@echo "setting up $(VENV) ..."
	@$(PIP) install '.[cli]'
	@$(PIP) install --no-deps --force-reinstall .
	@touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml
	$(PIP) install --group test
	@touch $@

$(VENV)/.check: $(VENV)/bin/python pyproject.toml
	$(PIP) install --group typing --group lint
	@touch $@

$(VENV)/.mutation: $(VENV)/bin/python pyproject.toml
	$(PIP) install --group mutation
	@touch $@

$(VENV)/.bench: $(VENV)/bin/python pyproject.toml
	$(PIP) install --group bench
	@touch $@
