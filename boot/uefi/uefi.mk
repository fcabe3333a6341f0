# SPDX-License-Identifier: MIT
#
# BOOTX64.EFI, which firmware starts by itself from \EFI\BOOT of a volume, or from a PXE or HTTP boot
# server. It
# is a shared object that GNU-EFI's few lines of start-up code relocate, turned into a PE file.
# Needs BUILD, CC, LD, Q and COMPILER_INCLUDE; defines EFI_APPLICATION.

EFI_APPLICATION := $(BUILD)/BOOTX64.EFI

EFI_SOURCES := $(wildcard boot/uefi/*.c boot/uefi/*.S) boot/boot_info.c boot/date.c \
               $(addprefix libc/core/,assert.c ctype.c numbers.c string.c)
EFI_OBJECTS := $(EFI_SOURCES:%=$(BUILD)/obj-efi/%.o)

EFI_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -MMD -MP -I. -ffreestanding -fbuiltin
# Firmware chooses where a program lies.
EFI_CFLAGS += -fpic -fvisibility=hidden
# Firmware takes interrupts on our stack.
EFI_CFLAGS += -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fcf-protection=none
EFI_CFLAGS += -fno-strict-aliasing -fno-asynchronous-unwind-tables
# The firmware's calling convention by the declarations, not by hand. CHAR16 is no wchar_t here.
EFI_CFLAGS += -DGNU_EFI_USE_MS_ABI
EFI_CFLAGS += -nostdinc -isystem libc/include -isystem $(COMPILER_INCLUDE)
EFI_CFLAGS += -isystem /usr/include/efi -isystem /usr/include/efi/x86_64

# What a PE file needs of the shared object; the last two hold the relocations.
EFI_SECTIONS := .text .sdata .data .dynamic .dynsym .rel .rela .rel.* .rela.* .reloc

efi-packages:
	$(Q)qemu/install-packages boot/images/packages.txt

$(BUILD)/obj-efi/%.o: COMMAND = $(CC) $(EFI_CFLAGS)
$(BUILD)/obj-efi/%.o: % $$(another_command) | efi-packages
	$(keep_command)
	$(Q)$(COMMAND) -c $< -o $@

# Of the boot tests: a program that changes what firmware says before it starts the application.
EFI_CHANGES         := $(BUILD)/firmware_changes.efi
EFI_CHANGES_SOURCES := tests/boot/firmware_changes.c $(filter-out boot/uefi/main.c,$(EFI_SOURCES))
EFI_CHANGES_OBJECTS := $(EFI_CHANGES_SOURCES:%=$(BUILD)/obj-efi/%.o)

$(BUILD)/efi.so:              LINKED := $(EFI_OBJECTS)
$(BUILD)/firmware_changes.so: LINKED := $(EFI_CHANGES_OBJECTS)
$(BUILD)/efi.so:              $(EFI_OBJECTS)
$(BUILD)/firmware_changes.so: $(EFI_CHANGES_OBJECTS)

$(BUILD)/efi.so $(BUILD)/firmware_changes.so: COMMAND = $(LD) -nostdlib -shared -Bsymbolic \
  -znocombreloc --no-undefined -z noexecstack --no-warn-rwx-segments \
  -T /usr/lib/elf_x86_64_efi.lds /usr/lib/crt0-efi-x86_64.o $(LINKED) /usr/lib/libgnuefi.a

$(BUILD)/efi.so $(BUILD)/firmware_changes.so: $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) -o $@

$(EFI_APPLICATION): $(BUILD)/efi.so
$(EFI_CHANGES): $(BUILD)/firmware_changes.so

$(EFI_APPLICATION) $(EFI_CHANGES):
	$(Q)objcopy $(EFI_SECTIONS:%=-j %) --target efi-app-x86_64 $< $@

-include $(EFI_OBJECTS:.o=.d) $(EFI_CHANGES_OBJECTS:.o=.d)

# With the image that it loads.
efi: $(EFI_APPLICATION) $(BUILD)/talus.elf ## make build/BOOTX64.EFI, which UEFI firmware starts by itself

.PHONY: efi efi-packages
