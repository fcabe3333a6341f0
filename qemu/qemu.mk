# SPDX-License-Identifier: GPL-2.0-or-later
#
# QEMU with the 82599 model, and lwIP's source: both fetched, pinned and cached.
# Needs BUILD, TALUS_CACHE and Q; defines QEMU_BIN, QEMU_PLUGIN_INCLUDE and LWIP_SRC.

QEMU_BIN            := $(BUILD)/qemu/bin/qemu-system-x86_64
QEMU_PLUGIN_INCLUDE := $(BUILD)/qemu/include

# QEMU_SRC= names a tarball or an unpacked folder of QEMU 7.2, instead of the distribution's.
export QEMU_SRC

$(QEMU_BIN): qemu/build-qemu qemu/fetch-source qemu/devices.mak \
             $(wildcard qemu/patches/* qemu/model/*)
	$(Q)qemu/install-packages qemu/build-packages.txt
	$(Q)qemu/build-qemu '$(TALUS_CACHE)' '$(BUILD)/qemu'

qemu: $(QEMU_BIN) ## build QEMU with the 82599 model: QEMU_SRC=tarball

$(QEMU_PLUGIN_INCLUDE)/qemu-plugin.h: $(QEMU_BIN)

# LWIP_SRC= names an unpacked lwIP 2.1.3, used as it is; by default the distribution's is
# unpacked into the cache, with the line ends that patches expect.
ifndef LWIP_SRC
LWIP_SRC := $(TALUS_CACHE)/lwip-2.1.3

$(LWIP_SRC): qemu/unpack-lwip qemu/fetch-source
	$(Q)qemu/unpack-lwip '$(TALUS_CACHE)' '$@'
else
# Whether it holds lwIP, net/transport/lwip/prepare finds out.
$(LWIP_SRC):
endif

.PHONY: qemu
