# Two commands set up everything: `make demo` (the main job) and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SHELL := /bin/bash

.PHONY: demo test check format bench plots soak clean

demo: $(STAMP)  ## load some weeks of order lines and check them to the cent
	$(BIN)/farandole demo $(DEMO)

test: $(STAMP)  ## the whole suite, on a real Kafka
	$(BIN)/python -m pytest -n 2 --dist loadfile $(TEST)

check: $(STAMP)  ## format, lint, types, import rules, and the tests that need no Kafka and no npm
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/farandole lint
	$(BIN)/python -m pytest -q -m "not kafka and not npm and not soak" $(TEST)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## ratios beside the same work by hand and by the peers; benchmarks/results.json
	$(BIN)/python -m benchmarks $(BENCH)

plots: $(STAMP)  ## docs/*.svg, from benchmarks/results.json
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m benchmarks.plot benchmarks/results.json
	$(BIN)/python docs/draw_event_path.py

soak: $(STAMP)  ## long chaos: twenty kills, 200,000 lines
	$(BIN)/python -m pytest -m soak -s --timeout 3600 $(TEST)

clean:
	rm -rf $(VENV) .venv-peers .farandole .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "farandole needs Python 3.11 or newer: install python3 (or name one: make PYTHON=python3.12)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "farandole needs Python 3.11 or newer; $$($(PYTHON) --version) is too old: name another one, make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python has no venv here: install it (Debian: apt-get install python3-venv)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
