/* SPDX-License-Identifier: MIT */
/*
 * What every part of the UEFI application needs of the firmware: its tables, memory, and text on
 * its console. GNU-EFI gives the declarations; calls go straight through the firmware's pointers.
 */
#pragma once

#include <efi.h>

#include "kernel/base.h"
#include "kernel/limits.h"

/* Of UEFI 2.10, appendix D; GNU-EFI does not have them. */
#define EFI_HTTP_ERROR       EFIERR(35)
#define EFI_CONNECTION_FIN   EFIERR(104)
#define EFI_CONNECTION_RESET EFIERR(105)

extern EFI_SYSTEM_TABLE *firmware;

/* Text on the firmware's console, ASCII, as far as there is one. */
void firmware_print(const char *text);

/* Ask for a key and wait for it, if there is a keyboard. One that was pressed before is no answer.
 */
void firmware_wait_for_key(const char *question);

/* NULL when the handle has no such protocol. */
void *firmware_protocol(EFI_HANDLE handle, const EFI_GUID *protocol);

/*
 * Whole pages below 4 GiB, zeroed, of a type that becomes free memory when Talus runs. NULL when
 * there are none.
 */
void *firmware_allocate(uint64_t bytes, EFI_MEMORY_TYPE type);
