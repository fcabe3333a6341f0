# Talus as Linux processes: the same sources with the same flags and their own libc, linked into one
# object that hides every symbol but the few by which linux/ calls it; and linux/, an ordinary program.
# Needs BUILD, CC, CFLAGS, HOST_CC, LWIP_..., LLHTTP_..., Q; SANITIZE=1 goes with a BUILD of its own.

HOSTED := $(BUILD)/hosted

# Of the kernel all but the bare machine's part, of the console what prints the log and the screen
# that nobody has.
HOSTED_SOURCES := kernel/log.c $(wildcard kernel/message/*.c kernel/thread/*.c kernel/thread/*.S kernel/hosted/*.c) \
                  $(wildcard drivers/nic/*.c drivers/hosted/*.c) \
                  $(addprefix drivers/console/,counters.c log_printer.c screen.c) \
                  $(wildcard net/*.c net/*/*.c net/*/*/*.c libc/*/*.c apps/*.c apps/*/*.c)
HOSTED_LINUX_SOURCES := $(wildcard kernel/hosted/linux/*.c drivers/hosted/linux/*.c)

# What linux/ calls.
HOSTED_SEAM := hosted_main hosted_fault hosted_mailbox_bytes

HOSTED_CFLAGS = $(filter-out -mcmodel=kernel,$(CFLAGS))
HOSTED_LINK   = $(LINK_WHOLE)
HOSTED_LINUX_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -MMD -MP -I. -D_GNU_SOURCE -fno-pie

ifneq ($(SANITIZE),)
# No whole program: a report names the functions as they are written. Stacks are told of each switch
# as in the unit tests.
SANITIZERS           := -DTALUS_SLOW_CHECKS -fsanitize=address,undefined -fno-sanitize-recover=all
HOSTED_CFLAGS         = $(filter-out -mcmodel=kernel -flto -O2,$(CFLAGS)) -O1 $(SANITIZERS)
HOSTED_LINK           = $(LD) -r --wrap=thread_switch --wrap=thread_start
HOSTED_LINUX_CFLAGS  += $(SANITIZERS)
HOSTED_SOURCES       += tests/unit/world/thread_sanitizer.c
endif

HOSTED_OBJECTS       := $(HOSTED_SOURCES:%=$(HOSTED)/obj/%.o) $(LWIP_SOURCES:%=$(HOSTED)/obj/lwip/%.o) \
                        $(LLHTTP_SOURCES:%=$(HOSTED)/obj/llhttp/%.o)
HOSTED_LINUX_OBJECTS := $(HOSTED_LINUX_SOURCES:%=$(HOSTED)/obj/%.o)
HOSTED_LIBRARIES     := -lxdp -lbpf

# The flags that some of Talus' files have beside the common ones: as boot/'s build of them.
$(HOSTED)/obj/net/transport/%.c.o: HOSTED_EXTRA := $(LWIP_INCLUDES)
$(HOSTED)/obj/lwip/%.c.o:          HOSTED_EXTRA  = $(LWIP_INCLUDES) $(LWIP_WARNINGS) $(LWIP_SEAM)
$(HOSTED)/obj/lwip/core/tcp_in.c.o:   LWIP_SEAM := -DTALUS_LWIP_TCP_IN
$(HOSTED)/obj/lwip/core/ipv4/ip4.c.o: LWIP_SEAM := -DTALUS_LWIP_IP4
$(HOSTED)/obj/llhttp/%.c.o:        HOSTED_EXTRA := $(LLHTTP_FLAGS) $(LLHTTP_WARNINGS)
$(HOSTED)/obj/apps/httpd/%.c.o:    HOSTED_EXTRA := $(LLHTTP_FLAGS)
$(HOSTED)/obj/apps/httpd/main.c.o: HOSTED_EXTRA := $(LLHTTP_FLAGS) -Dmain=httpd_main
$(HOSTED)/obj/apps/echo/main.c.o: HOSTED_EXTRA := -Dmain=echo_main
$(HOSTED)/obj/apps/webswamp/%.c.o:    HOSTED_EXTRA := $(LLHTTP_FLAGS)
$(HOSTED)/obj/apps/webswamp/main.c.o: HOSTED_EXTRA := $(LLHTTP_FLAGS) -Dmain=webswamp_main
$(HOSTED)/obj/apps/source/main.c.o: HOSTED_EXTRA := -Dmain=source_main
$(HOSTED)/obj/apps/forward/main.c.o: HOSTED_EXTRA := -Dmain=forward_main
$(HOSTED)/obj/libc/core/version.c.o: HOSTED_EXTRA := -DTALUS_VERSION='"$(VERSION)"'
$(LIBC_BUILTINS:%=$(HOSTED)/obj/libc/%.c.o): HOSTED_EXTRA := -fno-builtin -fno-tree-loop-distribute-patterns
$(HOSTED)/obj/libc/core/string.c.o: HOSTED_EXTRA += -fno-lto

$(HOSTED)/obj/%.c.o: COMMAND = $(CC) $(HOSTED_CFLAGS) $(HOSTED_EXTRA)
$(HOSTED)/obj/%.c.o: %.c $$(another_command) | $(LWIP_READY) $(LLHTTP)/llhttp.c
	$(keep_command)
	$(Q)$(COMPILE) -c $< -o $@

$(HOSTED)/obj/lwip/%.c.o: $(LWIP_READY) $(LWIP_SEAMS) $$(another_command)
	$(keep_command)
	$(Q)$(COMPILE) -c $(LWIP)/src/$*.c -o $@

$(HOSTED)/obj/llhttp/%.c.o: $(LLHTTP)/llhttp.c $$(another_command)
	$(keep_command)
	$(Q)$(COMPILE) -c $(LLHTTP)/$*.c -o $@

$(HOSTED)/obj/%.S.o: COMMAND = $(CC) -g -I. -MMD -MP
$(HOSTED)/obj/%.S.o: %.S $$(another_command)
	$(keep_command)
	$(Q)$(COMPILE) -c $< -o $@

$(HOSTED_LINUX_OBJECTS): COMMAND = $(HOST_CC) $(HOSTED_LINUX_CFLAGS)
$(HOSTED_LINUX_OBJECTS): $(HOSTED)/obj/%.o: % $$(another_command) | host-packages
	$(keep_command)
	$(Q)$(COMPILE) -c $< -o $@

-include $(HOSTED_OBJECTS:.o=.d) $(HOSTED_LINUX_OBJECTS:.o=.d)

# Its malloc(), errno and printf() are its own, and the C library's are linux/'s.
$(HOSTED)/talus.o: COMMAND = $(HOSTED_LINK) $(HOSTED_OBJECTS)
$(HOSTED)/talus.o: $(HOSTED_OBJECTS) $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) -o $@
	$(Q)objcopy $(HOSTED_SEAM:%=--keep-global-symbol=%) $@

$(HOSTED)/archive.S: $(BUILTIN_ARCHIVE)
	@mkdir -p $(@D)
	@printf '    .section .rodata\n    .globl hosted_archive_start, hosted_archive_end\nhosted_archive_start:\n    .incbin "%s"\nhosted_archive_end:\n    .section .note.GNU-stack, "", @progbits\n' $< >$@

$(HOSTED)/archive.o: $(HOSTED)/archive.S
	$(Q)$(CC) -c $< -o $@

$(HOSTED)/talus: COMMAND = $(HOST_CC) $(SANITIZERS) -no-pie
$(HOSTED)/talus: $(HOSTED)/talus.o $(HOSTED)/archive.o $(HOSTED_LINUX_OBJECTS) $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) -o $@ $(filter %.o,$^) $(HOSTED_LIBRARIES)

host: $(HOSTED)/talus ## build Talus as Linux processes: build/hosted/talus (SANITIZE=1 BUILD=dir)

host-packages:
	$(Q)qemu/install-packages kernel/hosted/packages.txt

NODES ?= 2

host-run: $(HOSTED)/talus ## serve a page by Linux processes behind a tap: NODES=2 PORT=8080 APPEND=words
	$(Q)kernel/hosted/serve --port $(PORT) --nodes $(NODES) $(HOSTED)/talus $(APPEND)

.PHONY: host host-packages host-run
