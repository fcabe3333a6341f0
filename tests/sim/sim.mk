# The simulation of connection managers in virtual time (tests/sim/README.md).

# Of net/manager/ all but what only a node's own one needs.
SIM_SOURCES := $(wildcard tests/sim/*.c) net/configuration.c net/placement.c \
               $(filter-out %/server.c %/counters.c %/figures.c,$(wildcard net/manager/*.c)) \
               $(wildcard net/manager/balance/*.c) \
               $(addprefix libc/core/,assert.c command_line.c format.c numbers.c output.c)
SIM_HEADERS := $(wildcard tests/sim/*.h kernel/*.h kernel/message/*.h libc/core/*.h net/*.h \
                 net/manager/*.h net/manager/balance/*.h)

# A machine of 1,024 composite servers and as many web servers, which no real one is.
$(BUILD)/sim/sim: COMMAND = $(HOST_CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -I. -DTALUS_HOSTED \
    -DNODE_MAX=2048 -DNODE_SET_LIMIT=2048u
$(BUILD)/sim/sim: $(SIM_SOURCES) $(SIM_HEADERS) $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) $(SIM_SOURCES) -o $@ -lm

SIM_SEED ?= 1

sim: $(BUILD)/sim/sim ## load balance in virtual time: the data of the paper's Figures 5 to 10 and Table 3
	$(Q)$< --seed $(SIM_SEED) --output $(BUILD)/paper/data

.PHONY: sim
