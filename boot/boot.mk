# SPDX-License-Identifier: MIT
#
# The kernel image: every object, linked three times. The first link has an empty table of symbols;
# from its addresses the table is made that the second one holds. Only the table itself grows, and it
# lies behind everything that it names. The second link keeps its relocations, of which the table is
# made that the third one holds, behind everything else.
# Needs BUILD, CC, CFLAGS, OBJECTS and Q; adds to OBJECTS.

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

$(BUILD)/kernel.ld: boot/kernel.ld kernel/x86/layout.h
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -x c -I. $< -o $@

# talus.elf, and talus-shared.elf, in which two nodes share a page on purpose: the test of what
# watches over that (boot/shared_page.h).
IMAGES := talus talus-shared

SHARED_SOURCES := boot/boot_main.c boot/mark_shared.c boot/node_image.c

talus_OBJECTS        = $(OBJECTS)
talus-shared_OBJECTS = $(filter-out $(SHARED_SOURCES:%=$(BUILD)/obj/%.o),$(OBJECTS)) \
                       $(SHARED_SOURCES:%=$(BUILD)/obj-shared/%.o)

$(BUILD)/obj-shared/%.c.o: COMMAND = $(CC) $(CFLAGS) -DTALUS_TEST_SHARED_PAGE
$(BUILD)/obj-shared/%.c.o: %.c $$(another_command)
	$(keep_command)
	$(Q)$(COMPILE) -c $< -o $@

-include $(SHARED_SOURCES:%=$(BUILD)/obj-shared/%.d)

$(BUILD)/no-symbols.S: boot/symbols.awk
	@mkdir -p $(@D)
	$(Q)awk -f $< /dev/null > $@

$(BUILD)/%-symbols.S: $(BUILD)/%-unnamed.elf boot/symbols.awk
	$(Q)nm -n $< | awk -f boot/symbols.awk > $@

$(BUILD)/%-relocations.S: $(BUILD)/%-named.elf boot/relocations.awk
	$(Q)readelf -rW $< | awk -f boot/relocations.awk > $@

$(BUILD)/no-symbols.o $(IMAGES:%=$(BUILD)/%-symbols.o) $(IMAGES:%=$(BUILD)/%-relocations.o): %.o: %.S
	$(Q)$(CC) -c $< -o $@

# All objects as one, optimised together: most calls on a packet's way lead into other files. The
# objects are part of the command, so that one that is no longer there is missed; they are expanded
# when the rule runs, for later parts of the Makefile add to them.
#
# As a whole program, so that a function which is called once is inlined wherever it stands. In a
# relocatable link the linker plugin would say of every symbol that others may need it, so it has no
# say; who is needed by assembly says so in C (CALLED_FROM_OUTSIDE).
LINK_WHOLE = $(CC) $(CFLAGS) -flto=2 -fwhole-program -fno-use-linker-plugin -r -nostdlib

$(BUILD)/talus-whole.o:        COMMAND = $(LINK_WHOLE) $(talus_OBJECTS)
$(BUILD)/talus-shared-whole.o: COMMAND = $(LINK_WHOLE) $(talus-shared_OBJECTS)

$(IMAGES:%=$(BUILD)/%-whole.o): $(BUILD)/%-whole.o: $$($$*_OBJECTS) $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) -o $@

$(BUILD)/%.elf: COMMAND = $(LD) $(LDFLAGS) -T $(BUILD)/kernel.ld

$(IMAGES:%=$(BUILD)/%-unnamed.elf): $(BUILD)/%-unnamed.elf: $(BUILD)/%-whole.o $(BUILD)/no-symbols.o \
                                                            $(BUILD)/kernel.ld $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) -o $@ $(filter %.o,$^)

$(BUILD)/%-named.elf: COMMAND = $(LD) $(LDFLAGS) --emit-relocs --strip-debug -T $(BUILD)/kernel.ld

$(IMAGES:%=$(BUILD)/%-named.elf): $(BUILD)/%-named.elf: $(BUILD)/%-whole.o $(BUILD)/%-symbols.o \
                                                        $(BUILD)/kernel.ld $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) -o $@ $(filter %.o,$^)

$(IMAGES:%=$(BUILD)/%.elf): $(BUILD)/%.elf: $(BUILD)/%-whole.o $(BUILD)/%-symbols.o \
                                            $(BUILD)/%-relocations.o $(BUILD)/kernel.ld \
                                            $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) -o $@ $(filter %.o,$^)
