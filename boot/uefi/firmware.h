/* SPDX-License-Identifier: MIT */
/*
 * What every part of the UEFI application needs of the firmware: its tables, memory, text on its
 * console, and the reading of files. GNU-EFI gives the declarations; calls go straight through
 * the firmware's pointers.
 */
#pragma once

#include <efi.h>

#include "kernel/base.h"
#include "kernel/limits.h"

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

/* A file read whole, in pages of its own. */
struct file {
    void *start;
    uint64_t bytes;
};

/* Where files come from: the device that the application was started from. */
struct file_source {
    EFI_FILE_PROTOCOL *root;         /* of a volume; or */
    EFI_PXE_BASE_CODE_PROTOCOL *pxe; /* a TFTP server; or neither */
    EFI_IP_ADDRESS server;
};

void file_source_open(struct file_source *source, EFI_HANDLE device);

/* What the source is, in words that follow "on". */
const char *file_source_name(const struct file_source *source);

/*
 * Read a file by its path on a volume, such as \EFI\talus\talus.elf.
 *
 * Returns EFI_NOT_FOUND when there is none, EFI_OUT_OF_RESOURCES when memory does not hold it, or
 * the firmware's word for what went wrong.
 */
MUST_CHECK EFI_STATUS file_read(struct file_source *source, const char *path, struct file *file);

/* The part for a TFTP server (network.c). */
bool network_open(struct file_source *source, EFI_HANDLE device);
MUST_CHECK EFI_STATUS network_read(struct file_source *source, const char *path, struct file *file);
