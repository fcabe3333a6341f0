# The paper's evaluation (tests/paper/README.md). Needs what tests.mk and the benchmarks need.

ONLY      ?=
REMEASURE ?=
QUICK     ?=

PAPER_NEEDS := $(BUILD)/talus.elf $(QEMU_BIN) $(PLUGINS) $(BUILD)/hosted/talus $(BUILD)/bench/messages \
               $(BUILD)/sim/sim

paper: $(PAPER_NEEDS) | test-packages ## PIKA's evaluation, the paper's beside ours: ONLY=table4 REMEASURE=yes
	$(Q)qemu/install-packages tests/paper/packages.txt
	$(Q)BUILD='$(BUILD)' tests/paper/paper --only '$(ONLY)' $(if $(REMEASURE),--remeasure) $(if $(QUICK),--quick)

.PHONY: paper
