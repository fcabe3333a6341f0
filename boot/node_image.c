/* SPDX-License-Identifier: MIT */
/*
 * Builds nodes. Everything is written through the boot's direct map of all memory; the node will
 * see only what is mapped here (design, The node).
 */
#include "boot/node_image.h"

#include <errno.h>
#include <string.h>

#include "boot/image.h"
#include "boot/shared_page.h"
#include "kernel/component.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"

static void *at(paddr_t paddr)
{
    return (void *)(DIRECT_MAP_BASE + paddr);
}

static uint64_t pages_of(uint64_t bytes)
{
    return ALIGN_UP(bytes, (uint64_t)PAGE_BYTES);
}

/* Pages from the start of the node's first range that has enough. 0 when none has. */
static paddr_t take_pages(struct node_info *info, uint64_t bytes)
{
    bytes = pages_of(bytes);
    for (unsigned i = 0; i < info->range_count; i++) {
        struct memory_range *range = &info->ranges[i];

        if (range->bytes > bytes) {
            paddr_t paddr = range->paddr;

            ASSERT(paddr % PAGE_BYTES == 0 && range->bytes % PAGE_BYTES == 0);
            range->paddr += bytes;
            range->bytes -= bytes;
            return paddr;
        }
    }
    return 0;
}

static paddr_t allocate_table(void *context)
{
    paddr_t paddr = take_pages(context, PAGE_BYTES);

    if (paddr != 0) {
        memset(at(paddr), 0, PAGE_BYTES);
    }
    return paddr;
}

/* Text and read-only data as they stand; .data as it was before anything ran; bss zero. */
static int copy_image(struct node_info *info)
{
    uint8_t *copy;

    info->image_paddr = take_pages(info, bytes_between(image_start, image_end));
    if (info->image_paddr == 0) {
        return -ENOMEM;
    }
    copy = at(info->image_paddr);
    memcpy(copy, image_start, bytes_between(image_start, data_start));
    memcpy(copy + bytes_between(image_start, data_start), pristine_data_start,
           bytes_between(data_start, data_end));
    memset(copy + bytes_between(image_start, data_end), 0, bytes_between(data_end, image_end));
    return 0;
}

static int map_image_part(struct address_space *space, const struct node_info *info,
                          const char *start, const char *end, unsigned flags)
{
    return address_space_map(space, (uintptr_t)start,
                             info->image_paddr + bytes_between(image_start, start),
                             pages_of(bytes_between(start, end)), flags);
}

static int map_image(struct address_space *space, const struct node_info *info)
{
    int error = map_image_part(space, info, image_start, text_end, PAGING_EXECUTE);

    if (error == 0) {
        error = map_image_part(space, info, rodata_start, data_start, PAGING_READ);
    }
    if (error == 0) {
        error = map_image_part(space, info, data_start, image_end, PAGING_WRITE);
    }
    return error;
}

/* The node's memory but for its image, which has narrower rights: in `ranges`, because page tables
 * are being taken out of info->ranges meanwhile, and belong to the map, too. */
static int map_memory(struct address_space *space, const struct memory_range *ranges,
                      unsigned range_count)
{
    int error = 0;

    for (unsigned i = 0; i < range_count && error == 0; i++) {
        error = address_space_map(space, DIRECT_MAP_BASE + ranges[i].paddr, ranges[i].paddr,
                                  ranges[i].bytes, PAGING_WRITE);
    }
    return error;
}

static int map_status_pages(struct address_space *space, const struct node_info *info,
                            const struct shared_memory *shared)
{
    const uint64_t bytes = STATUS_PAGE_BYTES(info->node_count);
    int error = 0;

    for (unsigned node = 0; node < info->node_count && error == 0; node++) {
        error = address_space_map(space, STATUS_BASE + node * (uintptr_t)STATUS_SLOT_BYTES,
                                  shared->status_pages + node * bytes, bytes,
                                  node == info->node ? PAGING_WRITE : PAGING_READ);
    }
    return error;
}

static int map_places(struct address_space *space, struct node_info *info,
                      const struct shared_memory *shared)
{
    info->places = (const struct node_place *)PLACES_BASE;
    return address_space_map(space, PLACES_BASE, shared->places,
                             pages_of(info->node_count * sizeof(struct node_place)), PAGING_READ);
}

/* The tables alone: channels are mapped when they are first used (kernel/x86/rings.c). */
static int prepare_channels(struct address_space *space, const struct node_info *info)
{
    const uint64_t bytes = info->node_count * (uint64_t)CHANNEL_RING_MAX_BYTES;

    return address_space_make_tables(space, CHANNELS_BASE, ALIGN_UP(bytes, 2 * (uint64_t)MIB));
}

static int map_archive(struct address_space *space, const struct node_info *info)
{
    int error = 0;

    for (unsigned i = 0; i < info->module_count && error == 0; i++) {
        const struct module *module = &info->modules[i];

        error = address_space_map(space, (uintptr_t)module->shown.start, module->paddr,
                                  pages_of(module->shown.bytes), PAGING_READ);
    }
    return error;
}

static int map_first_stack(struct address_space *space, struct node_info *info,
                           uintptr_t *stack_top)
{
    uintptr_t stack = STACKS_BASE + PAGE_BYTES; /* above the guard page */
    paddr_t paddr = take_pages(info, THREAD_STACK_BYTES);

    if (paddr == 0) {
        return -ENOMEM;
    }
    *stack_top = stack + THREAD_STACK_BYTES;
    info->stacks_end = *stack_top;
    return address_space_map(space, stack, paddr, THREAD_STACK_BYTES, PAGING_WRITE);
}

#ifdef TALUS_TEST_SHARED_PAGE
static int map_test_page(struct address_space *space, const struct node_info *info,
                         const struct shared_memory *shared)
{
    return shared_page_is_mapped(info)
               ? address_space_map(space, SHARED_PAGE_VADDR, shared->test_page, PAGE_BYTES,
                                   PAGING_WRITE)
               : 0;
}
#endif

/* Give a variable of the node's image its first contents. */
static void hand_over(const struct node_info *info, const void *variable, const void *contents,
                      size_t bytes)
{
    const char *start = variable;

    ASSERT(start >= data_start && start + bytes <= image_end);
    memcpy(at(info->image_paddr + bytes_between(image_start, start)), contents, bytes);
}

int node_image_build(struct node_info *info, const struct shared_memory *shared,
                     uintptr_t *stack_top)
{
    struct address_space space = {.tables_vaddr = DIRECT_MAP_BASE,
                                  .has_1gib_pages = paging_has_1gib_pages(),
                                  .allocate_table = allocate_table,
                                  .context = info};
    struct memory_range ranges[NODE_RANGE_MAX];
    unsigned range_count;
    int error;

    ASSERT(info->node < info->node_count && info->range_count <= NODE_RANGE_MAX);
    ASSERT(shared->status_pages % PAGE_BYTES == 0 && shared->places % PAGE_BYTES == 0);
    error = copy_image(info);
    if (error != 0) {
        return error;
    }
    range_count = info->range_count;
    memcpy(ranges, info->ranges, sizeof(ranges));
    space.root = allocate_table(info);
    if (space.root == 0) {
        return -ENOMEM;
    }
    info->page_table_root = space.root;
    if ((error = map_image(&space, info)) != 0 ||
        (error = map_memory(&space, ranges, range_count)) != 0 ||
        (error = map_status_pages(&space, info, shared)) != 0 ||
        (error = map_places(&space, info, shared)) != 0 ||
        (error = prepare_channels(&space, info)) != 0 || (error = map_archive(&space, info)) != 0 ||
        (error = map_first_stack(&space, info, stack_top)) != 0) {
        return error;
    }
#ifdef TALUS_TEST_SHARED_PAGE
    if ((error = map_test_page(&space, info, shared)) != 0) {
        return error;
    }
#endif
    hand_over(info, &node_info, info, sizeof(*info));
    if (info->node == 0) {
        LINKER_SET_EACH(components, struct component, item)
        {
            const void *data = (*item)->handed_over;

            if (data != NULL) {
                hand_over(info, data, data, (*item)->handed_over_bytes);
            }
        }
    }
    return 0;
}
