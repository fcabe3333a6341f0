# SPDX-License-Identifier: GPL-2.0-or-later
#
# TCG plugins. Needs BUILD, Q and QEMU_PLUGIN_INCLUDE (qemu.mk); defines PLUGINS.

PLUGINS := $(BUILD)/plugins/instructions.so $(BUILD)/plugins/sharing.so

# QEMU's executable supplies what a plugin calls, when it loads it.
PLUGIN_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -fPIC -shared -I. \
                 -isystem $(QEMU_PLUGIN_INCLUDE)

$(PLUGINS): $(BUILD)/plugins/%.so: qemu/plugins/%.c kernel/probe.h qemu/plugins/plugins.mk \
                                   $(QEMU_PLUGIN_INCLUDE)/qemu-plugin.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(PLUGIN_CFLAGS) -o $@ $<

.PHONY: plugins
plugins: $(PLUGINS) ## build the TCG plugins
