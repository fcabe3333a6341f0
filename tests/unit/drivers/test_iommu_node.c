/* SPDX-License-Identifier: MIT */
/* sources: drivers/iommu/memory.c drivers/iommu/faults.c drivers/iommu/unit.c */
/* sources: tests/unit/world/fake_pci.c tests/unit/world/fake_iommu.c */
/* flags: -DMMIO_FAKE */
/*
 * What a node has of drivers/iommu/: the part of its memory that devices write to, set aside before
 * anybody else takes it; and refused accesses, which it logs and counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/iommu/iommu.h"
#include "drivers/nic/counters.h"
#include "drivers/vectors.h"
#include "kernel/component.h"
#include "kernel/message/dispatch.h"
#include "kernel/node.h"
#include "tests/unit/world/fake_iommu.h"
#include "tests/unit/world/fake_pci.h"

#define OWN       1u
#define TABLES    0x40000u /* what boot takes of a range's start */
#define VALID     (UINT64_C(1) << 63)
#define IS_READ   (UINT64_C(1) << 62)
#define REASON(n) ((uint64_t)(n) << 32)

MEMORY_KIND(kind, "test_pages");

bool (*memory_fault)(const struct memory_kind *kind);

static struct status_page page;
struct status_page *status_own_page = &page;

static struct node_place places[2];
static struct dispatch_source *source;
static uint64_t interrupts;
static unsigned ordinary_pages; /* that were asked for of the allocator */

void *memory_allocate_pages(const struct memory_kind *asked, size_t page_count)
{
    (void)asked;
    ordinary_pages += (unsigned)page_count;
    return &page;
}

void dispatch_register_source(struct dispatch_source *registered)
{
    source = registered;
}

uint64_t interrupt_count(uint8_t vector)
{
    assert_int_equal(vector, INTERRUPT_VECTOR_IOMMU);
    return interrupts;
}

uint32_t interrupt_apic_id(node_id_t node)
{
    return 0x20u + node;
}

node_id_t platform_node(void)
{
    return OWN;
}

static bool refuse(const struct memory_kind *asked)
{
    return asked == &kind;
}

/* A node of this memory in two ranges, as boot starts it. */
static void start_node(uint64_t first_bytes, uint64_t second_bytes)
{
    places[OWN].range_count = 2;
    places[OWN].ranges[0] = (struct memory_range){0x1000000, first_bytes};
    places[OWN].ranges[1] = (struct memory_range){0x80000000, second_bytes};
    node_info.places = places;
    node_info.node = OWN;
    node_info.range_count = 2;
    memcpy(node_info.ranges, places[OWN].ranges, sizeof(node_info.ranges));
    node_info.ranges[0].paddr += TABLES;
    node_info.ranges[0].bytes -= TABLES;
    components_run(NODE_FIRST);
}

static int reset(void **state)
{
    (void)state;
    fake_pci_reset();
    fake_iommu_reset();
    fake_pci_map_device = fake_iommu_map;
    memset(&node_info, 0, sizeof(node_info));
    memset(&page, 0, sizeof(page));
    memory_fault = NULL;
    ordinary_pages = 0;
    interrupts = 7; /* of the node before */
    node_info.map.direct_map = UINT64_C(0xFFFF812340000000);
    node_info.machine.dma_bytes = 9 * MIB;
    node_set_add(&node_info.machine.dma_nodes, OWN);
    node_info.machine.iommu_count = 2;
    node_info.machine.iommus[0].paddr = FAKE_IOMMU_PADDR(0);
    node_info.machine.iommus[1] = (struct iommu){FAKE_IOMMU_PADDR(1), 3};
    return 0;
}

/* --- Memory --- */

static void pages_come_from_the_part_set_aside_and_end_with_it(void **state)
{
    struct memory_range writable;
    unsigned count = 0;
    uint8_t *last = NULL, *pages;

    (void)state;
    start_node(0x1000000, 0x5000000);
    writable = iommu_writable_range(&places[OWN]);
    assert_int_equal(writable.paddr + writable.bytes, 0x85000000);
    assert_in_range(writable.bytes, 9 * MIB, 11 * MIB);
    /* The allocator gets what is left. */
    assert_int_equal(node_info.ranges[0].bytes, 0x1000000 - TABLES);
    assert_int_equal(node_info.ranges[1].paddr + node_info.ranges[1].bytes, writable.paddr);
    while ((pages = iommu_allocate_pages(&kind, 3)) != NULL) {
        uint64_t paddr = (uintptr_t)pages - node_info.map.direct_map;

        assert_true(memory_ranges_hold(&writable, 1, paddr, 3 * 4096));
        assert_true(last == NULL || pages + 3 * 4096 <= last); /* none twice */
        last = pages;
        count++;
    }
    assert_int_equal(count, writable.bytes / 4096 / 3);
    assert_int_equal(kind.counts->failures, 1);
    assert_int_equal(kind.counts->objects, count);
    assert_int_equal(ordinary_pages, 0);
}

static void it_is_an_eighth_but_no_less_than_a_queue_needs(void **state)
{
    (void)state;
    start_node(0x100000, 0x1F00000);
    assert_in_range(iommu_writable_range(&places[OWN]).bytes, 4 * MIB, 6 * MIB - 1);
    start_node(0x100000, 0xF00000);
    assert_in_range(iommu_writable_range(&places[OWN]).bytes, 2304 * KIB, 4 * MIB);
    /* Too little memory for both. */
    start_node(0x100000, 0x7F0000);
    assert_int_equal(iommu_writable_range(&places[OWN]).bytes, 0);
    assert_int_equal(node_info.ranges[1].bytes, 0x7F0000);
    assert_null(iommu_allocate_pages(&kind, 1));
    assert_int_equal(ordinary_pages, 0);
}

static void whose_memory_an_address_is_boot_has_said(void **state)
{
    (void)state;
    node_info.node_count = 2;
    places[1 - OWN].range_count = 1;
    places[1 - OWN].ranges[0] = (struct memory_range){0x2000000, 0x1000000};
    start_node(0x1000000, 0x5000000);
    assert_true(iommu_is_memory_of(OWN, 0x1000000));
    assert_true(iommu_is_memory_of(OWN, 0x1FFFFFF));
    assert_false(iommu_is_memory_of(OWN, 0x2000000));
    assert_true(iommu_is_memory_of(1 - OWN, 0x2000000));
    assert_true(iommu_is_memory_of(OWN, 0x84FFFFFF));
    assert_false(iommu_is_memory_of(OWN, 0x85000000));
    assert_false(iommu_is_memory_of(OWN, 0) || iommu_is_memory_of(1 - OWN, 0));
}

static void without_an_iommu_they_are_any(void **state)
{
    (void)state;
    node_info.machine.dma_bytes = 0;
    start_node(0x1000000, 0x5000000);
    assert_int_equal(node_info.ranges[1].bytes, 0x5000000);
    assert_non_null(iommu_allocate_pages(&kind, 5));
    assert_int_equal(ordinary_pages, 5);
}

static void a_node_that_no_card_writes_to_keeps_all_its_memory(void **state)
{
    (void)state;
    node_set_remove(&node_info.machine.dma_nodes, OWN);
    start_node(0x1000000, 0x5000000);
    assert_int_equal(node_info.ranges[1].bytes, 0x5000000);
    assert_null(iommu_allocate_pages(&kind, 1));
}

static void pages_that_are_refused_are_counted(void **state)
{
    uint64_t failures = kind.counts->failures;

    (void)state;
    start_node(0x1000000, 0x5000000);
    memory_fault = refuse;
    assert_null(iommu_allocate_pages(&kind, 1));
    assert_int_equal(kind.counts->failures, failures + 1);
    memory_fault = NULL;
    assert_non_null(iommu_allocate_pages(&kind, 1));
}

/* --- Faults --- */

static void look(void)
{
    assert_false(source->prepare_sleep(source->context));
}

static void fault(unsigned unit, unsigned index, uint64_t address, uint64_t word)
{
    fake_iommus[unit].faults[index][0] = address;
    fake_iommus[unit].faults[index][1] = VALID | word;
}

static void interrupt(void)
{
    interrupts++;
    look();
}

static void whoever_drives_the_card_logs_and_counts_what_is_refused(void **state)
{
    (void)state;
    fault(0, 1, 0x5000, IS_READ | 0x0008 | REASON(2)); /* before anybody listened */
    iommu_watch_faults();
    assert_int_equal(page.counters[COUNTER_DMA_REFUSED_READ], 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fake_iommus[i].fault_control, 0);
        assert_int_equal(fake_iommus[i].fault_data, INTERRUPT_VECTOR_IOMMU);
        assert_int_equal(fake_iommus[i].fault_address, 0xFEE21000);
        assert_false(fake_iommus[i].is_mapped); /* out of reach again */
    }
    fault(0, 0, 0x12345FFF, REASON(5) | 0x0218);
    fault(1, 0, 0xABCDE000, IS_READ | REASON(6) | 0xFFFF);
    fake_iommus[1].has_lost_faults = true;
    interrupt();
    assert_true(fake_pci_has_logged("0000:02:03.0 may not write to 0x12345000: refused, reason 5"));
    assert_true(fake_pci_has_logged("0003:ff:1f.7 may not read 0xabcde000: refused, reason 6"));
    assert_int_equal(page.counters[COUNTER_DMA_REFUSED_WRITE], 1);
    assert_int_equal(page.counters[COUNTER_DMA_REFUSED_READ], 2);
    assert_int_equal(page.counters[COUNTER_DMA_REFUSED_UNRECORDED], 1);
    assert_false(fake_iommus[1].has_lost_faults);
    assert_int_equal(fake_iommus[0].faults[0][1] & VALID, 0);
    assert_false(fake_iommus[0].is_mapped);
    /* The log does not fill with what a wild device does; the count goes on. */
    for (unsigned i = 0; i < 100; i++) {
        fault(0, i % 2, 0x1000 * i, REASON(5));
        interrupt();
    }
    assert_int_equal(page.counters[COUNTER_DMA_REFUSED_WRITE], 101);
    assert_true(fake_pci_has_logged("no more of these are logged"));
    assert_false(fake_pci_has_logged("write to 0x63000"));
}

static void without_an_interrupt_nobody_looks(void **state)
{
    (void)state;
    iommu_watch_faults(); /* a second time: it goes on as it was */
    fault(0, 0, 0x5000, 0);
    look(); /* the one that stands since the last test */
    page.counters[COUNTER_DMA_REFUSED_WRITE] = 0;
    fault(0, 0, 0x5000, 0);
    look();
    assert_int_equal(page.counters[COUNTER_DMA_REFUSED_WRITE], 0);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_come_from_the_part_set_aside_and_end_with_it),
        TEST(it_is_an_eighth_but_no_less_than_a_queue_needs),
        TEST(whose_memory_an_address_is_boot_has_said),
        TEST(without_an_iommu_they_are_any),
        TEST(a_node_that_no_card_writes_to_keeps_all_its_memory),
        TEST(pages_that_are_refused_are_counted),
        TEST(whoever_drives_the_card_logs_and_counts_what_is_refused),
        TEST(without_an_interrupt_nobody_looks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
