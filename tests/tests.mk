# Tests: each suite alone (test-unit, test-check, test-model, test-system,
# test-boot) or all of them (test).
# Every one ends with a line `N passed, N failed`.

# Their names tell them apart, so the programs lie side by side.
UNIT_TEST_SOURCES := $(wildcard tests/unit/*/test_*.c)
UNIT_TESTS        := $(addprefix $(BUILD)/unit/,$(notdir $(UNIT_TEST_SOURCES:.c=)))

UNIT_CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Werror -I. -DTALUS_HOSTED \
               -DTALUS_SLOW_CHECKS -fsanitize=address,undefined -fno-sanitize-recover=all \
               -fno-omit-frame-pointer -fno-strict-aliasing

# A unit test names the files it tests, and flags of its own, in comments of this form:
#   /* sources: kernel/message/channel.c kernel/message/status.c */
#   /* flags: -DTALUS_X=1 */
# and the library it links, if any, as /* library: lwip */ (net/transport/lwip/lwip.mk).
unit_comment = $(shell sed -n 's,^/\* $(1): *\(.*\) \*/.*,\1,p' $(2))

# The file of the test of that name.
unit_main = $(filter %/$(1).c,$(UNIT_TEST_SOURCES))

# A file that tests share names its sources likewise, so that they name only that one.
named_sources = $(foreach source,$(call unit_comment,sources,$(1)),$(source) \
                  $(if $(filter tests/unit/%,$(source)),$(call unit_comment,sources,$(source))))

# What switches threads tells the address sanitizer of it, by way of the linker.
UNIT_CFLAGS += -Wl,--wrap=thread_switch,--wrap=thread_start
unit_sources = $(call add_sanitizer,$(call named_sources,$(1)))
add_sanitizer = $(1) $(if $(filter kernel/thread/switch.S,$(1)),tests/unit/world/thread_sanitizer.c)

$(BUILD)/unit/%: COMMAND = $(HOST_CC) $(UNIT_CFLAGS) $(LIBRARY_FLAGS)

# What every layer uses of libc/core: each test takes from it what its sources call. Of the rest, the
# host's own stands in, as does its assert().
UNIT_CORE_CFLAGS  := $(UNIT_CFLAGS)
UNIT_CORE_OBJECTS := $(patsubst %,$(BUILD)/unit/core/%.o,address assert command_line format heap line_ring memory numbers output)

$(BUILD)/unit/core/%.o: COMMAND = $(HOST_CC) $(UNIT_CORE_CFLAGS) -MMD -MP
$(BUILD)/unit/core/%.o: libc/core/%.c $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) -c $< -o $@

$(BUILD)/unit/core.a: $(UNIT_CORE_OBJECTS)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

-include $(UNIT_CORE_OBJECTS:.o=.d)

# -MMD would note the headers of the last source only. The sources themselves are the comment's: one
# that has moved must not be compiled by its old name.
$(UNIT_TESTS): $(BUILD)/unit/%: $$(call unit_main,$$*) \
                                $$(call unit_sources,$$(call unit_main,$$*)) \
                                $(BUILD)/unit/core.a \
                                $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) $(call unit_comment,flags,$<) -MM -MP -MT $@ $(filter %.c,$^) >$@.d
	$(Q)sed -i 's,[^ ]*\.c\b,,g' $@.d
	$(Q)$(COMMAND) $(call unit_comment,flags,$<) $(filter %.c %.S %.o %.a,$^) -o $@ -lcmocka -pthread

-include $(UNIT_TESTS:=.d)

test-packages:
	$(Q)qemu/install-packages qemu/packages.txt tests/packages.txt

test-unit: | test-packages ## run the unit tests on the host, with sanitizers
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) $(UNIT_TESTS)
	$(Q)tests/run unit $(UNIT_TESTS)

test-check: $(BUILD)/talus.elf | test-packages ## check the structure: layout, cppcheck, arrows
	$(Q)BUILD=$(BUILD) tests/run check

test-model: $(QEMU_BIN) | test-packages ## let Linux's own ixgbe driver judge the 82599 model
	$(Q)tests/run pytest tests/model

test-system: system-images | test-packages ## boot Talus in QEMU and use it as clients do
	$(Q)tests/run pytest tests/system

test-boot: $(BUILD)/talus.elf $(QEMU_BIN) | test-packages ## boot the images as BIOS, UEFI and other machines do
	$(Q)qemu/install-packages tests/boot/packages.txt
	$(Q)$(MAKE) --no-print-directory iso disk efi
	$(Q)tests/run pytest tests/boot
	$(Q)cp $(BUILD)/talus.elf $(TALUS_CACHE)/known-good.elf

test: system-images | test-packages ## run every test
	$(Q)qemu/install-packages tests/boot/packages.txt
	$(Q)$(MAKE) --no-print-directory iso disk efi
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) $(UNIT_TESTS)
	$(Q)BUILD=$(BUILD) tests/run check -- unit $(UNIT_TESTS) -- pytest tests/model -- pytest tests/system -- \
	  pytest tests/boot

# Which small faults the unit tests would not notice. No test: nothing fails by what it finds.
mutate: ## try the unit tests: MUTATE="net/link --sample 30", --help
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/mutate mutate-libraries
	$(Q)tests/check/mutate/run --build $(BUILD)/mutate $(MUTATE)

# Sources that others' are fetched for: the program finds out how all else is compiled.
mutate-libraries: $(LWIP_READY) $(LLHTTP)/llhttp.c

# What the system tests and the benchmark boot, and what watches it.
system-images: $(BUILD)/talus.elf $(BUILD)/talus-shared.elf $(BUILD)/checked/talus.elf $(QEMU_BIN) \
               $(PLUGINS)

# With the slow checks, for which everything is compiled once more.
$(BUILD)/checked/talus.elf: FORCE
	$(Q)$(MAKE) $(if $(V),,-s) --no-print-directory BUILD=$(BUILD)/checked SLOW_CHECKS=1 $@

.PHONY: test test-unit test-check test-model test-system test-boot test-packages system-images \
        mutate mutate-libraries

include tests/bench/bench.mk
