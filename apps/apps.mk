# Applications: what httpd needs beyond its sources, and httpd as a Linux program.
# Needs BUILD, CFLAGS, OBJECTS, TALUS_CACHE and Q; adds to OBJECTS.

# --- llhttp, which reads the syntax of requests ---

LLHTTP         := $(TALUS_CACHE)/llhttp
LLHTTP_SOURCES := api.c http.c llhttp.c
LLHTTP_OBJECTS := $(LLHTTP_SOURCES:%=$(BUILD)/obj/llhttp/%.o)
OBJECTS        += $(LLHTTP_OBJECTS)

# Strict: what two readers could understand differently is refused.
LLHTTP_FLAGS := -isystem $(LLHTTP) -DLLHTTP_STRICT_MODE=1
# What -Wextra finds in generated code is not ours to change.
LLHTTP_WARNINGS := -Wno-unused-parameter -Wno-unused-variable -Wno-unused-label

$(LLHTTP_SOURCES:%=$(LLHTTP)/%) &: apps/httpd/fetch-llhttp
	$(Q)apps/httpd/fetch-llhttp '$(LLHTTP)'
	$(Q)touch $(LLHTTP)/*

$(BUILD)/obj/llhttp/%.c.o: COMMAND = $(CC) $(CFLAGS) $(LLHTTP_FLAGS) $(LLHTTP_WARNINGS)
$(BUILD)/obj/llhttp/%.c.o: $(LLHTTP)/llhttp.c $$(another_command)
	$(keep_command)
	$(Q)$(COMPILE) -c $(LLHTTP)/$*.c -o $@

# --- httpd ---

HTTPD_SOURCES := $(wildcard apps/httpd/*.c)
HTTPD_OBJECTS := $(HTTPD_SOURCES:%=$(BUILD)/obj/%.o)

$(HTTPD_OBJECTS): CFLAGS += $(LLHTTP_FLAGS)
$(HTTPD_OBJECTS): | $(LLHTTP)/llhttp.c
# The image has many programs; each keeps its main().
$(BUILD)/obj/apps/httpd/main.c.o: CFLAGS += -Dmain=httpd_main
$(BUILD)/obj/apps/echo/main.c.o:  CFLAGS += -Dmain=echo_main
$(BUILD)/obj/apps/forward/main.c.o: CFLAGS += -Dmain=forward_main
$(BUILD)/obj/apps/source/main.c.o: CFLAGS += -Dmain=source_main

# --- webswamp ---

WEBSWAMP_SOURCES := $(wildcard apps/webswamp/*.c)
WEBSWAMP_OBJECTS := $(WEBSWAMP_SOURCES:%=$(BUILD)/obj/%.o)

$(WEBSWAMP_OBJECTS): CFLAGS += $(LLHTTP_FLAGS)
$(WEBSWAMP_OBJECTS): | $(LLHTTP)/llhttp.c
$(BUILD)/obj/apps/webswamp/main.c.o: CFLAGS += -Dmain=webswamp_main

# --- httpd for Linux: the same sources, the host's headers and libraries ---

LINUX_CFLAGS        := -std=gnu11 -O2 -g -Wall -Wextra -Werror -I. -D_GNU_SOURCE
LINUX_HTTPD_SOURCES := $(filter-out $(addprefix apps/httpd/,host_talus.c durations.c capture.c pcapng.c),$(HTTPD_SOURCES)) \
                       $(wildcard apps/httpd/linux/*.c) apps/syslog/message.c apps/syslog/collector.c $(LLHTTP_SOURCES:%=$(LLHTTP)/%)
# Of libc/core what the host has not; it depends on no node.
LINUX_HTTPD_SOURCES += $(addprefix libc/core/,address.c assert.c format.c numbers.c output.c tar.c)
LINUX_HTTPD_HEADERS := $(wildcard apps/httpd/*.h apps/syslog/*.h libc/core/*.h)

$(BUILD)/linux/%: COMMAND = $(HOST_CC) $(LINUX_CFLAGS) $(LLHTTP_FLAGS) $(LLHTTP_WARNINGS)
$(BUILD)/linux/httpd-asan: LINUX_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=all -DTALUS_SLOW_CHECKS

$(BUILD)/linux/httpd $(BUILD)/linux/httpd-asan: %: $(LINUX_HTTPD_SOURCES) $(LINUX_HTTPD_HEADERS) $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) $(LINUX_HTTPD_SOURCES) -o $@

# --- webswamp for Linux, likewise ---

LINUX_WEBSWAMP_SOURCES := $(filter-out apps/webswamp/host_talus.c,$(WEBSWAMP_SOURCES)) \
                          $(wildcard apps/webswamp/linux/*.c) $(LLHTTP_SOURCES:%=$(LLHTTP)/%) \
                          $(addprefix libc/core/,address.c assert.c format.c numbers.c output.c)
LINUX_WEBSWAMP_HEADERS := $(wildcard apps/webswamp/*.h libc/core/*.h)

$(BUILD)/linux/webswamp-asan: LINUX_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=all -DTALUS_SLOW_CHECKS

$(BUILD)/linux/webswamp $(BUILD)/linux/webswamp-asan: %: $(LINUX_WEBSWAMP_SOURCES) $(LINUX_WEBSWAMP_HEADERS) $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) $(LINUX_WEBSWAMP_SOURCES) -o $@

# --- The built-in web root: www/ and the files that benchmarks ask for ---

WWW       := $(BUILD)/www
WWW_FILES := $(wildcard apps/httpd/www/*)

# The same sources give the same archive, byte for byte, and the same validators.
$(BUILD)/builtin.tar: $(WWW_FILES) apps/apps.mk
	@rm -rf $(WWW)
	@mkdir -p $(WWW)
	$(Q)cp apps/httpd/www/* $(WWW)/
	$(Q)printf 'pika' > $(WWW)/4b
	$(Q)seq -w 0 127 | awk '{ printf "%07d\n", $$1 }' > $(WWW)/1k
	$(Q)seq -w 0 12799 | awk '{ printf "%07d\n", $$1 }' > $(WWW)/100k
	$(Q)tar -c -f $@ -C $(WWW) --format=ustar --sort=name --mtime='2026-01-01 00:00Z' \
	    --owner=0 --group=0 --numeric-owner --mode=a+rX,u+w,go-w .

# --- For unit tests that say so in a comment, `library: llhttp` ---

LLHTTP_UNIT_OBJECTS := $(LLHTTP_SOURCES:%=$(BUILD)/unit/llhttp/%.o)

$(BUILD)/unit/llhttp/%.c.o: COMMAND = $(HOST_CC) $(UNIT_CFLAGS) $(LLHTTP_FLAGS) $(LLHTTP_WARNINGS)
$(BUILD)/unit/llhttp/%.c.o: $(LLHTTP)/llhttp.c $$(another_command)
	$(keep_command)
	$(Q)$(COMPILE) -c $(LLHTTP)/$*.c -o $@

$(BUILD)/unit/llhttp.o: $(LLHTTP_UNIT_OBJECTS)
	$(Q)$(LD) -r $^ -o $@

UNIT_FLAGS_llhttp   := $(LLHTTP_FLAGS)
UNIT_HEADERS_llhttp := $(LLHTTP)/llhttp.c
UNIT_OBJECT_llhttp  := $(BUILD)/unit/llhttp.o
