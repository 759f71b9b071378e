# Every target sets up what it needs: a virtual environment in .venv, made again only when the locks change.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: repro test test-slow test-slurm faults mutants bench gpu plan tables doctor lint lock clean here help

# JOBS=2: two stages side by side, in the place of one after another.
repro: $(VENV)/run  ## the whole graph at the scale of params.yaml
	@python -m eoinas.locks  # where dvc was killed while it wrote its file of locks, no dvc can read it
	$(if $(JOBS),python -m eoinas.fan --jobs $(JOBS),python -m dvc --wait-for-lock repro)

test: $(VENV)/dev  ## the tests, minutes
	python -m pytest -n auto --dist loadfile

test-slow: $(VENV)/dev  ## the tests that take long
	python -m pytest -m slow

test-slurm: $(VENV)/dev  ## the driver on a Slurm of one node that the tests start; as root, with Debian's slurm-wlm and munge
	python -m pytest -m slurm

faults: $(VENV)/dev  ## kill every training stage again and again and compare, damage every kind of file; one to two hours
	python -m tests.faults
	EOINAS_FUZZ=100 python -m pytest -n auto tests/test_fuzz.py

mutants: $(VENV)/dev  ## change the method's code at random and see that a test fails; an hour
	python -m tests.mutants

# In this order, for the last writes up what the others found.
BENCHMARKS := search_step seg_search_step bench_step calls operations retrain_step data_path loaders checkpoint_cost demo_time growth report

bench: $(VENV)/run  ## every speed claim measured, to reports/performance; under 20 minutes, on a quiet machine
	set -e; for name in $(BENCHMARKS); do python -m benchmarks.$$name; done

SCALE := paper
plan: $(VENV)/run  ## how long SCALE would take on 1 to 256 GPUs, imagined, to reports/plan
	python -m benchmarks.plan $(SCALE)

gpu: $(VENV)/run  ## the first minutes on a GPU: equal bytes, speed, GPU-hours, to reports/gpu; 9 minutes at most
	python -m benchmarks.gpu $(GPU)

tables: $(VENV)/run  ## the committed reports of scales whose results are kept in data/kept, made again without training; a minute or two
	python -m eoinas.kept

doctor: $(VENV)/run  ## whether the scale of params.yaml can run here
	python -m eoinas.doctor

lint: $(VENV)/dev  ## style, then types
	python -m ruff check .
	python -m ruff format --check .
	python -m mypy

# Pins that still fit stay as they are; `make lock LOCK=--upgrade` takes the newest of what requirements*.txt does not pin.
UV := uv==0.13.9
LOCK :=
COMPILE = "$$folder/bin/uv" --no-config --cache-dir "$$folder/cache" pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(LOCK)
MADE_ON = 1i \# For Python 3.11 and newer, other systems by markers; made and tried on Linux x86-64 with Python 3.11.

lock:  ## requirements.lock and requirements-dev.lock made anew from requirements*.txt, by a tool that lives for that long alone
	set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(PYTHON) -m venv "$$folder"; "$$folder/bin/python" -m pip install --quiet --disable-pip-version-check $(UV); \
	$(COMPILE) requirements.txt --output-file requirements.lock; \
	$(COMPILE) requirements-dev.txt --constraints requirements.lock --output-file requirements-dev.lock; \
	sed -i '$(MADE_ON)' requirements.lock requirements-dev.lock

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try make PYTHON=python3.11")'
	$(PYTHON) -m venv --clear $(VENV)

# A virtual environment names its own place in its scripts. One that came along with a moved or copied checkout gets the new name,
# lest `dvc` be missing or that of the old place; a link leads to one that others use where it is.
here: | $(VENV)/bin/python
	@old=$$(sed -n 's/^command = .* -m venv [^/]*//p' $(VENV)/pyvenv.cfg); new='$(CURDIR)/$(VENV)'; \
	if [ ! -L $(VENV) ] && [ -n "$$old" ] && [ "$$old" != "$$new" ]; then \
	  echo "$(VENV) was made as $$old: its scripts are brought here"; \
	  grep -rlIF "$$old" $(VENV)/bin $(VENV)/pyvenv.cfg | xargs -d '\n' sed -i "s|$$old|$$new|g"; \
	fi

$(VENV)/run: requirements.lock | here
	python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

$(VENV)/dev: requirements-dev.lock requirements.lock | here
	python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@ $(VENV)/run

clean:  ## everything but the results
	rm -rf $(VENV) .scratch .pytest_cache .ruff_cache .mypy_cache .hypothesis

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1: \2/p' Makefile
