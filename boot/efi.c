/* SPDX-License-Identifier: MIT */
/*
 * The way in from our own UEFI application, which hands over a struct boot_info as it is. It may be
 * of another version than this image: then nothing in it can be read, and the console says so.
 */
#include <string.h>

#include "boot/boot_info.h"
#include "boot/image.h"

static BOOT_DATA struct boot_info boot_info;

/* From entry.S. */
CALLED_FROM_OUTSIDE _Noreturn void boot_efi_start(paddr_t info_paddr);

_Noreturn void boot_efi_start(paddr_t info_paddr)
{
    const struct boot_info *info = boot_info_data(info_paddr, sizeof(*info));

    boot_info_initialise(&boot_info, "UEFI");
    if (info != NULL && info->magic == BOOT_INFO_MAGIC && info->bytes == sizeof(*info)) {
        memcpy(&boot_info, info, sizeof(boot_info));
    }
    boot_main(&boot_info);
}
