# One word each. Every target sets up what it needs in .venv, from a bare Python 3.11 or newer.

PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/ready
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
# Without compiled files, each process that a test starts would compile what it imports anew.
export PYTHONDONTWRITEBYTECODE :=
# Whole runs of the suite, clients made in copies of the repository, tests run anew for each planted fault, every
# command in a process of its own, and what measures time.
SLOW := conformance conformance_command conformance_money mutation planted regenerate regeneration retired docs_sync
SLOW += bench editors foreign_text mock_tools terminal typing
SLOW := $(SLOW:%=contract_tests/test_%.py)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow check format generate readme record conformance mutation mutation-compare faults sequences soak forks interrupts early-answers planted bench spectral try-generator clean docs-mutation through sync-proof redocly regenerate

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## install everything into .venv

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11)' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	@# pip first: the one that comes with Python may be old, and slower.
	sed -n '/^pip==/,/# via/p' constraints.txt | $(INSTALL) --require-hashes --only-binary :all: -r /dev/stdin
	$(INSTALL) --require-hashes --only-binary :all: -r constraints.txt
	@# What builds the project is installed by now: this line fetches nothing.
	$(INSTALL) --no-build-isolation -e .
	@# pyright fetches its JavaScript half when it first runs: now, so that tests need no network.
	$(BIN)/pyright --version
	@touch $@

demo: $(READY)  ## draw one picture from each endpoint into out/, by the reference server
	$(BIN)/python -m segmind_sd3_contract.demo --out out

test: $(READY)  ## run the tests, all but the slow ones, and print what they reach of the SDK; a gap without a reason fails
	$(BIN)/python -m pytest -n 3 --dist loadfile -q $(SLOW:%=--ignore=%) \
		--cov --cov-report= -p segmind_sd3_contract.coverage_report
	$(BIN)/python -m segmind_sd3_contract.coverage_report

test-slow: $(READY)  ## run the slow tests: whole conformance runs, clients made in copies, samples of planted faults and mutants
	$(BIN)/python -m pytest -n 3 --dist loadfile -q $(SLOW)

check: $(READY)  ## lint, types, floors, generated files, README, code lines: writes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	@# --verifytypes reads no configuration: it asks the first python of the path.
	PATH="$(CURDIR)/$(BIN):$$PATH" pyright --verifytypes segmind_sd3 --ignoreexternal
	$(BIN)/mypy generated_client/segmind_sd3_api
	$(BIN)/lint-imports
	$(BIN)/python openapi/generate.py --check
	$(BIN)/python -m segmind_sd3_contract.readme --check
	$(BIN)/python -m segmind_sd3_contract.code_lines

format: $(READY)  ## format and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(READY)  ## contract -> generated_client/
	$(BIN)/python openapi/generate.py

regenerate: $(READY)  ## PAGES="…": page -> spec -> client, tried, and what it means for users (YES=1: unasked)
	$(BIN)/python -m segmind_sd3_contract.changes.regenerate $(PAGES) $(if $(YES),--yes)

readme: $(READY)  ## print the quirk table into the README
	$(BIN)/python -m segmind_sd3_contract.readme

record: $(READY)  ## record the cassettes anew from the reference server (--live, with a key: see the README)
	$(BIN)/python -m segmind_sd3_contract.cassettes record

conformance: $(READY)  ## the whole contract, tried on the reference server over HTTP; the report is in out/
	$(BIN)/segmind-sd3 conformance --target reference

mutation: $(READY)  ## change one thing at a time in servers and specs: does the suite find it? writes out/mutation.json
	$(BIN)/python -m segmind_sd3_contract.mutation

mutation-compare: $(READY)  ## a sample of the same changes under schemathesis alone, side by side
	$(BIN)/python -m segmind_sd3_contract.mutation.compare --sample 200

faults: $(READY)  ## every fault that a paid API can meet its client with, in every way to call, as a table
	$(BIN)/python -m segmind_sd3_contract.faults

sequences: $(READY)  ## 10,000 random sequences of faults: is anything paid twice, lost, or misreported?
	$(BIN)/python -m segmind_sd3_contract.sequences

soak: $(READY)  ## 20,000 async calls under faults, 64 at once, 5,000 cancelled: errors, sockets, memory; on both event loops
	$(BIN)/python -m segmind_sd3_contract.soak
	$(BIN)/python -m segmind_sd3_contract.soak --trio

forks: $(READY)  ## a client used by forked workers, 100 rounds of each kind: does each get its own pictures?
	$(BIN)/python -m segmind_sd3_contract.forks

interrupts: $(READY)  ## 12,000 interrupts at the worst moments: is each raised soon, and does the client go on?
	$(BIN)/python -m segmind_sd3_contract.interrupts

early-answers: $(READY)  ## answers before a large body was read, 25 times each: does the caller have them?
	$(BIN)/python -m segmind_sd3_contract.early_answers

planted: $(READY)  ## switch off each quirk and move each bound: does a test notice?
	$(BIN)/python -m segmind_sd3_contract.planted

through: $(READY)  ## from each kind of change to a tested client by one command, in clones, with the time it takes
	$(BIN)/python -m segmind_sd3_contract.docs.through

sync-proof: $(READY)  ## change every fact of the docs pages: does docs sync follow, and touch nothing else?
	$(BIN)/python -m segmind_sd3_contract.docs.sync_proof

docs-mutation: $(READY)  ## change every fact of the docs pages and the specs: does docs check see it?
	$(BIN)/python -m segmind_sd3_contract.docs.mutation

bench: $(READY)  ## the SDK beside bare httpx on loopback: one call, 64 at once, import; a ratio over its limit fails
	$(BIN)/python -m segmind_sd3_contract.bench

spectral: $(READY)  ## lint the specs with spectral (needs Node; an extra opinion, not part of check)
	npx --yes @stoplight/spectral-cli@6.16.3 lint --fail-severity warn --ruleset openapi/spectral.yaml \
		'openapi/s*-*.yaml' generated_client/segmind_sd3_api/observed.json

redocly: $(READY)  ## our rating of a change beside that of redocly diff (needs Node; an extra opinion, as above)
	$(BIN)/python -m segmind_sd3_contract.changes.redocly

try-generator: $(READY)  ## VERSION=x.y.z: another openapi-python-client in a temporary copy: gate, diff, tests
	@test -n "$(VERSION)" || { echo "say which: make try-generator VERSION=0.29.2"; exit 2; }
	$(BIN)/python openapi/try_generator.py $(VERSION)

clean:  ## remove what was made, .venv included
	rm -rf .venv out dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
