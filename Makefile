# The whole vocabulary. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help install up down status test test-kernels check bench lock rollback replay clean

PY := .venv/bin/python
# A Python 3.11 to build the environment with, where `python3.11` is not on the PATH.
PYTHON ?=

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

install: ## virtual environment with the locked packages (the other targets do this first)
	@PYTHON="$(PYTHON)" operations/install.sh

up: install ## start everything, train the first bundle, print the addresses; Ctrl-C stops (DETACH=1: leave it running; SAMPLE=0: start empty)
	@exec $(PY) -m operations up $(if $(DETACH),--detach) $(if $(filter 0,$(SAMPLE)),--no-sample)

down: ## stop everything that `make up` started, and nothing else
	@if [ -x $(PY) ]; then exec $(PY) -m operations down; else echo "Nothing is installed, so nothing was running."; fi

status: install ## what runs, and its memory
	@$(PY) -m operations status

test: install ## all tests
	@$(PY) -m pytest

# Kernels that every x86 processor of the last ten years can run; elsewhere OpenBLAS keeps its own.
test-kernels: install ## the models' and the ranking's tests as other processors and numbers of threads round
	@for kernel in "Haswell 4" "Sandybridge 1" "Nehalem 2"; do set -- $$kernel; echo "OpenBLAS: $$1, threads: $$2"; \
	OPENBLAS_CORETYPE=$$1 OPENBLAS_NUM_THREADS=$$2 OMP_NUM_THREADS=$$2 $(PY) -m pytest -q --no-header tests/training/test_rounding.py \
	tests/training/models/test_{opinions,als,nmf,contract,neighbours,blend}.py tests/serving/ranking || exit 1; done

check: install ## style, types and the rules of who imports whom
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy .
	@.venv/bin/lint-imports

rollback: install ## serve the bundle that served before: make rollback REASON="fewer clicks"
	@$(PY) -m training.rollback --reason "$(or $(REASON),by hand)"

replay: install ## rebuild a bundle from its snapshot, params and seed, and compare: make replay BUNDLE=id
	@$(PY) -m training.replay "$(BUNDLE)"

bench: install ## benchmarks: both sides in one run, ratios out (ONE=service, ingest or training: only that)
	@$(PY) -m benchmarks $(ONE)

# pip's find-links serve the lock too: where a CPU build of torch lies there, it is taken, and its local suffix, which
# names no file elsewhere, is dropped. Earlier pins are kept, save torch's: its pin would shut the CPU build out.
lock: install ## resolve requirements.txt anew from pyproject.toml
	@.venv/bin/uv pip compile --quiet --python 3.11 --upgrade-package torch $(addprefix --find-links ,$(PIP_FIND_LINKS)) --no-emit-find-links --no-emit-index-url --group dev pyproject.toml -o requirements.txt
	@sed -i 's/+cpu$$//' requirements.txt

clean: ## remove the virtual environment and caches; data, models and settings stay
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
