# All commands. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help install up train down status test test-fast coverage mutants test-kernels check bench lock locked fresh rollback replay clean

# Compiled code is kept, whatever the environment says: to compile it again is most of a process's start.
unexport PYTHONDONTWRITEBYTECODE

PY := .venv/bin/python
# The Python to build the environment with; without it, any supported one on the PATH.
PYTHON ?=

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

install: ## virtual environment with the locked packages (the other targets do this first)
	@PYTHON="$(PYTHON)" operations/install.sh

up: install ## start everything, train the first bundle, print the addresses; Ctrl-C stops (DETACH=1: leave it running; SAMPLE=0: start empty)
	@exec $(PY) -m operations up $(if $(DETACH),--detach) $(if $(filter 0,$(SAMPLE)),--no-sample)

train: install ## train now on what is in the database, follow it, show what came of it (FORCE=1: although nothing is new; WEIGHTS=0: keep the blend's weights)
	@exec $(PY) -m operations train $(if $(FORCE),--force) $(if $(filter 0,$(WEIGHTS)),--no-weights)

down: ## stop everything that `make up` started, and nothing else
	@if $(PY) -c 'import circus, click, psutil' 2>/dev/null; then exec $(PY) -m operations down; else echo "Nothing is installed, so nothing was running."; fi

status: install ## what runs, and its memory
	@$(PY) -m operations status

# A file's tests run one after the other, in the order of the files: the long ones are not left to the end.
WORKERS ?= 2
PYTEST := $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: install ## all tests, in two processes (WORKERS=1: in one), with floors under the code that they reach
	@$(PYTEST) --cov --cov-report=
	@$(PY) -m tests.coverage_floor

test-fast: install ## the fast tests: no server, nothing slow
	@$(PYTEST) -q -m "not platform and not database and not slow"

coverage: install ## which lines and branches the last `make test` left out
	@$(PY) -m coverage report

# Goes on where the last one stopped. Not in CI: an hour of two processes, by night.
MINUTES ?= 60
mutants: install ## plant small bugs in the pure rooms, and tell which the tests do not notice (MINUTES=60, then again goes on)
	@nice -n 19 $(PY) -m tests.mutation_run --minutes $(MINUTES) --processes $(WORKERS)

# Kernels that every x86 processor of the last ten years can run, and those for AVX-512 where there is one (what
# OpenBLAS names Zen are Haswell's); on others it keeps its own.
KERNELS := "Haswell 4" "Sandybridge 1" "Nehalem 2" $(if $(shell grep -m1 -ow avx512bw /proc/cpuinfo 2>/dev/null),"SkylakeX 2")
test-kernels: install ## test models and ranking with the rounding of other processors and numbers of threads
	@for kernel in $(KERNELS); do set -- $$kernel; echo "OpenBLAS: $$1, threads: $$2"; \
	OPENBLAS_CORETYPE=$$1 OPENBLAS_NUM_THREADS=$$2 OMP_NUM_THREADS=$$2 $(PY) -m pytest -q --no-header tests/training/pipeline/test_rounding.py \
	tests/training/models/test_{als,nmf,contract,blend}.py tests/training/models/core/test_{longest_first,neighbours,rounding}.py tests/serving/steps || exit 1; done

check: install ## style, types, and which folder may import which
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy .
	@.venv/bin/lint-imports

rollback: install ## serve the bundle that served before: make rollback REASON="fewer clicks"
	@$(PY) -m training.release.rollback --reason "$(or $(REASON),by hand)"

replay: install ## rebuild a bundle from its snapshot, params and seed, and compare: make replay BUNDLE=id
	@$(PY) -m training.pipeline.replay "$(BUNDLE)"

bench: install ## benchmarks of speed, into docs/benchmarks.md; hours (NAME=mixed, service, platform, write, speed, ingest, resident or lists: only these; NAME="speed als": only that one)
	@BENCHMARKS_PAGE=docs/benchmarks.md $(PY) -m benchmarks $(NAME)

# From PyPI alone, and from wheels alone: what only this machine has must not be taken for granted. Earlier pins are kept.
lock: install ## resolve requirements.txt anew from pyproject.toml
	@.venv/bin/uv pip compile --quiet --universal --only-binary :all: --fork-strategy fewest --no-emit-index-url --group dev pyproject.toml -o requirements.txt

locked: install ## is requirements.txt complete for each Python and machine? (reads metadata from PyPI)
	@$(PY) -m operations.install.closed

fresh: install ## try `make up` in a minimal Debian, as root: with your pip settings, then with PyPI alone (SUITE=trixie)
	@$(PY) -m operations.fresh $(if $(SUITE),--suite $(SUITE))

clean: ## remove the virtual environment and caches; data, models and settings stay
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage mutants
