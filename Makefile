# One word each. Every target sets up what it needs in .venv, from a bare Python 3.11 or newer.

PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/ready
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
# Without compiled files, each process that a test starts would compile what it imports anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format generate regenerate record conformance bench prove docs docs-pictures clean

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
	@# A test that hangs fails with a traceback, instead of taking the whole run with it.
	$(BIN)/python -m pytest -n 3 --dist loadfile -q --timeout 120 -m "not slow" --cov --cov-report= -p proofs.coverage_report -p proofs.explored_report
	$(BIN)/python -m proofs.coverage_report

check: $(READY)  ## lint, types, layers, generated files, prose, code lines: writes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	@# What ships uses no name that Python lacks on Windows.
	$(BIN)/pyright --pythonplatform Windows wrapper contract_tests/segmind_sd3_contract
	@# --verifytypes reads no configuration: it asks the first python of the path.
	PATH="$(CURDIR)/$(BIN):$$PATH" pyright --verifytypes segmind_sd3 --ignoreexternal
	$(BIN)/mypy generated_client/segmind_sd3_api
	$(BIN)/lint-imports
	$(BIN)/codespell README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md RELEASING.md SECURITY.md docs --skip '*.svg'
	$(BIN)/python -m proofs.prose
	$(BIN)/python -m segmind_sd3_pipeline.generate --check
	$(BIN)/python -m segmind_sd3_pipeline.generate.site_tables --check
	$(BIN)/python -m proofs.code_lines

format: $(READY)  ## format, and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(READY)  ## contract -> generated_client/, the SDK's endpoint methods, the site's tables
	$(BIN)/python -m segmind_sd3_pipeline.generate
	$(BIN)/python -m segmind_sd3_pipeline.generate.site_tables

regenerate: $(READY)  ## PAGES="…": page -> spec -> client, tried, and what it means for users (YES=1: unasked)
	$(BIN)/python -m segmind_sd3_pipeline.changes.regenerate $(PAGES) $(if $(YES),--yes)

record: $(READY)  ## record the cassettes anew from the reference server (--live, with a key: see the README)
	$(BIN)/python -m segmind_sd3_contract.cassettes record

conformance: $(READY)  ## the whole contract, tried on the reference server over HTTP; the report is in out/
	$(BIN)/segmind-sd3 conformance --target reference

bench: $(READY)  ## the SDK beside other clients on loopback; ONLY="PART …": parts; a ratio over its limit fails
	$(BIN)/python -m proofs.bench $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

prove: $(READY)  ## WHAT="NAME …": a proof that takes longer than a test may; without WHAT, a list of them
	@$(BIN)/python -m proofs $(WHAT) $(VERSION)

docs: $(READY)  ## build the site into out/site, with a report of a run on the reference server
	rm -rf out/site out/example-report
	$(BIN)/zensical build --clean --strict
	$(BIN)/segmind-sd3 conformance --target reference --tier boundary --out out/example-report >/dev/null
	mkdir -p out/site/example-report
	cp out/example-report/report.html out/site/example-report/

docs-pictures: $(READY)  ## ONLY="PART …": the site's pictures and figures, from the proofs' results in out/; needs Node
	$(BIN)/python -m proofs.docs $(ONLY)

clean:  ## remove what was made, .venv included
	rm -rf .venv out dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
