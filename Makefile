# One environment for everything: .venv, pinned by requirements.lock, made with uv.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup browser demo test slow lint check lock clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml .python-version scripts/setup.sh
	@bash scripts/setup.sh $(VENV)
	@touch $(STAMP)

browser:
	@bash scripts/browser.sh

demo: setup
	@$(BIN)/huracan demo

test: setup
	@$(BIN)/python -m pytest -n 2

slow: setup browser
	@$(BIN)/python -m pytest -n 3 -m slow --durations=8

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

check: lint test

lock: setup
	@$(BIN)/uv pip compile pyproject.toml --all-extras --python-version 3.13 --no-header --no-emit-index-url --upgrade -q -o requirements.lock

clean:
	rm -rf $(VENV)
