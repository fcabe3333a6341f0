# Tests: each suite alone (test-unit, test-proof, test-fuzz, test-check, test-model, test-system,
# test-boot) or all of them (test).
# Every one ends with a line `N passed, N failed`.

# Their names tell them apart, so the programs lie side by side.
UNIT_TEST_SOURCES := $(wildcard tests/unit/*/test_*.c)
UNIT_TESTS        := $(addprefix $(BUILD)/unit/,$(notdir $(UNIT_TEST_SOURCES:.c=)))

UNIT_CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Werror -I. -DTALUS_HOSTED \
               -DTALUS_SLOW_CHECKS -fsanitize=address,undefined -fno-sanitize-recover=all \
               -fno-omit-frame-pointer -fno-strict-aliasing
# What switches threads tells the address sanitizer of it, by way of the linker.
UNIT_LDFLAGS := -Wl,--wrap=thread_switch,--wrap=thread_start
# The fake platform lets things happen on both sides of the sleep flag in the same way.
UNIT_LDFLAGS += -Wl,--wrap=status_set_sleep

# A unit test names the files it tests, and flags of its own, in comments of this form:
#   /* sources: kernel/message/channel.c kernel/message/status.c */
#   /* flags: -DTALUS_X=1 */
# and the library it links, if any, as /* library: lwip */. All of them, as file:kind:word.
UNIT_COMMENTS := $(shell awk '/^\/\* (sources|flags|library): .*\*\// { for (i = 3; i < NF; i++) \
                   print FILENAME ":" $$2 $$i }' tests/unit/*/*.c)
unit_comment = $(patsubst $(2):$(1):%,%,$(filter $(2):$(1):%,$(UNIT_COMMENTS)))

# The file of the test of that name.
unit_main = $(filter %/$(1).c,$(UNIT_TEST_SOURCES))

# A file that tests share names its sources likewise, so that they name only that one.
named_sources = $(foreach source,$(call unit_comment,sources,$(1)),$(source) \
                  $(if $(filter tests/unit/%,$(source)),$(call unit_comment,sources,$(source))))

unit_sources = $(call add_sanitizer,$(call named_sources,$(1)))
add_sanitizer = $(1) $(if $(filter kernel/thread/switch.S,$(1)),tests/unit/world/thread_sanitizer.c)

# Tests with the same library and flags share their objects, in a folder that is named after these words:
# `+` between two, `@` for a slash, `~` for an equals sign. A library's .mk file says what it adds: its flags, the object to link,
# and what has to be there before its headers are.
UNIT_OBJECTS := $(BUILD)/unit/objects
blank        := $() $()
unit_words    = $(or $(strip $(call unit_comment,library,$(1)) $(call unit_comment,flags,$(1))),plain)
unit_folder   = $(subst =,~,$(subst /,@,$(subst $(blank),+,$(call unit_words,$(1)))))
unit_objects  = $(patsubst %,$(UNIT_OBJECTS)/$(call unit_folder,$(1))/%.o,$(1) $(call unit_sources,$(1)))

# The other way round: of an object's name, without UNIT_OBJECTS and .o.
folder_words   = $(subst ~,=,$(subst @,/,$(subst +, ,$(firstword $(subst /, ,$(1))))))
object_source  = $(patsubst $(firstword $(subst /, ,$(1)))/%,%,$(1))
object_headers = $(foreach word,$(call folder_words,$(1)),$(UNIT_HEADERS_$(word)))
object_seams   = $(foreach word,$(call folder_words,$(1)),$(UNIT_SEAMS_$(word)))
words_flags    = $(foreach word,$(filter-out plain,$(1)),$(or $(UNIT_FLAGS_$(word)),$(word)))

$(UNIT_OBJECTS)/%.o: COMMAND = $(HOST_CC) $(UNIT_CFLAGS) -MMD -MP \
                       $(call words_flags,$(call folder_words,$(@:$(UNIT_OBJECTS)/%=%)))
$(UNIT_OBJECTS)/%.o: $$(call object_source,$$*) $$(call object_seams,$$*) $$(another_command) | $$(call object_headers,$$*)
	$(keep_command)
	$(Q)$(COMPILE) -c $< -o $@

-include $(shell find $(UNIT_OBJECTS) -name '*.d' 2>/dev/null)

# What every layer uses of libc/core: each test takes from it what its sources call. Of the rest, the
# host's own stands in, as does its assert().
CORE_SOURCES := $(patsubst %,libc/core/%.c,address assert command_line format heap line_ring memory numbers output pool reserve snapshot)

$(BUILD)/unit/core.a: $(CORE_SOURCES:%=$(UNIT_OBJECTS)/plain/%.o)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(UNIT_TESTS): COMMAND = $(HOST_CC) $(UNIT_CFLAGS) $(UNIT_LDFLAGS) \
                 $(call words_flags,$(call unit_words,$(call unit_main,$(@F))))
$(UNIT_TESTS): $(BUILD)/unit/%: $$(call unit_objects,$$(call unit_main,$$*)) \
                                $$(foreach word,$$(call unit_words,$$(call unit_main,$$*)),$$(UNIT_OBJECT_$$(word))) \
                                $(BUILD)/unit/core.a $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) $(filter %.o %.a,$^) -o $@ -lcmocka -lm -pthread

test-packages:
	$(Q)qemu/install-packages qemu/packages.txt qemu/build-packages.txt tests/packages.txt

test-unit: | test-packages ## run the unit tests on the host, with sanitizers
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) $(UNIT_TESTS)
	$(Q)tests/run unit $(UNIT_TESTS)

test-check: $(BUILD)/talus.elf $(BUILD)/hosted/talus | test-packages ## check the structure: layout, cppcheck, arrows
	$(Q)BUILD=$(BUILD) tests/run check

test-model: $(QEMU_BIN) | test-packages ## let Linux's own ixgbe driver judge the 82599 model
	$(Q)tests/run pytest tests/model

test-system: system-images | test-packages ## boot Talus in QEMU and use it as clients do; NIC=virtio: over that card
	$(Q)tests/run pytest NIC=$(NIC) tests/system

# What `make test` runs over the virtio card, too. Chosen by what goes through a driver: pages and load,
# frames that are wrong, connections that Talus opens, datagrams, sleep and its end, a link server that
# dies and one that goes to sleep, the console's word on the card.
VIRTIO_TESTS := $(patsubst %,tests/system/test_%.py,pages load malformed_frames connect udp idle rejoin scale console)

test-boot: $(BUILD)/talus.elf $(QEMU_BIN) | test-packages ## boot the images as BIOS, UEFI and other machines do
	$(Q)qemu/install-packages tests/boot/packages.txt
	$(Q)$(MAKE) --no-print-directory iso disk efi
	$(Q)tests/run pytest tests/boot
	$(Q)cp $(BUILD)/talus.elf $(TALUS_CACHE)/known-good.elf

test: system-images | test-packages ## run every test
	$(Q)qemu/install-packages tests/boot/packages.txt
	$(Q)$(MAKE) --no-print-directory iso disk efi
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) $(UNIT_TESTS)
	$(Q)$(MAKE) --no-print-directory fuzz-programs proof-programs
	$(Q)BUILD=$(BUILD) tests/run check -- unit $(UNIT_TESTS) -- pytest tests/proof -- pytest tests/fuzz -- pytest tests/model -- \
	  pytest NIC=82599 tests/system -- pytest NIC=virtio $(VIRTIO_TESTS) -- pytest NIC=82599 tests/boot

# Which small faults the unit tests would not notice. No test: nothing fails by what it finds.
mutate: | test-packages ## try the unit tests: MUTATE="net/link --sample 30", --help
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/mutate mutate-libraries
	$(Q)tests/check/mutate/run --build $(BUILD)/mutate $(MUTATE)

# Sources that others' are fetched for: the program finds out how all else is compiled.
mutate-libraries: $(LWIP_READY) $(LLHTTP)/llhttp.c

# What the system tests and the benchmark boot, and what watches it.
system-images: $(BUILD)/talus.elf $(BUILD)/talus-shared.elf $(BUILD)/checked/talus.elf $(QEMU_BIN) \
               $(PLUGINS) $(BUILD)/hosted/talus $(BUILD)/sanitized/hosted/talus $(BUILD)/linux/webswamp \
               $(BUILD)/tests/relay

# The bad wire between a guest and its clients.
$(BUILD)/tests/relay: COMMAND = $(HOST_CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror
$(BUILD)/tests/relay: tests/relay/relay.c $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) $< -o $@

# With the slow checks, for which everything is compiled once more.
$(BUILD)/checked/talus.elf: FORCE
	$(Q)$(MAKE) $(if $(V),,-s) --no-print-directory BUILD=$(BUILD)/checked SLOW_CHECKS=1 $@

$(BUILD)/sanitized/hosted/talus: FORCE
	$(Q)$(MAKE) $(if $(V),,-s) --no-print-directory BUILD=$(BUILD)/sanitized SANITIZE=1 $@

.PHONY: test test-unit test-check test-model test-system test-boot test-packages system-images \
        mutate mutate-libraries

include tests/bench/bench.mk
include tests/faults/faults.mk
include tests/fuzz/fuzz.mk
include tests/paper/paper.mk
include tests/proof/proof.mk
include tests/sim/sim.mk
include tests/unit/reference/reference.mk
