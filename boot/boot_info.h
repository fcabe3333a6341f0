/* SPDX-License-Identifier: MIT */
/*
 * What every loader's way in hands over to boot_main(). The loader's data is input from outside: a
 * way in copies it here, bounded, and checks what it needs to trust.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"
#include "kernel/node.h"

#define BOOT_RANGE_MAX 128

struct boot_range {
    struct memory_range range;
    bool is_usable; /* else: reserved, ACPI, or unknown to us */
};

struct boot_module {
    paddr_t paddr;
    uint64_t bytes;
    char name[MODULE_NAME_BYTES];
};

struct boot_info {
    const char *loader; /* "PVH" */
    unsigned range_count;
    struct boot_range ranges[BOOT_RANGE_MAX];
    unsigned dropped_range_count; /* more than fit, or impossible */
    paddr_t rsdp;                 /* 0: search for it */
    unsigned module_count;
    struct boot_module modules[MODULE_MAX - 1]; /* the built-in one is the last */
    unsigned dropped_module_count;
    char command_line[COMMAND_LINE_MAX_BYTES];
    bool is_command_line_cut;
};

/* Physical memory as boot code and starting cores see it, in the first page tables. */
#define BOOT_MAPPED_BYTES (4 * GIB)

/* Start the machine's nodes; this core becomes node 0. */
_Noreturn void boot_main(struct boot_info *info);
