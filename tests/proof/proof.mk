# The explorer of the handshake (tests/proof/): the real sources of a node, linked such that all
# their variables lie together, and the explorer beside them.
# Needs BUILD, HOST_CC, LWIP_INCLUDES, LWIP_READY, another_command, keep_command and Q.

# The files of net/transport/ that know frames or lwIP's inside are played.
PROOF_NODE_SOURCES := \
  $(addprefix net/,messages.c expect.c handlers.c configuration.c placement.c current_configuration.c returning.c draining.c service_times.c steering.c) \
  $(filter-out %/server.c,$(wildcard net/manager/*.c)) $(wildcard net/manager/balance/*.c) \
  $(wildcard net/streams/*.c) \
  $(addprefix net/transport/,server.c admission.c availability.c claim_option.c managers.c connection.c draining.c splice.c stream.c table.c share.c state.c counters.c) \
  libc/core/timer.c \
  $(addprefix libc/core/,pool.c heap.c command_line.c format.c address.c assert.c output.c numbers.c) \
  $(wildcard tests/proof/node_*.c)
PROOF_SOURCES := $(filter-out tests/proof/node_%,$(wildcard tests/proof/*.c))

PROOF_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -I. -DTALUS_HOSTED -DTALUS_SLOW_CHECKS \
                -fno-strict-aliasing -fno-pie -fno-common $(LWIP_INCLUDES)

PROOF              := $(BUILD)/proof/proof
PROOF_NODE_OBJECTS := $(PROOF_NODE_SOURCES:%=$(BUILD)/proof/obj/%.o)
PROOF_OBJECTS      := $(PROOF_SOURCES:%=$(BUILD)/proof/obj/%.o)

$(BUILD)/proof/obj/%.o: COMMAND = $(HOST_CC) $(PROOF_CFLAGS)
$(BUILD)/proof/obj/%.o: % $$(another_command) | $(LWIP_READY)
	$(keep_command)
	$(Q)$(COMPILE) -MMD -MP -c $< -o $@

$(PROOF): COMMAND = $(HOST_CC) -no-pie
$(PROOF): $(PROOF_NODE_OBJECTS) $(PROOF_OBJECTS) tests/fuzz/node.ld $$(another_command)
	$(keep_command)
	$(Q)$(LD) -r -T tests/fuzz/node.ld $(PROOF_NODE_OBJECTS) -o $@.node.o
	$(Q)$(COMMAND) $@.node.o $(PROOF_OBJECTS) -o $@

-include $(PROOF_NODE_OBJECTS:.o=.d) $(PROOF_OBJECTS:.o=.d)

# How a mutant is made: test_proof.py compiles one of the sources anew and links it with the rest.
$(BUILD)/proof/recipe.json: $(PROOF)
	$(Q)printf '{"compile": "%s", "link": "%s", "node": "%s", "rest": "%s"}\n' \
	  '$(HOST_CC) $(PROOF_CFLAGS)' '$(HOST_CC) -no-pie' '$(PROOF_NODE_OBJECTS)' '$(PROOF_OBJECTS)' >$@

proof-programs: $(BUILD)/proof/recipe.json

test-proof: proof-programs | test-packages ## explore the handshake: all orders of messages, timers and deaths
	$(Q)BUILD=$(BUILD) tests/run pytest tests/proof

prove: $(PROOF) ## the same with larger bounds, which takes long and much memory
	$(Q)$(PROOF) --all

.PHONY: proof-programs test-proof prove
