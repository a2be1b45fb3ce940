# Two commands: `make site` shows the sample, `make test` is what CI runs. Needs Python 3.11+ with venv, nothing else.

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/ready

.PHONY: site test clean

site: $(READY)
	@$(VENV)/bin/lms-audit build logs_sample -o site
	@echo
	@echo "Open $(CURDIR)/site/index.html"

test: $(READY)
	@.ci/test $(VENV)/bin

# One environment for both, so that what is shown is what is tested. The marker is newer than what it was made from.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; try: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) ..."
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,cluster]'
	@$(VENV)/bin/python -m compileall -q generator  # an editable install does not, and the first run would
	@touch $@

clean:
	rm -rf $(VENV) site build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
