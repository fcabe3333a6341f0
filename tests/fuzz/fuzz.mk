# Fuzz targets: libFuzzer (clang) over the project's own sources, with sanitizers. Each file
# tests/fuzz/fuzz_<target>.c is one.
# Needs BUILD, LWIP_*, LLHTTP* and Q.

FUZZ_CC        := clang
FUZZ           ?=
# Each target runs so long in a test, as many at a time as there are cores.
FUZZ_SECONDS   ?= 20
FUZZ_TARGETS   := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_PROGRAMS  := $(addprefix $(BUILD)/fuzz/,$(FUZZ_TARGETS))

export FUZZ_SECONDS

# gcc's warnings, which every other build shows, are enough.
FUZZ_CFLAGS := -std=gnu11 -O1 -g -w -I. -DTALUS_HOSTED -DTALUS_SLOW_CHECKS -fno-strict-aliasing \
               -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all \
               -fno-omit-frame-pointer -fno-pie -fno-common

# A target names its sources, flags and library as a unit test does (tests/tests.mk). Targets that
# share their sources share the objects: /* objects: <name> */, with the same flags in each.
FUZZ_COMMENTS := $(shell awk '/^\/\* (sources|flags|library|objects): .*\*\// { \
                   for (i = 3; i < NF; i++) print FILENAME ":" $$2 $$i }' \
                   tests/fuzz/*.c tests/fuzz/world/*.c tests/unit/world/*.c)
fuzz_comment = $(patsubst $(2):$(1):%,%,$(filter $(2):$(1):%,$(FUZZ_COMMENTS)))
fuzz_main    = tests/fuzz/fuzz_$(1).c
fuzz_group   = $(or $(call fuzz_comment,objects,$(call fuzz_main,$(1))),$(1))
fuzz_library = $(filter $(1),$(call fuzz_comment,library,$(call fuzz_main,$(2))))
fuzz_named   = $(foreach source,$(call fuzz_comment,sources,$(1)),$(source) \
                 $(if $(filter tests/%.c,$(source)),$(call fuzz_named,$(source))))
fuzz_sources = $(sort $(call add_sanitizer,$(call fuzz_main,$(1)) $(call fuzz_named,$(call fuzz_main,$(1)))))
fuzz_objects = $(addprefix $(BUILD)/fuzz/obj/$(call fuzz_group,$(1))/,$(addsuffix .o,$(call fuzz_sources,$(1)) \
                 $(if $(call fuzz_library,lwip,$(1)),$(LWIP_SOURCES:%=lwip/%)) \
                 $(if $(call fuzz_library,llhttp,$(1)),$(LLHTTP_SOURCES:%=llhttp/%))))

# What the linker leads elsewhere: as in unit tests, and memory, which fuzzer.c sets back.
FUZZ_WRAPPED := thread_switch thread_start status_set_sleep malloc calloc realloc aligned_alloc free strdup strndup

define fuzz_group_rules
$(BUILD)/fuzz/obj/$(1)/lwip/core/ipv4/ip4.c.o: LWIP_SEAM := -DTALUS_LWIP_IP4
$(BUILD)/fuzz/obj/$(1)/%.o: COMMAND = $(FUZZ_CC) $(FUZZ_CFLAGS) $(2)
$(BUILD)/fuzz/obj/$(1)/lwip/%.o: COMMAND = $(FUZZ_CC) $(FUZZ_CFLAGS) $(LWIP_INCLUDES) $$(LWIP_SEAM)
$(BUILD)/fuzz/obj/$(1)/lwip/%.o: $(LWIP_READY) $(LWIP_SEAMS) $$$$(another_command)
	$$(keep_command)
	$$(Q)$$(COMPILE) -MMD -MP -c $(LWIP)/src/$$* -o $$@
$(BUILD)/fuzz/obj/$(1)/llhttp/%.o: $(LLHTTP)/% $$$$(another_command)
	$$(keep_command)
	$$(Q)$$(COMPILE) -MMD -MP -c $$< -o $$@
$(BUILD)/fuzz/obj/$(1)/%.o: % $$$$(another_command) | $(3)
	$$(keep_command)
	$$(Q)$$(COMPILE) -MMD -MP -c $$< -o $$@
endef

FUZZ_GROUPS := $(sort $(foreach target,$(FUZZ_TARGETS),$(call fuzz_group,$(target))))
fuzz_first   = $(firstword $(foreach target,$(FUZZ_TARGETS),$(if $(filter $(1),$(call fuzz_group,$(target))),$(target))))
$(foreach group,$(FUZZ_GROUPS),$(foreach first,$(call fuzz_first,$(group)),$(eval $(call fuzz_group_rules,$(group),\
  $(call fuzz_comment,flags,$(call fuzz_main,$(first))) \
  $(if $(call fuzz_library,lwip,$(first)),$(LWIP_INCLUDES)) $(if $(call fuzz_library,llhttp,$(first)),$(LLHTTP_FLAGS)),\
  $(if $(call fuzz_library,lwip,$(first)),$(LWIP_READY)) $(if $(call fuzz_library,llhttp,$(first)),$(LLHTTP)/llhttp.c)))))

# What all layers use of libc/core.
FUZZ_CORE_OBJECTS := $(CORE_SOURCES:%=$(BUILD)/fuzz/obj/core/%.o)
$(eval $(call fuzz_group_rules,core,,))

$(BUILD)/fuzz/core.a: $(FUZZ_CORE_OBJECTS)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/fuzz/fuzzer.o: COMMAND = $(FUZZ_CC) $(filter-out -fsanitize=%,$(FUZZ_CFLAGS)) -fsanitize=address
$(BUILD)/fuzz/fuzzer.o: tests/fuzz/fuzzer.c tests/fuzz/fuzzer.h $$(another_command)
	$(keep_command)
	$(Q)$(COMPILE) -c $< -o $@

$(FUZZ_PROGRAMS): COMMAND = $(FUZZ_CC) -fsanitize=fuzzer,address,undefined -no-pie
$(FUZZ_PROGRAMS): $(BUILD)/fuzz/%: $$(call fuzz_objects,$$*) $(BUILD)/fuzz/core.a $(BUILD)/fuzz/fuzzer.o \
                                   tests/fuzz/node.ld $$(another_command)
	$(keep_command)
	$(Q)$(LD) -r -T tests/fuzz/node.ld $(FUZZ_WRAPPED:%=--wrap=%) $(filter-out %/fuzzer.o,$(filter %.o %.a,$^)) -o $@.node.o
	$(Q)$(COMMAND) $@.node.o $(BUILD)/fuzz/fuzzer.o -lcmocka -pthread -o $@

-include $(foreach target,$(FUZZ_TARGETS),$(patsubst %.o,%.d,$(call fuzz_objects,$(target)))) $(FUZZ_CORE_OBJECTS:.o=.d)

fuzz-packages:
	$(Q)qemu/install-packages qemu/packages.txt tests/packages.txt tests/fuzz/packages.txt

fuzz-programs: | fuzz-packages
	$(Q)$(MAKE) $(if $(V),,-s) --no-print-directory -j$$(nproc) $(FUZZ_PROGRAMS)

fuzz: fuzz-programs ## fuzz for long: FUZZ="frames 600"; without, which targets there are
	$(Q)BUILD=$(BUILD) tests/fuzz/run $(FUZZ)

test-fuzz: fuzz-programs ## run each fuzz target for FUZZ_SECONDS=20
	$(Q)BUILD=$(BUILD) tests/run pytest tests/fuzz

.PHONY: fuzz fuzz-packages fuzz-programs test-fuzz
