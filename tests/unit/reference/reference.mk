# lwIP as a TCP by itself, for comparison (reference.h): the source of net/transport/lwip/lwip.mk with
# other options, as one object that shows only the names in reference.h.
# Needs what that file needs and defines; adds nothing to OBJECTS.

REFERENCE_SOURCES := core/def.c core/inet_chksum.c core/init.c core/ip.c core/mem.c core/memp.c core/netif.c \
                     core/pbuf.c core/tcp.c core/tcp_in.c core/tcp_out.c core/timeouts.c core/ipv4/ip4.c \
                     core/ipv4/ip4_addr.c
REFERENCE_OBJECTS := $(patsubst %,$(BUILD)/unit/reference/%.o,$(REFERENCE_SOURCES)) \
                     $(BUILD)/unit/reference/reference.c.o
REFERENCE_COMMAND  = $(HOST_CC) $(UNIT_CFLAGS) -MMD -MP -Itests/unit/reference -isystem $(LWIP)/src/include \
                     $(LWIP_WARNINGS)
REFERENCE_SEAMS   := tests/unit/reference/lwipopts.h tests/unit/reference/arch/cc.h

$(BUILD)/unit/reference/core/%.c.o: COMMAND = $(REFERENCE_COMMAND)
$(BUILD)/unit/reference/core/%.c.o: $(LWIP_READY) $(REFERENCE_SEAMS) $$(another_command)
	$(keep_command)
	$(Q)$(COMPILE) -c $(LWIP)/src/core/$*.c -o $@

$(BUILD)/unit/reference/reference.c.o: COMMAND = $(REFERENCE_COMMAND)
$(BUILD)/unit/reference/reference.c.o: tests/unit/reference/reference.c $(LWIP_READY) $(REFERENCE_SEAMS) \
                                       $$(another_command)
	$(keep_command)
	$(Q)$(COMPILE) -c $< -o $@

$(BUILD)/unit/reference.o: $(REFERENCE_OBJECTS)
	$(Q)$(LD) -r $^ -o $@
	$(Q)objcopy --wildcard --keep-global-symbol='reference*' $@

# For the tests that say so in a comment, `library: lwip reference`.
UNIT_FLAGS_reference  := -DHAS_REFERENCE
UNIT_OBJECT_reference := $(BUILD)/unit/reference.o

-include $(REFERENCE_OBJECTS:.o=.d)
