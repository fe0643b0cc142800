# `make` alone lists the targets. Everything runs in .venv, which the first of them to be run sets up.

# PYTHON names the Python to set up with (PYTHON=python3.12 make setup); else the one in .venv stays, or the first that fits.
FITS := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
ifndef PYTHON
PYTHON := $(shell for python in .venv/bin/python python3 python3.12 python3.11 python3.10; do \
	"$$python" -c '$(FITS)' 2>/dev/null && echo "$$python" && break; done)
endif
PY := .venv/bin/python

export FIFTYONE_DO_NOT_TRACK := true

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast lint bench models app constraints clean

help: ## list the targets
	@echo 'make TARGET'
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## build .venv with the pinned packages; over at once if nothing has changed
	@"$(PYTHON)" -c '$(FITS)' 2>/dev/null || { \
		echo 'Drape needs Python 3.10, 3.11 or 3.12. Name one: PYTHON=/path/to/python3.11 make setup' >&2; exit 1; }
	@"$(PYTHON)" scripts/set_up.py

demo: setup ## the main job on a simulated operation, offline (REAL=1: on real videos; APP=1: and as a FiftyOne dataset)
	$(PY) scripts/demo.py $(if $(REAL),--real) $(if $(APP),--app)

# Tests of one file run one after another in one process; WORKERS files run at a time.
WORKERS ?= 2

test: lint ## lint and every test (WORKERS=1: one at a time)
	$(PY) -m pytest -n $(WORKERS) --dist loadfile

test-fast: setup ## the tests that need neither minutes nor a browser
	$(PY) -m pytest -m "not slow and not browser"

lint: setup ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

bench: setup ## measure, and compare with peers
	$(PY) -m bench

models: setup ## train the example detector and the example pose model again, on simulated rooms
	$(PY) scripts/train_detector.py
	$(PY) scripts/train_pose.py

app: setup ## open the FiftyOne App with this plugin (DATASET=name opens that dataset)
	FIFTYONE_PLUGINS_DIR="$(CURDIR)" FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS=true .venv/bin/fiftyone app launch $(DATASET)

constraints: setup ## renew constraints.txt from pyproject.toml (UPGRADE=--upgrade for newer versions)
	$(PY) -m pip install --quiet uv
	UV_PYTHON_DOWNLOADS=never $(PY) -m uv pip compile $(UPGRADE) --quiet --universal --python-version 3.10 --no-annotate --extra dev --group setup \
		--custom-compile-command 'make constraints' pyproject.toml --output-file constraints.txt

clean: ## remove .venv and everything that was made here
	rm -rf .venv build dist demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis plugin/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
