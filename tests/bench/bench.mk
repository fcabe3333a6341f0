# The benchmark. Needs what tests.mk needs, and PLUGINS.

BENCH_NODES ?= 1 2 4 8 16 32
PEER        ?=
PROFILE     ?=
BOOTS       ?= 7

# Both cards in the same QEMU, ours, so that their rows compare.
bench: system-images | test-packages ## instructions per request: NIC=virtio PEER=linux compares, PROFILE=20 shows functions
	$(Q)tests/bench/bench --nodes '$(BENCH_NODES)' --append '$(APPEND)' --mem '$(MEM)' --nic '$(NIC)' \
		$(if $(PEER),--peer '$(PEER)') $(if $(PROFILE),--profile '$(PROFILE)')

bench-boot: image-files $(QEMU_BIN) | test-packages ## time from start and hand-over to the first answer, beside Linux: BOOTS=7
	$(Q)tests/bench/boot_time --runs '$(BOOTS)' --mem '$(MEM)'

ROUNDS ?= 5

$(BUILD)/ablation/talus.elf: FORCE
	$(Q)$(MAKE) $(if $(V),,-s) --no-print-directory BUILD=$(BUILD)/ablation ABLATION=1 $@

bench-ablation: system-images $(BUILD)/ablation/talus.elf | test-packages ## what each specialisation saves: ROUNDS=5 ONLY=card PUBLISH=1
	$(Q)tests/bench/ablation --kernel $(BUILD)/ablation/talus.elf --rounds $(ROUNDS) $(if $(ONLY),--only '$(ONLY)') \
		$(if $(PUBLISH),--publish)

bench-calls: system-images | test-packages ## what a program's calls cost on a node of its own and at @ts
	$(Q)tests/bench/calls

FORWARD ?=

bench-forward: system-images | test-packages ## what forwarding costs, beside IPVS, NAT and HAProxy: FORWARD='--modes "segment ipvs"'
	$(Q)tests/bench/forward $(FORWARD)

BOOT_NODES ?= 4 64

bench-boot-nodes: system-images $(HOSTED)/talus | test-packages ## what the start of many nodes costs: BOOT_NODES='4 64'
	$(Q)tests/bench/boot_nodes --nodes '$(BOOT_NODES)'

BENCH_SWAMP ?=

bench-swamp: system-images | test-packages ## what loading a server costs: webswamp, ab, wrk: BENCH_SWAMP='--nodes 2'
	$(Q)tests/bench/swamp $(BENCH_SWAMP)

GOODPUT ?=

bench-goodput: system-images | test-packages ## downloads and requests over a bad wire, beside Linux: GOODPUT='--loss "0 1"'
	$(Q)tests/bench/goodput $(GOODPUT)

$(BUILD)/bench/many_clients: COMMAND = $(HOST_CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror
$(BUILD)/bench/many_clients: tests/bench/many_clients.c $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) $< -o $@

CONNECTIONS ?=

bench-connections: system-images $(BUILD)/bench/many_clients | test-packages ## a request beside ever more idle connections: CONNECTIONS='--counts "10 1000000"'
	$(Q)tests/bench/connections $(CONNECTIONS)

CONSOLE_MODES ?= 1024x768 3840x2160

bench-console: system-images iso | test-packages ## what the screen costs per request: CONSOLE_MODES='1024x768 3840x2160'
	$(Q)tests/bench/console --modes '$(CONSOLE_MODES)'

FLOOD_NODES ?= 1 4
FLOOD_RATES ?= 0 30000 60000

$(BUILD)/syns-shared/talus.elf: FORCE
	$(Q)$(MAKE) $(if $(V),,-s) --no-print-directory BUILD=$(BUILD)/syns-shared SYNS_SHARED=1 $@

bench-syn-queue: system-images $(BUILD)/syns-shared/talus.elf | test-packages ## a flood of SYNs with and without a queue of its own
	$(Q)tests/bench/syn_queue --nodes '$(FLOOD_NODES)' --rates '$(FLOOD_RATES)' --without $(BUILD)/syns-shared/talus.elf

BENCH_CORE_SOURCES := $(addprefix libc/core/,assert.c command_line.c heap.c line_ring.c numbers.c output.c reserve.c)

# On two cores of this machine, without QEMU: the kernel's part as images have it, as one program.
MESSAGES_SOURCES := tests/bench/messages.c tests/bench/two_nodes.c kernel/log.c $(wildcard kernel/message/*.c) \
                    kernel/thread/thread.c kernel/thread/switch.S libc/core/timer.c $(BENCH_CORE_SOURCES) \
                    libc/core/format.c

$(BUILD)/bench/messages: COMMAND = $(HOST_CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -I. -DTALUS_HOSTED \
    $(filter -f% -mgeneral-regs-only -mprfchw,$(filter-out -ffreestanding -fbuiltin -fno-pi%,$(CFLAGS))) \
    -ffunction-sections -Wl,--gc-sections

$(BUILD)/bench/messages: $(MESSAGES_SOURCES) tests/bench/two_nodes.h $(wildcard kernel/*.h kernel/*/*.h) $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) $(MESSAGES_SOURCES) -o $@

bench-messages: $(BUILD)/bench/messages ## cycles per message and thread on two cores, beside their limits
	$(Q)$<

SNAPSHOT ?=

bench-snapshot: system-images | test-packages ## 100 KB of memory: copied, by a snapshot, from the archive: SNAPSHOT='--pieces 65536'
	$(Q)tests/bench/snapshot $(SNAPSHOT)

NATIVE_RUNS ?= 5

bench-native: $(HOSTED)/talus ## cycles per request of Talus as Linux processes: NATIVE_RUNS=5
	$(Q)tests/bench/native --runs '$(NATIVE_RUNS)' $<

FLOODS ?=

$(BUILD)/bench/steady: COMMAND = $(HOST_CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror
$(BUILD)/bench/steady: tests/bench/steady.c $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) $< -o $@

bench-floods: system-images $(BUILD)/bench/steady | test-packages ## who is served in floods of SYNs, ACKs and RSTs: FLOODS='--seconds 10 --hosted'
	$(Q)tests/bench/floods $(FLOODS)

# The unit test without sanitizers, optimised as images are, and without what else its world can do.
ROUNDS_SOURCE := tests/unit/kernel/test_round_cost.c

$(BUILD)/bench/rounds: COMMAND = $(HOST_CC) -std=gnu11 -O2 -g -Wall -Wextra -I. -DTALUS_HOSTED \
    -ffunction-sections -Wl,--gc-sections,--wrap=status_set_sleep

$(BUILD)/bench/rounds: $(ROUNDS_SOURCE) $(wildcard kernel/*.h kernel/*/*) $(wildcard tests/unit/world/*) $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) $(ROUNDS_SOURCE) $(call named_sources,$(ROUNDS_SOURCE)) $(BENCH_CORE_SOURCES) -lcmocka -o $@

bench-rounds: $(BUILD)/bench/rounds ## instructions of an idle round, with one peer and with all
	$(Q)$<

.PHONY: bench bench-ablation bench-boot bench-boot-nodes bench-calls bench-connections bench-console bench-floods bench-goodput bench-messages bench-native bench-rounds bench-snapshot bench-swamp bench-syn-queue
