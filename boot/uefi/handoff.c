/* SPDX-License-Identifier: MIT */
/*
 * The last memory map, page tables that map image and code at once, and the jump (handoff.S).
 */
#include "boot/uefi/handoff.h"

#include <string.h>

#include "boot/uefi/firmware.h"
#include "boot/uefi/machine.h"

/* The map grows while room for it is made. Chosen: each allocation adds two entries at most. */
#define MAP_SLACK_ENTRIES  64
/* A timer of the firmware may change the map between the call that reads it and the one that
 * leaves. Chosen: once is usual. */
#define LEAVE_ATTEMPTS_MAX 8

#define PTE_PRESENT_WRITE 0x3
#define PTE_LARGE         0x80
#define PTE_COUNT         512
#define LARGE_PAGE_BYTES  (2 * MIB)
#define CR4_LA57          (1u << 12)

/* Read by handoff.S. */
struct move {
    paddr_t to;
    paddr_t from;
    uint64_t bytes;
    uint64_t zero_bytes; /* behind them */
};

struct handoff_page {
    paddr_t page_table_root;
    paddr_t entry;
    paddr_t info;
    uint64_t move_count;
    struct move moves[ELF_SEGMENT_MAX];
    uint8_t code[];
};

_Static_assert(offsetof(struct handoff_page, moves) == 32 && sizeof(struct move) == 32,
               "as handoff.S has it");

/* Identity-mapped: root, for five levels the next one, and 4 GiB in large pages. */
struct page_tables {
    uint64_t top[PTE_COUNT];
    uint64_t pml4[PTE_COUNT];
    uint64_t pdpt[PTE_COUNT];
    uint64_t pd[BOOT_MAPPED_BYTES / GIB][PTE_COUNT];
};

extern const uint8_t handoff_start[];
extern const uint8_t handoff_end[];

struct memory_map {
    void *entries;
    UINTN room_bytes;
    UINTN bytes;
    UINTN entry_bytes;
    UINTN key;
};

static EFI_STATUS read_map(struct memory_map *map)
{
    UINT32 version;

    map->bytes = map->room_bytes;
    EFI_STATUS status = firmware->BootServices->GetMemoryMap(&map->bytes, map->entries, &map->key,
                                                             &map->entry_bytes, &version);

    if (status == EFI_SUCCESS && map->entry_bytes < sizeof(EFI_MEMORY_DESCRIPTOR)) {
        return EFI_UNSUPPORTED;
    }
    return status;
}

/* Make room and read. */
static bool open_map(struct memory_map *map)
{
    *map = (struct memory_map){0};
    if (read_map(map) != EFI_BUFFER_TOO_SMALL) {
        return false;
    }
    map->room_bytes = map->bytes + MAP_SLACK_ENTRIES * map->entry_bytes;
    map->entries = firmware_allocate(map->room_bytes, EfiLoaderData);
    return map->entries != NULL && read_map(map) == EFI_SUCCESS;
}

/* Take what is free between the two addresses; whatever else lies there must become free. */
static bool claim_range(paddr_t start, paddr_t end, uint32_t type)
{
    EFI_PHYSICAL_ADDRESS paddr = start;

    if (type != EfiConventionalMemory) {
        return machine_is_free_later(type);
    }
    return firmware->BootServices->AllocatePages(AllocateAddress, EfiLoaderData,
                                                 (end - start) / PAGE_BYTES, &paddr) == EFI_SUCCESS;
}

bool handoff_claim(const struct elf_image *image)
{
    struct memory_map map;
    uint64_t found_bytes = 0;

    if (!open_map(&map)) {
        return false;
    }
    for (UINTN offset = 0; offset + sizeof(EFI_MEMORY_DESCRIPTOR) <= map.bytes;
         offset += map.entry_bytes) {
        const EFI_MEMORY_DESCRIPTOR *entry = (void *)((char *)map.entries + offset);
        paddr_t start = entry->PhysicalStart;
        paddr_t end = start + entry->NumberOfPages * PAGE_BYTES;

        start = start > image->start ? start : image->start;
        end = end < image->end ? end : image->end;
        if (start >= end) {
            continue;
        }
        if (!claim_range(start, end, entry->Type)) {
            return false;
        }
        found_bytes += end - start;
    }
    return found_bytes == image->end - image->start;
}

static bool has_five_levels(void)
{
    uint64_t cr4;

    __asm__("mov %%cr4, %0" : "=r"(cr4));
    return (cr4 & CR4_LA57) != 0;
}

static paddr_t make_page_tables(void)
{
    struct page_tables *tables = firmware_allocate(sizeof(*tables), EfiLoaderData);

    if (tables == NULL) {
        return 0;
    }
    tables->top[0] = (paddr_t)tables->pml4 | PTE_PRESENT_WRITE;
    tables->pml4[0] = (paddr_t)tables->pdpt | PTE_PRESENT_WRITE;
    for (unsigned i = 0; i < ARRAY_COUNT(tables->pd); i++) {
        tables->pdpt[i] = (paddr_t)tables->pd[i] | PTE_PRESENT_WRITE;
        for (unsigned j = 0; j < PTE_COUNT; j++) {
            tables->pd[i][j] = i * GIB + j * LARGE_PAGE_BYTES + (PTE_PRESENT_WRITE | PTE_LARGE);
        }
    }
    return (paddr_t)(has_five_levels() ? tables->top : tables->pml4);
}

static struct handoff_page *make_page(const struct elf_image *image, const void *file,
                                      const struct boot_info *info)
{
    size_t code_bytes = (uintptr_t)handoff_end - (uintptr_t)handoff_start;
    struct handoff_page *page = firmware_allocate(sizeof(*page) + code_bytes, EfiLoaderCode);
    paddr_t root = make_page_tables();

    if (page == NULL || root == 0) {
        return NULL;
    }
    page->page_table_root = root;
    page->entry = image->entry;
    page->info = (paddr_t)info;
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];

        page->moves[page->move_count++] = (struct move){
            .to = segment->paddr,
            .from = (paddr_t)file + segment->offset,
            .bytes = segment->file_bytes,
            .zero_bytes = segment->memory_bytes - segment->file_bytes,
        };
    }
    memcpy(page->code, handoff_start, code_bytes);
    return page;
}

/* Between a first attempt and the last only these two calls are allowed (UEFI 2.10, 7.4). */
static bool leave_boot_services(struct memory_map *map, EFI_HANDLE program)
{
    for (unsigned attempt = 0; attempt < LEAVE_ATTEMPTS_MAX; attempt++) {
        if (read_map(map) != EFI_SUCCESS) {
            return false;
        }
        if (firmware->BootServices->ExitBootServices(program, map->key) == EFI_SUCCESS) {
            return true;
        }
    }
    return false;
}

const char *handoff(const struct elf_image *image, const void *file, struct boot_info *info,
                    EFI_HANDLE program)
{
    struct handoff_page *page = make_page(image, file, info);
    struct memory_map map;

    if (page == NULL || !open_map(&map)) {
        return "finds too little free memory";
    }
    if (!leave_boot_services(&map, program)) {
        return "cannot be entered: the firmware does not end its boot services";
    }
    machine_add_memory(info, map.entries, map.bytes, map.entry_bytes);
    ((void (*)(struct handoff_page *))page->code)(page);
    __builtin_unreachable();
}
