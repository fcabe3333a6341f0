/* SPDX-License-Identifier: MIT */
/*
 * The last steps: boot services left, the image put in its place, Talus entered.
 *
 * An image has its fixed place, and firmware may use that place until it is left: for its own data,
 * its page tables, or this program. So the image waits elsewhere, and a few instructions in a page
 * of their own, on page tables of their own and without a stack, copy it when all that is gone.
 */
#pragma once

#include "boot/boot_info.h"
#include "boot/uefi/elf.h"
#include "boot/uefi/firmware.h"

/*
 * Keep the image's place free of everything that is allocated from now on.
 *
 * Returns false when the firmware keeps a part of it for good, or there is no memory there.
 */
MUST_CHECK bool handoff_claim(const struct elf_image *image);

/*
 * Leave the firmware and enter the image; file is where it was read, outside the claimed place. The
 * memory map is added to info, which has come from firmware_allocate().
 *
 * Returns only when it failed, with why, in words that follow a name. Once the firmware has begun
 * to shut down its console may be gone.
 */
const char *handoff(const struct elf_image *image, const void *file, struct boot_info *info,
                    EFI_HANDLE program);
