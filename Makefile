# Everything sets itself up: a bare machine needs Python 3.11+, make and git.
PYTHON ?= $(shell tools/interpreter.sh)
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip -qq --disable-pip-version-check
# One virtual environment serves all targets. The stamp is renewed when what it was made from changes.
STAMP  := $(VENV)/.installed

# OpenMP threads that wait for each other for long are thirty times slower beside another process.
export GOMP_SPINCOUNT ?= 10000
export TOKENIZERS_PARALLELISM ?= false
# Memory in pages of 2 MB where glibc and the system know them: PyTorch's work takes 3 % less.
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1
# Else each of the hundreds of processes that tests start compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE

# Files of tests run in this many processes, of one thread each; the longest come first
# (tests/parallel.py). One more than the two cores that the suite is made for: a tenth of its time
# is waiting for other processes.
WORKERS ?= 3
PYTEST  := $(BIN)/python -m pytest -q --workers $(WORKERS) --early tests/plain.txt

.PHONY: demo test test-fast lint bench clean help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once; a few minutes, mostly PyTorch) ..."
	@test -x $(BIN)/python || { python="$(PYTHON)" && \
	"$$python" -c 'import sys; sys.exit("hubtools needs Python 3.11 or newer; set PYTHON=python3.x") if sys.version_info < (3, 11) else None' && \
	"$$python" -m venv $(VENV); }
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -c 'import hubtools, torch, diffusers, starlette, pytest'
	@touch $@

demo: $(STAMP) ## the whole journey on the built-in example, against the embedded Hub
	@$(BIN)/hubtools demo

test: $(STAMP) ## all tests, on two cores
	@$(PYTEST) $(ARGS)

test-fast: $(STAMP) ## the tests without those marked slow
	@$(PYTEST) -m 'not slow' $(ARGS)

lint: $(STAMP) ## style, types, floors, workflows
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/zizmor --offline --quiet .github/workflows action.yml
	@$(BIN)/actionlint

bench: $(STAMP) ## what is measured, against whom; prints ratios
	@for script in benchmarks/bench_*.py; do OMP_NUM_THREADS=1 $(BIN)/python $$script || exit 1; done

clean: ## remove the virtual environment and the demo
	rm -rf $(VENV) hubtools-demo
