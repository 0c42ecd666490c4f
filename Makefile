# Every target sets up what it needs. Two are enough to know: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
SOUND_PACKAGES := pulseaudio pulseaudio-utils libasound2-plugins libportaudio2
export VOICEWIRE_HOME

.DEFAULT_GOAL := help
.PHONY: help install weights node browser sound demo test check serve bench lock clean

help: ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/'

$(BIN)/.installed: requirements/dev.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

install: $(BIN)/.installed ## Make .venv with everything the other targets need

weights: install
	$(BIN)/voicewire setup

tools/node/node_modules/.installed: tools/node/package-lock.json
	npm ci --prefix tools/node --no-audit --no-fund --loglevel=error
	@touch $@

node: tools/node/node_modules/.installed

browser: ## Chromium for the tests of the page, where it is missing
	@if command -v chromium || command -v chromium-browser || command -v google-chrome; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get; then \
		apt-get update -qq && apt-get install -y --no-install-recommends chromium; \
	else echo "There is no Chromium, so the tests of the page are skipped. Install it: apt-get install chromium"; fi

sound: ## PulseAudio and PortAudio for the tests that talk through a sound card, where they are missing
	@if { command -v pulseaudio && command -v pactl && command -v paplay && command -v parec \
		&& ls /usr/lib*/*/libportaudio.so.2 /usr/lib*/*/alsa-lib/libasound_module_pcm_pulse.so; } >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get; then \
		apt-get update -qq && apt-get install -y --no-install-recommends $(SOUND_PACKAGES) \
			|| echo "That did not work, so the tests that talk through a sound card are skipped"; \
	else echo "There is no virtual sound card, so its tests are skipped. Install: apt-get install $(SOUND_PACKAGES)"; fi

demo: weights ## A spoken conversation with the embedded engine, written to demo-out/
	$(BIN)/voicewire demo --output demo-out

test: weights node browser sound ## All tests, judges included
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

check: install node ## Lint, types, contracts, lengths
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	tools/node/node_modules/.bin/pyright
	tools/node/node_modules/.bin/tsc -p tools/web
	$(BIN)/lint-imports
	$(BIN)/python tools/check_lengths.py
	$(BIN)/python tools/check_locks.py

serve: weights ## The gateway on http://127.0.0.1:8080, with the embedded engine
	$(BIN)/voicewire serve

bench: weights ## Speed, as ratios measured side by side
	$(BIN)/python -m benchmarks

lock: install ## Resolve requirements/dev.lock again from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.10 \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --output-file requirements/dev.lock

clean: ## Remove everything that was made
	rm -rf .venv tools/node/node_modules demo-out bench-out web-out
