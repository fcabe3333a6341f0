# SPDX-License-Identifier: GPL-2.0-or-later
#
# TCG plugins. Needs BUILD, Q and QEMU_PLUGIN_INCLUDE (qemu.mk); defines PLUGINS.

PLUGINS := $(BUILD)/plugins/instructions.so $(BUILD)/plugins/sharing.so

# QEMU's executable supplies what a plugin calls, when it loads it.
PLUGIN_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -fPIC -shared -I. \
                 -isystem $(QEMU_PLUGIN_INCLUDE)

$(BUILD)/plugins/%.so: COMMAND = $(CC) $(PLUGIN_CFLAGS)

$(PLUGINS): $(BUILD)/plugins/%.so: qemu/plugins/%.c boot/probe.h \
                                   $(QEMU_PLUGIN_INCLUDE)/qemu-plugin.h $$(another_command)
	$(keep_command)
	$(Q)$(COMMAND) -o $@ $<

.PHONY: plugins
plugins: $(PLUGINS) ## build the TCG plugins
