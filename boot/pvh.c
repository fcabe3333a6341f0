/* SPDX-License-Identifier: MIT */
/*
 * The PVH loader's start info (Xen public/arch-x86/hvm/start_info.h) to a struct boot_info.
 */
#include <string.h>

#include "boot/boot_info.h"
#include "kernel/layout.h"

#define START_INFO_MAGIC 0x336EC578
#define E820_USABLE      1

struct start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t module_count;
    uint64_t modules_paddr;
    uint64_t command_line_paddr;
    uint64_t rsdp_paddr;
    /* From version 1 on. */
    uint64_t memory_map_paddr;
    uint32_t memory_map_count;
    uint32_t reserved;
};

struct start_module {
    uint64_t paddr;
    uint64_t bytes;
    uint64_t command_line_paddr;
    uint64_t reserved;
};

struct start_range {
    uint64_t paddr;
    uint64_t bytes;
    uint32_t type;
    uint32_t reserved;
};

static struct boot_info boot_info;

/* The bytes at a physical address that the loader named; NULL when they are not all mapped. */
static const void *loader_data(paddr_t paddr, uint64_t bytes)
{
    if (paddr == 0 || paddr >= BOOT_MAPPED_BYTES || bytes > BOOT_MAPPED_BYTES - paddr) {
        return NULL;
    }
    return (const void *)(DIRECT_MAP_BASE + paddr);
}

/* Copy a string, cut to size - 1 characters. Returns whether it was whole. */
static bool copy_string(char *text, size_t size, paddr_t paddr)
{
    for (size_t i = 0; i < size; i++) {
        const char *character = loader_data(paddr + i, 1);

        if (paddr == 0 || character == NULL || *character == '\0') {
            text[i] = '\0';
            return true;
        }
        text[i] = *character;
    }
    text[size - 1] = '\0';
    return false;
}

static void read_memory_map(const struct start_info *start)
{
    const struct start_range *ranges =
        loader_data(start->memory_map_paddr, start->memory_map_count * sizeof(*ranges));

    if (ranges == NULL || start->version < 1) {
        return;
    }
    for (uint32_t i = 0; i < start->memory_map_count; i++) {
        struct memory_range range = {.paddr = ranges[i].paddr, .bytes = ranges[i].bytes};

        if (range.paddr + range.bytes < range.paddr || boot_info.range_count == BOOT_RANGE_MAX) {
            boot_info.dropped_range_count++;
        } else if (range.bytes > 0) {
            boot_info.ranges[boot_info.range_count++] = (struct boot_range){
                .range = range,
                .is_usable = ranges[i].type == E820_USABLE,
            };
        }
    }
}

static void read_modules(const struct start_info *start)
{
    const struct start_module *modules =
        loader_data(start->modules_paddr, start->module_count * sizeof(*modules));

    if (modules == NULL) {
        return;
    }
    for (uint32_t i = 0; i < start->module_count; i++) {
        struct boot_module *module = &boot_info.modules[boot_info.module_count];

        if (boot_info.module_count == ARRAY_COUNT(boot_info.modules) || modules[i].bytes == 0 ||
            modules[i].paddr + modules[i].bytes < modules[i].paddr) {
            boot_info.dropped_module_count++;
            continue;
        }
        module->paddr = modules[i].paddr;
        module->bytes = modules[i].bytes;
        /* QEMU gives its -initrd no name: the first module is the web root. */
        (void)copy_string(module->name, sizeof(module->name), modules[i].command_line_paddr);
        if (module->name[0] == '\0' && boot_info.module_count == 0) {
            strcpy(module->name, "root.tar");
        }
        boot_info.module_count++;
    }
}

/* From entry.S. */
_Noreturn void pvh_start(paddr_t start_info_paddr);

_Noreturn void pvh_start(paddr_t start_info_paddr)
{
    const struct start_info *start = loader_data(start_info_paddr, sizeof(*start));

    boot_info.loader = "PVH";
    if (start != NULL && start->magic == START_INFO_MAGIC) {
        boot_info.rsdp = start->rsdp_paddr;
        boot_info.is_command_line_cut = !copy_string(
            boot_info.command_line, sizeof(boot_info.command_line), start->command_line_paddr);
        read_memory_map(start);
        read_modules(start);
    }
    boot_main(&boot_info);
}
