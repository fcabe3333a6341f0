# lwIP, compiled from a patched copy of its source, for Talus and for unit tests on the host.
# Needs BUILD, CFLAGS, OBJECTS, UNIT_CFLAGS, LWIP_SRC and Q; adds to OBJECTS.

LWIP       := $(BUILD)/lwip
LWIP_READY := $(LWIP)/src/core/tcp_in.c

LWIP_SOURCES := core/def.c core/inet_chksum.c core/init.c core/ip.c \
                core/netif.c core/pbuf.c core/stats.c core/tcp.c core/tcp_in.c \
                core/tcp_out.c core/udp.c core/ipv4/dhcp.c core/ipv4/etharp.c core/ipv4/icmp.c \
                core/ipv4/igmp.c core/ipv4/ip4.c core/ipv4/ip4_addr.c core/ipv4/ip4_frag.c netif/ethernet.c
LWIP_OBJECTS := $(patsubst %,$(BUILD)/obj/lwip/%.o,$(LWIP_SOURCES))
OBJECTS      += $(LWIP_OBJECTS)

# As system headers, so that our own warnings do not apply to them.
LWIP_INCLUDES := -Inet/transport/lwip -isystem $(LWIP)/src/include

# hooks.h gives this file a seam that the others do not have.
$(BUILD)/obj/lwip/core/ipv4/ip4.c.o $(BUILD)/unit/lwip/core/ipv4/ip4.c.o: LWIP_SEAM := -DTALUS_LWIP_IP4

# lwIP's own sources only: what -Wextra finds in them is not ours to change.
LWIP_WARNINGS := -Wno-unused-parameter -Wno-type-limits -Wno-address -Wno-sign-compare
LWIP_FLAGS     = $(LWIP_INCLUDES) $(LWIP_WARNINGS) $(LWIP_SEAM)

$(LWIP_READY): net/transport/lwip/prepare net/transport/lwip/source.sha256 $(wildcard net/transport/lwip/patches/*.patch) \
               | $$(LWIP_SRC)
	@mkdir -p $(BUILD)
	$(Q)net/transport/lwip/prepare '$(LWIP_SRC)' '$(LWIP)'

# What every one of lwIP's files sees of ours; it comes by system headers, which gcc does not list.
LWIP_SEAMS := net/transport/lwip/hooks.h net/transport/lwip/lwipopts.h $(wildcard net/transport/lwip/arch/*.h)

$(BUILD)/obj/lwip/%.c.o: COMMAND = $(CC) $(CFLAGS) $(LWIP_FLAGS)
$(BUILD)/obj/lwip/%.c.o: $(LWIP_READY) $(LWIP_SEAMS) $$(another_command)
	$(keep_command)
	$(Q)$(COMPILE) -c $(LWIP)/src/$*.c -o $@

# Only these may include lwIP.
$(BUILD)/obj/net/transport/%.c.o: CFLAGS += $(LWIP_INCLUDES)
$(filter $(BUILD)/obj/net/transport/%,$(OBJECTS)): $(LWIP_READY) $(LWIP_SEAMS)

# For unit tests: the same sources with the host's compiler and sanitizers, as one object.
LWIP_UNIT_OBJECTS := $(patsubst %,$(BUILD)/unit/lwip/%.o,$(LWIP_SOURCES))

$(BUILD)/unit/lwip/%.c.o: COMMAND = $(HOST_CC) $(UNIT_CFLAGS) -MMD -MP $(LWIP_FLAGS)
$(BUILD)/unit/lwip/%.c.o: $(LWIP_READY) $(LWIP_SEAMS) $$(another_command)
	$(keep_command)
	$(Q)$(COMPILE) -c $(LWIP)/src/$*.c -o $@

$(BUILD)/unit/lwip.o: $(LWIP_UNIT_OBJECTS)
	$(Q)$(LD) -r $^ -o $@

# For the tests that say so in a comment, `library: lwip`.
UNIT_FLAGS_lwip   := $(LWIP_INCLUDES)
UNIT_HEADERS_lwip := $(LWIP_READY)
UNIT_SEAMS_lwip   := $(LWIP_READY) $(LWIP_SEAMS)
UNIT_OBJECT_lwip  := $(BUILD)/unit/lwip.o

-include $(LWIP_UNIT_OBJECTS:.o=.d)
