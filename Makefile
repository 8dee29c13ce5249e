# Everything here works on a fresh machine and without an activated environment: the first target that needs it makes
# .venv and installs wmenv into it, once per change of pyproject.toml or constraints.txt.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test test-all lint format bench-quick clean

demo: $(INSTALLED)  ## play a world, print its record, write a video, a contact sheet and the record to out/demo
	$(BIN)/wmenv demo --out out/demo

test: $(INSTALLED)  ## all tests but the slow ones
	$(BIN)/python -m pytest

test-all: $(INSTALLED)  ## the slow ones too
	$(BIN)/python -m pytest -m ""

lint: $(INSTALLED)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-quick: $(INSTALLED)  ## every benchmark in its quick form; each prints one JSON line last
	@set -e; for program in $$(grep -l -e '"--quick"' benchmarks/*.py); do echo "== $$program"; $(BIN)/python "$$program" --quick; done

$(INSTALLED): pyproject.toml constraints.txt .ci/opencv
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "wmenv needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[dev]'
	.ci/opencv $(BIN)/python
	touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist out
