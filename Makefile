# Everything runs from here: setup, demo, test, bench. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := $(CURDIR)/.venv/bin
COLLECTION := $(CURDIR)/build/collections/ansible_collections/unified/deploy
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo "sudo --preserve-env=UNIFIED_CACHE,UNIFIED_DEBIAN_MIRROR,BAO_BIN,VAULT_BIN,PATH")
SOURCES := $(wildcard $(shell git ls-files --cached --others --exclude-standard 2>/dev/null))

.PHONY: help setup install demo demo-remove fixtures golden lint unit sanity integration molecule test test-vault test-clients bench clean

help: ## Show what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready ## Install system packages and the pinned Python packages (.venv)

.venv/ready: $(wildcard requirements/*.txt) tools/setup
	tools/setup
	@touch $@

install: build/installed ## Build the collection and install it below build/collections

build/installed: .venv/ready $(SOURCES)
	@mkdir -p build
	@rm -rf build/collections build/*.tar.gz
	@$(BIN)/ansible-galaxy collection build --force --output-path build . >/dev/null
	@$(BIN)/ansible-galaxy collection install --offline --force -p build/collections build/unified-deploy-*.tar.gz >/dev/null
	@touch $@

demo: install ## Build a disposable host, audit it, harden it, audit it again
	@$(SUDO) tools/demo

demo-remove: ## Remove the demo's host
	@$(SUDO) python3 -m tests.hosts down demo

lint: install ## ruff, mypy, yamllint, ansible-lint
	tools/lint

unit: install ## Unit tests, on the newest and the oldest supported ansible-core
	tools/unit

golden: install ## Rewrite what the unit tests pin (tests/unit/golden)
	$(BIN)/python tools/golden.py

fixtures: install ## Record anew the evidence that unit tests judge (tests/unit/fixtures), on a test host
	$(SUDO) $(BIN)/python tools/fixtures.py

sanity: install ## ansible-test sanity
	tools/sanity

integration: install ## Tests against real hosts
	$(SUDO) $(BIN)/python -m pytest tests/integration -p no:cacheprovider

molecule: install ## Molecule scenarios against real hosts
	$(SUDO) tools/molecule

test: lint unit sanity integration molecule ## Every test
	@echo "all tests passed"

test-vault: install ## Test against a real OpenBao or Vault (BAO_BIN, VAULT_BIN or UNIFIED_TEST_VAULT_ADDR), and record it
	@SUDO="$(SUDO)" $(BIN)/python -m tests.vault

test-clients: install ## The contract of the stores with the newest clients of the vendors, in an environment of its own
	tools/clients

bench: install ## Measure; writes build/bench.json and build/bench_secrets.json
	@$(SUDO) $(BIN)/python tools/bench_secrets.py
	@$(SUDO) $(BIN)/python tools/bench.py

clean: ## Remove all test hosts and what was built here (caches stay)
	-$(SUDO) python3 -m tests.hosts down
	$(SUDO) rm -rf build
	rm -rf .venv .venv-floor
