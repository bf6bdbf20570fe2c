# Needs python3 (3.11 or newer) and make; everything else goes into the virtual environment .venv.
PYTHON ?= python3
VENV := .venv
OUT := out
DATA := dataset:airline
LOCK := requirements-ci.txt

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check

.PHONY: forecast pretrained quick test coverage lint audit lock benchmark clean

forecast: $(VENV)/run.stamp  ## fit and predict the airline passengers
	mkdir -p $(OUT)
	rm -f $(OUT)/forecast.csv $(OUT)/forecast.png
	$(BIN)/forecaster fit $(DATA) --model $(OUT)/model
	$(BIN)/forecaster predict --model $(OUT)/model --horizon 12 --output $(OUT)/forecast.csv --plot $(OUT)/forecast.png
	@printf '%s\n' $(OUT)/model $(OUT)/forecast.csv $(OUT)/forecast.png

pretrained: $(VENV)/test.stamp  ## train the network that comes along anew, on generated series; three quarters of an hour
	$(BIN)/python -m forecaster.pretrained.train

quick: $(VENV)/test.stamp  ## every test that needs no TensorFlow, in under a minute
	$(BIN)/python -m pytest -q -n 2 --dist worksteal --quick

test: lint  ## lint, then every test
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

coverage: $(VENV)/test.stamp  ## every test, and the lines that none of them runs; a third slower
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --cov --cov-report=term

lint: $(VENV)/test.stamp  ## style, types and the layers of the imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(VENV)/test.stamp  ## known vulnerabilities of what the tests run with
	$(BIN)/python .ci/audit.py $(LOCK)

lock: $(VENV)/test.stamp  ## pin the newest of everything that setup.cfg allows, with the hashes of its files
	$(BIN)/uv pip compile -q setup.cfg --extra test --universal --python-version 3.11 --generate-hashes --upgrade \
		--custom-compile-command 'make lock' --output-file $(LOCK)

benchmark: $(VENV)/run.stamp  ## accuracy and speed against the baselines
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/speed.py

clean:
	rm -rf $(VENV) $(OUT) build dist *.egg-info .coverage htmlcov .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment, installed again only when what is installed into it changes.
$(VENV)/run.stamp: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/test.stamp: setup.cfg pyproject.toml $(LOCK)
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --no-deps --requirement $(LOCK)
	PYTHONWARNINGS=ignore $(PIP) --no-deps --no-build-isolation --editable .
	touch $@ $(VENV)/run.stamp
