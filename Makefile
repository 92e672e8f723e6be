# make run     set everything up, build the index, serve the web chat on http://127.0.0.1:8000
# make test    set everything up, pass the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := bin/pip install --quiet --disable-pip-version-check

.PHONY: setup run test check gate bench vectors lock browser clean

setup: $(VENV)/.installed

# $(call install,VENV,LOCK): torch first, from the CPU index, whose builds are a tenth of the size; where it cannot be reached,
# PyPI's build is taken.
define install
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
@echo "Installing $(2) into $(1) (a few minutes the first time) …"
@$(1)/$(PIP) --retries 1 --timeout 15 --no-deps --index-url https://download.pytorch.org/whl/cpu $$(grep '^torch==' $(2)) 2>/dev/null || true
@$(1)/$(PIP) -r $(2)
endef

$(VENV)/.installed: requirements.lock requirements-nodeps.lock pyproject.toml
	$(call install,$(VENV),requirements.lock)
	@$(VENV)/$(PIP) --no-deps -r requirements-nodeps.lock
	@$(VENV)/$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

run: setup
	$(BIN)/aeo index update
	$(BIN)/aeo serve

test: setup browser
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/aeo corpus validate

# Answer quality on the gate's questions, held against evals/baselines/gate.json.
gate: setup
	$(BIN)/aeo index update
	$(BIN)/aeo eval gate

# The browser tests drive a real Chromium; install one where there is none.
browser: setup
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -qq -y chromium fonts-noto-cjk >/dev/null; \
	  else $(BIN)/playwright install chromium; fi; }

# Peers live in an environment of their own. BEIR=DIR adds the quality figures over that collection.
bench: setup $(VENV)-peers/.installed
	$(BIN)/python -m evals.bench --peers-python $(VENV)-peers/bin/python $(if $(BEIR),--beir $(BEIR))

$(VENV)-peers/.installed: requirements-peers.lock
	$(call install,$(VENV)-peers,requirements-peers.lock)
	@touch $@

# After guidance changed: embed what is new and store the vectors beside the notes.
vectors: setup
	$(BIN)/python -m indexing.shipped
	$(BIN)/python -m indexing.multilingual

COMPILE := $(BIN)/pip-compile -q -c constraints.in --strip-extras --no-emit-find-links --no-emit-index-url --no-emit-trusted-host

lock: setup
	$(COMPILE) --extra dev -o requirements.lock pyproject.toml
	$(COMPILE) --allow-unsafe -o requirements-peers.lock peers.in
	sed -i -e 's/^torch==\([0-9.]*\)+cpu/torch==\1/' -e '/^aeo-assistant @/d' requirements.lock requirements-peers.lock

clean:
	rm -rf $(VENV) $(VENV)-peers var build *.egg-info
