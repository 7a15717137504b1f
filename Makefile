# Two commands on a fresh machine: `make demo` and `make test`. Both make the virtual
# environment and build the extension themselves.

VENV := .venv
BIN := $(VENV)/bin
# The machine's own python3 if it will do, else the newest that does.
USABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 \
	$$HOME/.pyenv/versions/3.13.*/bin/python $$HOME/.pyenv/versions/3.12.*/bin/python \
	$$HOME/.pyenv/versions/3.11.*/bin/python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c '$(USABLE)' >/dev/null 2>&1 && echo $$p && exit; done)
NATIVE := $(wildcard _native/*.pyx _native/*.px[di])

.PHONY: demo test lint generate check bench build clean

demo: build
	$(BIN)/futukit demo

test: build
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --mypy-config-file pyproject.toml futukit._native

generate: build
	$(BIN)/python -m codegen generate

check: build
	$(BIN)/python -m codegen check

bench: build
	$(BIN)/python -m benchmarks $(BENCH_FLAGS)

build: $(VENV)/.built

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "no Python 3.11, 3.12 or 3.13 with venv was found: install one, or name it: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	@command -v $${CC:-cc} >/dev/null || { echo "no C compiler was found: install gcc or clang, or name it in CC" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.built: $(VENV)/bin/python pyproject.toml setup.py $(NATIVE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info futukit/_native/*.so
