# SPDX-License-Identifier: MIT
#
# The kernel image: every object, linked twice. The first link has an empty table of symbols; from
# its addresses the table is made that the second one holds. Only the table itself grows, and it
# lies behind everything that it names.

LDFLAGS := -nostdlib -static --build-id=none -z max-page-size=4096 -z noexecstack \
           --no-warn-rwx-segments

# The web root that is part of the image, in the archive's own pages.
BUILTIN_ARCHIVE := $(BUILD)/builtin.tar
OBJECTS += $(BUILD)/obj/archive.o

$(BUILD)/archive.S: $(BUILTIN_ARCHIVE)
	@mkdir -p $(@D)
	@printf '    .section .archive, "a", @progbits\n    .incbin "%s"\n    .section .note.GNU-stack, "", @progbits\n' $< > $@

$(BUILD)/obj/archive.o: $(BUILD)/archive.S $(BUILTIN_ARCHIVE)
	@mkdir -p $(@D)
	$(Q)$(CC) -c $< -o $@

$(BUILD)/kernel.ld: boot/kernel.ld kernel/layout.h
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -x c -I. $< -o $@

$(BUILD)/symbols-empty.S: boot/symbols.awk
	@mkdir -p $(@D)
	$(Q)awk -f $< /dev/null > $@

$(BUILD)/symbols-empty.o $(BUILD)/symbols.o: %.o: %.S
	$(Q)$(CC) -c $< -o $@

$(BUILD)/talus-unnamed.elf: $(OBJECTS) $(BUILD)/symbols-empty.o $(BUILD)/kernel.ld
	$(Q)$(LD) $(LDFLAGS) -T $(BUILD)/kernel.ld -o $@ $(OBJECTS) $(BUILD)/symbols-empty.o

$(BUILD)/symbols.S: $(BUILD)/talus-unnamed.elf boot/symbols.awk
	$(Q)nm -n $< | awk -f boot/symbols.awk > $@

$(BUILD)/talus.elf: $(BUILD)/talus-unnamed.elf $(BUILD)/symbols.o
	$(Q)$(LD) $(LDFLAGS) -T $(BUILD)/kernel.ld -o $@ $(OBJECTS) $(BUILD)/symbols.o
