# SPDX-License-Identifier: MIT
#
# Images to boot from: an ISO for CD and USB, a raw disk for hypervisors. Both start GRUB on a BIOS
# and on UEFI, with the menu of boot/images/grub.cfg and the same folder /talus.
# Needs BUILD, Q, ROOT, TALUS_CACHE, BUILTIN_ARCHIVE; defines ISO and DISK.

ISO  := $(BUILD)/talus.iso
DISK := $(BUILD)/talus.img

# The configuration; the image of the menu's last entry, which make test-boot leaves when it passes.
CONFIG     ?= boot/images/talus.cfg
# Seconds that the menu waits; without, it shows only when asked for by Esc.
MENU       ?=
KNOWN_GOOD ?= $(wildcard $(TALUS_CACHE)/known-good.elf)

# What every image holds. Made anew each time: ROOT, CONFIG and KNOWN_GOOD are not files that make
# could compare. Without debug information, which a BIOS takes seconds to read.
IMAGE_FILES := $(BUILD)/image-files

image-files: $(BUILD)/talus.elf $(BUILTIN_ARCHIVE)
	$(Q)qemu/install-packages boot/images/packages.txt
	$(Q)rm -rf $(IMAGE_FILES)
	$(Q)mkdir -p $(IMAGE_FILES)/talus $(IMAGE_FILES)/boot/grub
	$(Q)objcopy --strip-debug $(BUILD)/talus.elf $(IMAGE_FILES)/talus/talus.elf
	$(Q){ $(if $(MENU),echo 'set menu_seconds=$(MENU)';) cat boot/images/grub.cfg; } \
	  >$(IMAGE_FILES)/boot/grub/grub.cfg
	$(Q)cp '$(CONFIG)' $(IMAGE_FILES)/talus/talus.cfg
	$(Q)boot/images/pack-root '$(or $(ROOT),$(BUILTIN_ARCHIVE))' $(IMAGE_FILES)/talus/root.tar
	$(if $(KNOWN_GOOD),$(Q)objcopy --strip-debug '$(KNOWN_GOOD)' \
	  $(IMAGE_FILES)/talus/known-good.elf)
	$(if $(SOURCE_DATE_EPOCH),$(Q)find $(IMAGE_FILES) -exec touch -d @$(SOURCE_DATE_EPOCH) {} +)

iso: image-files ## make build/talus.iso for CD and USB, BIOS and UEFI: ROOT=dir CONFIG=file MENU=seconds
	$(Q)boot/images/make-iso $(IMAGE_FILES) $(ISO)

disk: image-files ## make build/talus.img, a raw disk for hypervisors: ROOT=dir CONFIG=file MENU=seconds
	$(Q)boot/images/make-disk $(IMAGE_FILES) $(DISK)

usb: ## write the ISO to a USB stick, after a question: DEV=/dev/sdX
	$(Q)boot/images/write-usb --check '$(DEV)'
	$(Q)$(MAKE) --no-print-directory iso
	$(Q)boot/images/write-usb $(ISO) '$(DEV)'

# What others download, all of it made anew from what is committed: for the same commit and the same
# packages the same bytes, wherever and whenever (https://reproducible-builds.org).
RELEASE := $(BUILD)/release

release: ## make build/release/: images, kernel, EFI file, checksums, and a list of what is in them
	$(Q)boot/images/make-release --check
	$(Q)qemu/install-packages boot/images/packages.txt boot/images/release-packages.txt
	$(Q)SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) TZ=UTC \
	  $(MAKE) --no-print-directory BUILD=$(RELEASE)/objects ROOT= MENU= CONFIG=boot/images/talus.cfg \
	  KNOWN_GOOD= release-parts
	$(Q)boot/images/make-release $(RELEASE)/objects $(RELEASE) $(VERSION)

release-parts: iso disk $$(EFI_APPLICATION)

.PHONY: image-files iso disk usb release release-parts
