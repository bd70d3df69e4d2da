# Everything runs from here: setup, demo, test, bench. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo "sudo --preserve-env=UNIFIED_CACHE,UNIFIED_DEBIAN_MIRROR,BAO_BIN,VAULT_BIN env PATH=$$PATH")
SOURCES := $(wildcard $(shell git ls-files --cached --others --exclude-standard 2>/dev/null))

.PHONY: help setup setup-demo install demo demo-remove fixtures golden lint unit sanity integration molecule test test-arch test-clients test-faults test-gpu test-public test-scenarios test-vault test-vault-drills bench bench-machines clean

help: ## Show what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready ## Install what the tests need: system packages, pinned Python packages, sops and age
setup-demo: .venv/ready-demo ## Install what the demo needs, which is less: podman, mmdebstrap, ansible-core

.venv/ready: $(wildcard requirements/*.txt) tools/setup
	tools/setup
	@touch .venv/ready-demo $@

.venv/ready-demo: tools/setup
	@[ -e .venv/ready ] || tools/setup demo
	@touch $@

install: build/installed ## Build the collection and install it below build/collections

build/installed: .venv/ready-demo tools/install $(SOURCES)
	@tools/install
	@touch $@

demo: install ## Build a disposable host, audit it, harden it, audit it again
	@$(SUDO) tools/demo

demo-remove: ## Remove the demo's host
	@$(SUDO) python3 -m tests.hosts down demo

lint: setup install ## ruff, mypy, yamllint, ansible-lint
	tools/lint

unit: setup install ## Unit tests, on the newest and the oldest supported ansible-core
	tools/unit

golden: setup install ## Rewrite what is generated: schemas of the catalogue, tables of the guides, what unit tests pin
	$(BIN)/python tools/golden.py
	$(BIN)/python tools/gpu_guide.py

fixtures: setup install ## Record anew the evidence that unit tests judge (tests/unit/fixtures), on a test host
	$(SUDO) $(BIN)/python tools/fixtures.py

sanity: setup install ## ansible-test sanity
	tools/sanity

integration: setup install ## Tests against real hosts (FILES=tests/integration/test_undo.py: these only)
	$(SUDO) $(BIN)/python -m pytest $(or $(FILES),tests/integration) -p no:cacheprovider

molecule: setup install ## Molecule scenarios against real hosts
	$(SUDO) tools/molecule

test-arch: setup install ## Whole virtual machines (UNIFIED_ARCHITECTURES=amd64,arm64,riscv64): harden, boot again, audit, break; and docs/machines.md
	@tools/setup machines
	$(SUDO) env UNIFIED_ARCHITECTURES=$${UNIFIED_ARCHITECTURES:-amd64,arm64,riscv64} UNIFIED_PROCESSORS=$${UNIFIED_PROCESSORS:-2} UNIFIED_SUITE=$${UNIFIED_SUITE:-debian13} $(BIN)/python -m pytest tests/arch -p no:cacheprovider

test-public: setup install ## Virtual machines from public images (UNIFIED_PUBLIC=almalinux10,rocky9,ubuntu2204,ubuntu2404): read, and harden where there is a benchmark
	@tools/setup machines
	$(SUDO) env UNIFIED_PUBLIC=$${UNIFIED_PUBLIC:-almalinux10,rocky9,ubuntu2204,ubuntu2404} $(BIN)/python -m pytest tests/arch/test_public.py -p no:cacheprovider

test: setup install ## Every test
	@tools/test

test-scenarios: setup install ## Break every rule in every way that is known (UNIFIED_SCENARIOS=large: the large rounds; make integration runs the largest)
	$(SUDO) env UNIFIED_SCENARIOS=$${UNIFIED_SCENARIOS:-all} $(BIN)/python -m pytest tests/integration/test_scenarios.py -p no:cacheprovider

test-gpu: setup install ## Install drivers on test hosts: stand-in repositories, attacks, real DKMS builds, undo
	@tools/setup machines
	$(SUDO) $(BIN)/python -m pytest $(or $(FILES),tests/gpu) -p no:cacheprovider --durations=0 --durations-min=1

test-faults: setup install ## Kill, cut, fill and attack: every drill three times (UNIFIED_TURNS), and docs/drills.md; in parts with FILES, UNIFIED_MINUTES
	$(SUDO) env UNIFIED_TURNS=$$UNIFIED_TURNS UNIFIED_MINUTES=$$UNIFIED_MINUTES UNIFIED_DRILLS=$$UNIFIED_DRILLS $(BIN)/python -m tests.drills $(FILES)

test-vault: setup install ## Test against a real OpenBao or Vault (BAO_BIN, VAULT_BIN or UNIFIED_TEST_VAULT_ADDR), and record it
	@SUDO="$(SUDO)" $(BIN)/python -m tests.vault

test-vault-drills: setup install ## Break a real cluster under load (BAO_BIN or VAULT_BIN; UNIFIED_TEST_VAULT_OLDER to upgrade from); counts go to docs/vault.md
	@$(SUDO) env UNIFIED_TEST_VAULT=1 UNIFIED_TEST_VAULT_OLDER="$(UNIFIED_TEST_VAULT_OLDER)" BAO_BIN="$(BAO_BIN)" VAULT_BIN="$(VAULT_BIN)" $(BIN)/python -m tests.vault.drills

test-clients: setup install ## The contract of the stores with the newest clients of the vendors, in an environment of its own
	tools/clients

bench: setup install ## Measure; writes build/bench.json and build/bench_secrets.json
	@$(SUDO) $(BIN)/python tools/bench_secrets.py
	@$(SUDO) $(BIN)/python tools/bench.py

bench-machines: setup install ## Measure from a machine's cached image to an SSH login, on each architecture; waits for a quiet machine
	@tools/setup machines
	@$(SUDO) $(BIN)/python tools/bench_machines.py

clean: ## Remove all test hosts and what was built here (caches stay)
	-$(SUDO) python3 -m tests.hosts down
	$(SUDO) rm -rf build
	rm -rf .venv .venv-floor
