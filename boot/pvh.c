/* SPDX-License-Identifier: MIT */
/*
 * The PVH loader's start info (Xen public/arch-x86/hvm/start_info.h) to a struct boot_info.
 */
#include <string.h>

#include "boot/boot_info.h"
#include "boot/image.h"

/* --- What the loader leaves, little-endian and naturally aligned --- */

#define START_INFO_MAGIC     0x336EC578
#define START_INFO_MAP_SINCE 1 /* the version that brought the map of the memory */
#define E820_USABLE          1

/* A longer list is nonsense and not read: firmware of large machines has some hundred ranges. */
#define LIST_MAX 4096u

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

_Static_assert(offsetof(struct start_info, modules_paddr) == 16, "start_info.h");
_Static_assert(offsetof(struct start_info, memory_map_paddr) == 40, "start_info.h");
_Static_assert(sizeof(struct start_info) == 56, "start_info.h");
_Static_assert(sizeof(struct start_module) == 32, "start_info.h");
_Static_assert(sizeof(struct start_range) == 24, "start_info.h");

/* --- To a struct boot_info --- */

static BOOT_DATA struct boot_info boot_info;

/* How many bytes from `paddr` on are mapped, at most `most`. */
static size_t readable_bytes(paddr_t paddr, size_t most)
{
    return paddr >= BOOT_MAPPED_BYTES         ? 0
           : BOOT_MAPPED_BYTES - paddr < most ? (size_t)(BOOT_MAPPED_BYTES - paddr)
                                              : most;
}

static void read_command_line(paddr_t paddr)
{
    /* One more than fits, to see whether it is cut. */
    size_t bytes = readable_bytes(paddr, sizeof(boot_info.command_line));
    const char *text = boot_info_data(paddr, bytes);

    if (text != NULL) {
        boot_info_set_command_line(&boot_info, text, bytes);
    }
}

/* The entries of a list that can be read; NULL when there is none. They may lie at odd addresses.
 */
static const uint8_t *find_list(paddr_t paddr, uint32_t count, size_t entry_bytes)
{
    return count > LIST_MAX ? NULL : boot_info_data(paddr, count * entry_bytes);
}

static void read_memory_map(const struct start_info *start)
{
    struct start_range range;
    const uint8_t *list =
        find_list(start->memory_map_paddr, start->memory_map_count, sizeof(range));

    if (list == NULL || start->version < START_INFO_MAP_SINCE) {
        return;
    }
    for (uint32_t i = 0; i < start->memory_map_count; i++) {
        memcpy(&range, list + i * sizeof(range), sizeof(range));
        boot_info_add_range(&boot_info, range.paddr, range.bytes, range.type == E820_USABLE);
    }
}

static void read_modules(const struct start_info *start)
{
    struct start_module module;
    const uint8_t *list = find_list(start->modules_paddr, start->module_count, sizeof(module));

    for (uint32_t i = 0; list != NULL && i < start->module_count; i++) {
        memcpy(&module, list + i * sizeof(module), sizeof(module));
        size_t name_bytes = readable_bytes(module.command_line_paddr, MODULE_NAME_BYTES);
        const char *name = boot_info_data(module.command_line_paddr, name_bytes);

        /* QEMU gives its -initrd no name. */
        boot_info_add_module(&boot_info, module.paddr, module.bytes, name != NULL ? name : "",
                             name_bytes);
    }
}

/* From entry.S. */
CALLED_FROM_OUTSIDE _Noreturn void pvh_start(paddr_t start_info_paddr);

_Noreturn void pvh_start(paddr_t start_info_paddr)
{
    struct start_info start = {0};
    const void *bytes = boot_info_data(start_info_paddr, sizeof(start));

    boot_info_initialise(&boot_info, "PVH");
    if (bytes != NULL) {
        memcpy(&start, bytes, sizeof(start));
    }
    if (start.magic == START_INFO_MAGIC) {
        boot_info.rsdp = start.rsdp_paddr;
        read_command_line(start.command_line_paddr);
        read_memory_map(&start);
        read_modules(&start);
    }
    boot_main(&boot_info);
}
