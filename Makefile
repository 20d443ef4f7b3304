# make demo   a search on Fashion-MNIST for a Raspberry Pi 4, from nothing to the report
# make test   everything a change must pass
# Both make .venv first, if it is not there or pyproject.toml or constraints.txt have changed.

PYTHON := $(shell for python in python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$python && break; done)
STAMP := .venv/installed-$(shell cat pyproject.toml constraints.txt | cksum | tr ' ' -)
RUN := .venv/bin/python -m

.PHONY: demo test check lint types floors tests programs

demo: $(STAMP)
	.venv/bin/edgetune search --device rpi4 --budget 20min

test: lint types floors tests

lint: $(STAMP)
	.venv/bin/ruff check
	.venv/bin/ruff format --check

types: $(STAMP)
	.venv/bin/mypy

floors: $(STAMP)
	.venv/bin/lint-imports

tests: $(STAMP) programs
	$(RUN) pytest -n auto

$(STAMP):
	@test -n "$(PYTHON)" || { echo "edgetune needs Python 3.11 (Debian, Ubuntu: apt install python3.11 python3.11-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "this Python has no venv (Debian, Ubuntu: apt install python3.11-venv)" >&2; exit 1; }
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(RUN) pip install --quiet --constraint constraints.txt --editable '.[search,tvm,agent,ray,dev]'
	@rm -f .venv/installed-*
	@touch $@

# The tests run what is built for the board in an emulated userland of it, count its instructions, and open the report.
PROGRAMS := qemu-aarch64-static qemu-aarch64 llvm-mca chromium
PACKAGES := qemu-user-static qemu-user llvm chromium
programs:
	@missing=; for program in $(PROGRAMS); do command -v $$program >/dev/null || missing=1; done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -q && apt-get install -qy --no-install-recommends $(PACKAGES); \
		else \
			echo "the tests need QEMU, LLVM and Chromium (Debian: apt install $(PACKAGES))" >&2; exit 1; \
		fi; \
	fi
