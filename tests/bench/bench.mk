# The benchmark. Needs what tests.mk needs, and PLUGINS.

BENCH_NODES ?= 1 2 4 8
PEER        ?=
PROFILE     ?=

bench: system-images | test-packages ## instructions per request: PEER=linux compares, PROFILE=20 shows functions
	$(Q)tests/bench/bench --nodes '$(BENCH_NODES)' --append '$(APPEND)' --mem '$(MEM)' \
		$(if $(PEER),--peer '$(PEER)') $(if $(PROFILE),--profile '$(PROFILE)')

.PHONY: bench
