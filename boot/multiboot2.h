/* SPDX-License-Identifier: MIT */
/*
 * What a multiboot2 loader (GRUB) says, read as input from outside.
 */
#pragma once

#include "boot/boot_info.h"

/*
 * Fill in *info from the loader's block of tags, `bytes` long, which lies at physical address
 * `paddr`. Stops at the first tag whose length cannot be right, keeping what came before it. The
 * block itself becomes a reserved range: info->rsdp may point into it.
 */
void multiboot2_read(struct boot_info *info, const void *block, uint32_t bytes, paddr_t paddr);
