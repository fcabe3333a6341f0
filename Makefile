# Talus. `make help` lists the commands; `make V=1` shows them as they run.

Q           := $(if $(V),,@)
BUILD       := build
TALUS_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/talus

SMP    ?= 4
MEM    ?= 1G
PORT   ?= 8080
KVM    ?= auto
ROOT   ?=
APPEND ?=
PCAP   ?=
# QEMU's microvm has no PCI, and so no 82599.
MACHINE ?= q35
# virtio: the distribution's own QEMU, which has no 82599, and none is built.
NIC    ?= $(if $(filter microvm%,$(MACHINE)),virtio,82599)

export TALUS_CACHE

MAKEFLAGS     += --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDEXPANSION:
.SECONDARY:

# Installs what is missing before anything else is looked at, then notes what the compiler says
# of itself. make reads this file again when it has been made.
ifneq ($(filter-out clean distclean help,$(or $(MAKECMDGOALS),help)),)
$(BUILD)/toolchain.mk: qemu/packages.txt
	@mkdir -p $(@D)
	@qemu/install-packages $<
	@echo "COMPILER_INCLUDE := $$($(CC) -print-file-name=include)" >$@
-include $(BUILD)/toolchain.mk
# What was compiled before, in whatever folder, comes from a cache where there is ccache, which the
# tests install, and where the cache can be written.
CCACHE := $(shell mkdir -p $(TALUS_CACHE)/compiled 2>/dev/null && command -v ccache)
endif
COMPILE = $(CCACHE) $(COMMAND)
export CCACHE_DIR       := $(TALUS_CACHE)/compiled
export CCACHE_NOHASHDIR := 1
export CCACHE_MAXSIZE   := 2G

# --- Talus itself -------------------------------------------------------------------------------

CC := gcc
# For what runs on this machine: unit tests, httpd as a Linux program.
HOST_CC := gcc

CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -MMD -MP -I.
# memcpy() and its kin mean what the standard says, so small ones of known size need no call.
CFLAGS += -ffreestanding -fbuiltin -fno-pic -fno-pie -mcmodel=kernel
# Exceptions push onto the current stack and would overwrite the red zone.
CFLAGS += -mno-red-zone
# A function whose return address was written over ends the node (kernel/panic.c). Not the plain
# -fstack-protector: with -flto gcc 12 no longer knows arrays of char for what they are.
CFLAGS += -fstack-protector-strong -mstack-protector-guard=global
# A switch of threads saves no vector registers.
CFLAGS += -mgeneral-regs-only
# A hint for which there is an instruction on every x86-64 (mailbox_own_soon()).
CFLAGS += -mprfchw
# The backtrace of a failing node walks frame pointers.
CFLAGS += -fno-omit-frame-pointer
# Functions are inlined across files (boot/boot.mk).
CFLAGS += -flto
# The standard headers are ours, the compiler's own few apart.
CFLAGS += -nostdinc -isystem libc/include -isystem $(COMPILER_INCLUDE)
CFLAGS += -fno-strict-aliasing -fno-asynchronous-unwind-tables -fcf-protection=none
# Checks that cost on the packet path (kernel/platform.h); with a BUILD of its own.
CFLAGS += $(if $(SLOW_CHECKS),-DTALUS_SLOW_CHECKS)
# A flood of SYNs is never given a queue of its own (net/link/syns.h); likewise.
CFLAGS += $(if $(SYNS_SHARED),-DLINK_SYNS_ON_PER_S=UINT32_MAX)

ASFLAGS := -g -I. -MMD -MP -fno-pic -fno-pie -mcmodel=kernel

SOURCES := $(wildcard boot/*.c boot/*.S boot/acpi/*.c kernel/*.c kernel/*/*.c kernel/*/*.S \
             drivers/*/*.c net/*.c net/*/*.c net/*/*/*.c libc/*/*.c apps/*.c apps/*/*.c)
SOURCES := $(filter-out kernel/hosted/% drivers/hosted/%,$(SOURCES))
# Specialisations that the word without= leaves out (libc/core/ablation.h); with a BUILD of its own.
SOURCES += $(if $(ABLATION),tests/bench/ablation_words.c)
OBJECTS := $(patsubst %,$(BUILD)/obj/%.o,$(SOURCES))
# What asks for one, itself or by libc/core/pool.h. All other objects are those of any image.
ABLATED := $(if $(ABLATION),$(shell grep -lwE 'WITHOUT|pool_take|TALUS_ABLATION|ABLATIONS' $(SOURCES)))
$(ABLATED:%=$(BUILD)/obj/%.o): CFLAGS += -DTALUS_ABLATION

# A changed flag makes anew what it concerns, and nothing else: beside each object, program and
# library lies the command that made it. A rule sets COMMAND for its targets, has $$(another_command)
# among its prerequisites, and begins with $(keep_command).
another_command = $(if $(call is_other,$(strip $(file <$@.command)),$(strip $(COMMAND))),FORCE)
is_other        = $(or $(subst x$1x,,x$2x),$(subst x$2x,,x$1x))
# The target goes first: should the command fail, an old one must not pass for what it makes.
keep_command    = @mkdir -p $(@D) && rm -f $@ && \
                  printf '%s\n' '$(subst ','\'',$(COMMAND))' >$@.command

# Each adds what it fetches or generates to OBJECTS, and its own flags.
-include boot/boot.mk
-include libc/libc.mk
-include net/transport/lwip/lwip.mk
-include apps/apps.mk
include boot/images/images.mk
include boot/uefi/uefi.mk
include kernel/hosted/hosted.mk
-include qemu/qemu.mk
include qemu/plugins/plugins.mk
include tests/tests.mk

$(BUILD)/obj/%.c.o: COMMAND = $(CC) $(CFLAGS)
$(BUILD)/obj/%.c.o: %.c $$(another_command)
	$(keep_command)
	$(Q)$(COMPILE) -c $< -o $@

$(BUILD)/obj/%.S.o: COMMAND = $(CC) $(ASFLAGS)
$(BUILD)/obj/%.S.o: %.S $$(another_command)
	$(keep_command)
	$(Q)$(COMPILE) -c $< -o $@

# git's word for this tree. As it is part of a command, only version.c is built again when it changes.
VERSION := $(shell GIT_OPTIONAL_LOCKS=0 git describe --always --dirty --tags 2>/dev/null || \
             echo unversioned)

$(BUILD)/obj/libc/core/version.c.o: CFLAGS += -DTALUS_VERSION='"$(VERSION)"'

-include $(OBJECTS:.o=.d)

build: $(BUILD)/talus.elf ## build the kernel image

# --- Running it ---------------------------------------------------------------------------------

LAUNCH = qemu/launch --machine $(MACHINE) --nic $(NIC) $(if $(RUNS_PLAIN_QEMU),,--qemu $(QEMU_BIN)) \
         --kernel $(BUILD)/talus.elf --smp $(SMP) --mem $(MEM) \
         --port $(PORT) --kvm $(KVM) --append '$(APPEND)' $(if $(ROOT),--root '$(ROOT)') \
         $(if $(PCAP),--pcap '$(PCAP)')

RUNS_PLAIN_QEMU = $(filter virtio%,$(NIC))
RUN_QEMU        = $(if $(RUNS_PLAIN_QEMU),plain-qemu,$(QEMU_BIN))

plain-qemu:
	$(Q)echo qemu-system-x86 | qemu/install-packages -

.PHONY: plain-qemu

run: $(BUILD)/talus.elf $$(RUN_QEMU) ## boot in QEMU: NIC=virtio MACHINE=microvm SMP=4 MEM=1G PORT=8080 ROOT=dir APPEND=... PCAP=file
	$(Q)$(LAUNCH)

SWAMP ?= -k -c 32 -d 5 /4b

swamp: $(BUILD)/talus.elf $(QEMU_BIN) ## two machines on one wire, one loads the other: SWAMP='-k -c 32 -d 5 /4b'
	$(Q)qemu/swamp --qemu $(QEMU_BIN) --kernel $(BUILD)/talus.elf --smp $(SMP) --mem $(MEM) --kvm $(KVM) \
	    --append '$(APPEND)' $(if $(ROOT),--root '$(ROOT)') $(if $(PCAP),--pcap '$(PCAP)') -- $(SWAMP)

debug: $(BUILD)/talus.elf $$(RUN_QEMU) ## the same, stopped until gdb attaches (make gdb)
	$(Q)$(LAUNCH) --debug

gdb: ## attach gdb, with symbols, to make debug
	$(Q)echo gdb | qemu/install-packages -
	$(Q)gdb -ex 'target remote 127.0.0.1:1234' $(BUILD)/talus.elf

clean: ## remove what was built; fetched sources and QEMU stay
	$(Q)rm -rf $(BUILD)

distclean: clean ## remove the caches too
	$(Q)rm -rf $(TALUS_CACHE)

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(filter-out %.d,$(MAKEFILE_LIST))

format: ## lay out the C sources as .clang-format says
	$(Q)echo clang-format | qemu/install-packages -
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h' | grep -v '^qemu/')

.PHONY: build run swamp debug gdb clean distclean help format FORCE
