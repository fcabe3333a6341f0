# The fault campaign (tests/faults/README.md). Needs what tests.mk needs.

FAULTS ?= 1000
SEED   ?= 1

faults: $(BUILD)/talus.elf $(QEMU_BIN) | test-packages ## every kind of fault on every kind of node, under load: FAULTS=1000 SEED=1
	$(Q)BUILD='$(BUILD)' tests/faults/campaign --faults $(FAULTS) --soak $(FAULTS) --seed $(SEED)

faults-readme: ## the last campaign's table into README.md, its plot into tests/faults/
	$(Q)tests/faults/publish '$(BUILD)/faults'

.PHONY: faults faults-readme
