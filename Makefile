# Every target sets up what it needs: a virtual environment in .venv, made again only when the requirements change.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: repro test test-slow faults bench doctor lint clean

repro: $(VENV)/run  ## the whole graph at the scale of params.yaml
	@find .dvc/tmp -name rwlock -empty -delete 2>/dev/null || true  # left by a dvc that was killed while it wrote it; no dvc can read it
	dvc --wait-for-lock repro

test: $(VENV)/dev  ## the tests, minutes
	python -m pytest -n auto --dist loadfile

test-slow: $(VENV)/dev  ## the tests that take long
	python -m pytest -m slow

faults: $(VENV)/dev  ## kill every training stage again and again and compare, damage every kind of file; one to two hours
	python -m tests.faults
	EOINAS_FUZZ=100 python -m pytest -n auto tests/test_fuzz.py

# In this order, for the last writes up what the others found.
BENCHMARKS := search_step seg_search_step operations retrain_step data_path loaders checkpoint_cost demo_time growth report

bench: $(VENV)/run  ## every speed claim measured, to reports/performance; under 20 minutes, on a quiet machine
	set -e; for name in $(BENCHMARKS); do python -m benchmarks.$$name; done

doctor: $(VENV)/run  ## whether the scale of params.yaml can run here
	python -m eoinas.doctor

lint: $(VENV)/dev
	ruff check .
	ruff format --check .

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: requirements.txt | $(VENV)/bin/python
	python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/dev: requirements-dev.txt requirements.txt | $(VENV)/bin/python
	python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ $(VENV)/run

clean:  ## everything but the results
	rm -rf $(VENV) .scratch .pytest_cache .ruff_cache .hypothesis
