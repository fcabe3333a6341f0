/* SPDX-License-Identifier: MIT */
/*
 * Builds nodes, each on its own core. Everything is written through the boot's direct map of all
 * memory; the node will see only what is mapped here (design, The node).
 */
#include "boot/node_image.h"

#include <errno.h>
#include <string.h>

#include "boot/image.h"
#include "boot/node_addresses.h"
#include "boot/relocate.h"
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

/* Pages from the start of the first range that has enough. 0 when none has. */
static paddr_t take_pages(struct memory_range *ranges, unsigned range_count, uint64_t bytes)
{
    bytes = pages_of(bytes);
    for (unsigned i = 0; i < range_count; i++) {
        struct memory_range *range = &ranges[i];

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
    struct node_info *info = context;
    paddr_t paddr = take_pages(info->ranges, info->range_count, PAGE_BYTES);

    if (paddr != 0) {
        memset(at(paddr), 0, PAGE_BYTES);
    }
    return paddr;
}

int node_image_plan(const struct node_layout *layout, unsigned node)
{
    const struct node_place *place = &layout->places[node];
    struct node_plan *plan = &layout->plans[node];

    ASSERT(place->range_count <= NODE_RANGE_MAX);
    plan->range_count = place->range_count;
    memcpy(plan->ranges, place->ranges, sizeof(plan->ranges));
    plan->image =
        take_pages(plan->ranges, plan->range_count, bytes_between(image_start, image_end));
    plan->status_page =
        take_pages(plan->ranges, plan->range_count, STATUS_PAGE_BYTES(layout->node_count));
    plan->stack = take_pages(plan->ranges, plan->range_count, THREAD_STACK_BYTES);
    plan->root = 0;
    if (plan->image == 0 || plan->status_page == 0 || plan->stack == 0) {
        return -ENOMEM;
    }
    node_addresses_choose(layout, node);
    return 0;
}

void *node_image_stack_top(const struct node_plan *plan)
{
    return at(plan->stack + THREAD_STACK_BYTES);
}

struct status_page *node_image_status(const struct node_plan *plan)
{
    return at(plan->status_page);
}

/* Where a variable lies in the node's copy. */
static void *in_copy(const struct node_plan *plan, const void *variable)
{
    ASSERT((const char *)variable >= data_start && (const char *)variable < image_end);
    return at(plan->image + bytes_between(image_start, variable));
}

static struct relocations all_relocations(void)
{
    uint64_t bytes = bytes_between((const char *)relocations_start, (const char *)relocations_end);

    return (struct relocations){relocations_start, bytes / sizeof(relocations_start[0])};
}

bool node_image_can_be_moved(void)
{
    struct relocations relocations = all_relocations();

    /* But for its first page, the gate. */
    return relocations_are_within(&relocations, PAGE_BYTES, bytes_between(image_start, data_end));
}

/* What a node before this one has left in place stays: it could not write to it, and an emulator
 * translates anew what is written. */
static void copy_constant_pages(uint8_t *copy, uint64_t slide)
{
    const struct relocations relocations = all_relocations();
    const uint8_t *image = (const uint8_t *)image_start;

    for (size_t offset = 0; offset < bytes_between(image_start, data_start); offset += PAGE_BYTES) {
        if (!relocations_match(&relocations, copy + offset, image, offset, PAGE_BYTES, slide)) {
            relocations_copy(&relocations, copy + offset, image, offset, PAGE_BYTES, slide);
        }
    }
}

/* Text and read-only data as they stand; .data as it was before anything ran; bss zero. */
static void copy_image(const struct node_plan *plan, uint64_t slide)
{
    const struct relocations relocations = all_relocations();
    const size_t data_offset = bytes_between(image_start, data_start);
    const size_t data_bytes = bytes_between(data_start, data_end);
    uint8_t *copy = at(plan->image);

    copy_constant_pages(copy, slide);
    relocations_copy(&relocations, copy + data_offset,
                     (const uint8_t *)pristine_data_start - data_offset, data_offset, data_bytes,
                     slide);
    memset(copy + data_offset + data_bytes, 0, bytes_between(data_end, image_end));
}

uint64_t node_image_memory_bytes(const struct node_place *place)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < place->range_count; i++) {
        bytes += place->ranges[i].bytes;
    }
    return bytes;
}

/* What points into the node, as the node has it. */
static void place_modules(struct node_info *info)
{
    for (unsigned i = 0; i < info->module_count; i++) {
        info->modules[i].shown.name =
            (const char *)((uintptr_t)node_info.modules[i].name + info->map.image_slide);
        info->modules[i].shown.start =
            (const void *)(info->map.archive + (uintptr_t)node_info.modules[i].shown.start);
    }
}

/* What all nodes know, and what is this one's. */
static struct node_info *make_info(const struct node_layout *layout, unsigned node)
{
    const struct node_plan *plan = &layout->plans[node];
    struct node_info *info = in_copy(plan, &node_info);

    *info = node_info;
    info->node = (node_id_t)node;
    info->node_count = (uint16_t)layout->node_count; /* boot itself sees one status page alone */
    info->places = (const struct node_place *)node_addresses_start(layout, node, WINDOW_PLACES);
    info->nmi_line = plan->nmi_line;
    info->range_count = plan->range_count;
    memcpy(info->ranges, plan->ranges, sizeof(info->ranges));
    memcpy(info->random_seed, plan->random_seed, sizeof(info->random_seed));
    info->map = node_addresses_map(layout, node);
    place_modules(info);
    info->stacks_end = node_addresses_stack_top(layout, node);
    info->clock.tsc_at_zero += (uint64_t)plan->tsc_offset;
    info->leave = layout->leave;
    info->startup_page = layout->startup_page;
    info->incarnation = plan->incarnation;
    info->died_ns = plan->died_ns;
    return info;
}

/* What is at `start` in the page, up to `end`. */
static void clear_part(struct status_page *status, size_t start, size_t end)
{
    memset((uint8_t *)status + start, 0, end - start);
}

/* All but boot's own words, and but for the log's text, of which only what is written is read. The
 * log of a node that has failed goes on, and what it has printed of others' stays printed. */
void node_image_clear_status(const struct node_layout *layout, unsigned node)
{
    struct status_page *status = node_image_status(&layout->plans[node]);
    bool is_first = layout->plans[node].incarnation == 1;

    clear_part(status, 0, offsetof(struct status_page, state));
    clear_part(status, offsetof(struct status_page, declared_dead),
               offsetof(struct status_page, log_written));
    if (is_first) {
        status->log_written = 0;
    }
    for (unsigned i = 0; i < layout->node_count; i++) {
        status->for_nodes[i] = (struct status_for_node){
            .log_printed = is_first ? 0 : status->for_nodes[i].log_printed};
    }
    status->apic_id = layout->places[node].apic_id;
    status->memory_bytes = node_image_memory_bytes(&layout->places[node]);
}

static int map_image_part(struct address_space *space, const struct node_plan *plan,
                          const char *start, const char *end, uint64_t slide, unsigned flags)
{
    const uintptr_t vaddr = (uintptr_t)start + slide;

    return address_space_map(space, vaddr, plan->image + bytes_between(image_start, start),
                             pages_of(bytes_between(start, end)), flags);
}

/* Where it was linked, too, in the node's own copy of it. */
static int map_gate(struct address_space *space, const struct node_plan *plan)
{
    int error = map_image_part(space, plan, gate_start, gate_start + PAGE_BYTES, 0, PAGING_EXECUTE);

    return error == 0
               ? map_image_part(space, plan, gate_stack, gate_stack + PAGE_BYTES, 0, PAGING_WRITE)
               : error;
}

static int map_image(struct address_space *space, const struct node_plan *plan, uint64_t slide)
{
    int error = map_image_part(space, plan, image_start, text_end, slide, PAGING_EXECUTE);

    if (error == 0) {
        error = map_image_part(space, plan, rodata_start, data_start, slide, PAGING_READ);
    }
    if (error == 0) {
        error = map_image_part(space, plan, data_start, image_end, slide, PAGING_WRITE);
    }
    return error == 0 && slide != 0 ? map_gate(space, plan) : error;
}

/* What is left of the node's memory, page tables included: what the plan has taken of it is mapped
 * elsewhere. */
static int map_memory(struct address_space *space, const struct node_info *info,
                      const struct node_plan *plan)
{
    int error = 0;

    for (unsigned i = 0; i < plan->range_count && error == 0; i++) {
        const struct memory_range *range = &plan->ranges[i];

        error = address_space_map(space, info->map.direct_map + range->paddr, range->paddr,
                                  range->bytes, PAGING_WRITE);
    }
    return error;
}

static int map_status_pages(struct address_space *space, const struct node_info *info,
                            const struct node_plan *plans)
{
    const uint64_t bytes = STATUS_PAGE_BYTES(info->node_count);
    int error = 0;

    for (unsigned node = 0; node < info->node_count && error == 0; node++) {
        error = address_space_map(
            space, info->map.status_pages + node * (uintptr_t)STATUS_SLOT_BYTES,
            plans[node].status_page, bytes, node == info->node ? PAGING_WRITE : PAGING_READ);
    }
    return error;
}

static int map_places(struct address_space *space, const struct node_info *info,
                      const struct node_place *places)
{
    return address_space_map(space, (uintptr_t)info->places, (uintptr_t)places - DIRECT_MAP_BASE,
                             pages_of(info->node_count * sizeof(struct node_place)), PAGING_READ);
}

/* The tables alone: channels are mapped when they are first used (kernel/x86/rings.c). */
static int prepare_channels(struct address_space *space, const struct node_info *info)
{
    const uint64_t bytes = info->node_count * (uint64_t)CHANNEL_RING_MAX_BYTES;

    return address_space_make_tables(space, info->map.channels, ALIGN_UP(bytes, 2 * (uint64_t)MIB));
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

static int map_first_stack(struct address_space *space, const struct node_info *info,
                           const struct node_plan *plan)
{
    return address_space_map(space, info->stacks_end - THREAD_STACK_BYTES, plan->stack,
                             THREAD_STACK_BYTES, PAGING_WRITE);
}

#ifdef TALUS_TEST_SHARED_PAGE
static int map_test_page(struct address_space *space, const struct node_info *info,
                         const struct node_layout *layout)
{
    return shared_page_is_mapped(info)
               ? address_space_map(space, SHARED_PAGE_VADDR, layout->test_page, PAGE_BYTES,
                                   PAGING_WRITE)
               : 0;
}
#endif

static int map_all(struct address_space *space, const struct node_info *info,
                   const struct node_layout *layout)
{
    const struct node_plan *plan = &layout->plans[info->node];
    int error;

    if ((error = map_image(space, plan, info->map.image_slide)) != 0 ||
        (error = map_memory(space, info, plan)) != 0 ||
        (error = map_status_pages(space, info, layout->plans)) != 0 ||
        (error = map_places(space, info, layout->places)) != 0 ||
        (error = prepare_channels(space, info)) != 0 || (error = map_archive(space, info)) != 0 ||
        (error = map_first_stack(space, info, plan)) != 0) {
        return error;
    }
#ifdef TALUS_TEST_SHARED_PAGE
    error = map_test_page(space, info, layout);
#endif
    return error;
}

/* Against the node's own stray stores (libc/core/guarded_space.h). The tables lie at the start of
 * what was left of its memory, one behind the other, and those that this takes follow them. */
static int protect_tables(struct address_space *space, const struct node_info *info,
                          const struct node_plan *plan)
{
    int error = 0;

    for (unsigned i = 0; i < plan->range_count && error == 0; i++) {
        paddr_t start = plan->ranges[i].paddr;

        while (start < info->ranges[i].paddr && error == 0) {
            paddr_t end = info->ranges[i].paddr;

            error = address_space_protect(space, info->map.direct_map + start, end - start,
                                          PAGING_READ);
            start = end;
        }
    }
    return error;
}

static void hand_over(const struct node_plan *plan, bool is_to_all)
{
    LINKER_SET_EACH(components, struct component, item)
    {
        const void *data = (*item)->handed_over;

        if (data != NULL && (*item)->is_handed_to_all == is_to_all) {
            memcpy(in_copy(plan, data), data, (*item)->handed_over_bytes);
        }
    }
}

paddr_t node_image_build(const struct node_layout *layout, unsigned node)
{
    struct address_space space = {.tables_vaddr = DIRECT_MAP_BASE,
                                  .has_1gib_pages = paging_has_1gib_pages(),
                                  .allocate_table = allocate_table};

    ASSERT(node < layout->node_count);
    layout->plans[node].root = 0;
    copy_image(&layout->plans[node], node_addresses_slide(layout, node));
    hand_over(&layout->plans[node], true);
    node_image_clear_status(layout, node);
    struct node_info *info = make_info(layout, node);

    space.context = info;
    space.root = allocate_table(info);
    if (space.root == 0 || map_all(&space, info, layout) != 0 ||
        protect_tables(&space, info, &layout->plans[node]) != 0) {
        return 0;
    }
    info->page_table_root = space.root;
    layout->plans[node].root = space.root;
    return space.root;
}

void node_image_cut_off(const struct node_layout *layout, unsigned from, unsigned node)
{
    struct address_space space = {.root = layout->plans[from].root,
                                  .tables_vaddr = DIRECT_MAP_BASE};
    uintptr_t rings =
        node_addresses_map(layout, from).channels + node * (uintptr_t)CHANNEL_RING_MAX_BYTES;

    ASSERT(space.root != 0 && from != node);
    for (size_t i = 0; i < CHANNEL_RING_MAX_BYTES; i += PAGE_BYTES) {
        if (address_space_translate(&space, rings + i) != ADDRESS_SPACE_NONE) {
            address_space_unmap(&space, rings + i, PAGE_BYTES);
        }
    }
}

_Noreturn void node_image_enter(const struct node_layout *layout, unsigned node)
{
    const struct node_plan *plan = &layout->plans[node];

    ASSERT(plan->root != 0);
    gate_enter(plan->root, (uintptr_t)node_main + node_addresses_slide(layout, node),
               node_addresses_stack_top(layout, node));
}

void node_image_hand_over(const struct node_plan *plan)
{
    hand_over(plan, false);
}
