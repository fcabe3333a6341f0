/* SPDX-License-Identifier: MIT */
/* sources: drivers/iommu/boot.c drivers/iommu/unit.c drivers/iommu/space.c drivers/iommu/memory.c */
/* sources: tests/unit/world/fake_pci.c tests/unit/world/fake_iommu.c */
/* flags: -DMMIO_FAKE */
/*
 * drivers/iommu/boot.c: what devices reach of a machine, as its units walk the tables, and that
 * what goes wrong leaves no device half confined.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/iommu/iommu.h"
#include "drivers/nic/user.h"
#include "drivers/pci/pci.h"
#include "kernel/component.h"
#include "kernel/node.h"
#include "tests/unit/world/fake_iommu.h"
#include "tests/unit/world/fake_pci.h"

#define NOTHING 0u
#define READ    1u
#define BOTH    3u

#define CARD     3u /* on bus 0 */
#define IMAGE    UINT64_C(0x200000)
#define ARCHIVE  UINT64_C(0x1801000)
#define RESERVED UINT64_C(0xBF000000)

static const struct pci_id ids[] = {{FAKE_VENDOR, FAKE_NIC}};

/* Two nodes of whole large pages, the first in two pieces, and one that begins and ends anywhere.
 */
static struct node_place places[] = {
    {.range_count = 2, .ranges = {{0x2000000, 0x1000000}, {0x10000000, 0x5000000}}},
    {.range_count = 1, .ranges = {{0x4000000, 0x6000000}}},
    {.range_count = 1, .ranges = {{0xA003000, 0x5000000}}},
};
static bool uses_all;

bool (*memory_fault)(const struct memory_kind *kind);

void *memory_allocate_pages(const struct memory_kind *kind, size_t page_count)
{
    (void)kind;
    (void)page_count;
    return NULL;
}

static unsigned list_nodes(unsigned node_count, node_id_t nodes[NODE_MAX])
{
    assert_int_equal(node_count, 3);
    nodes[0] = 0;
    nodes[1] = 2;
    nodes[2] = 1;
    return uses_all ? 3 : 2;
}

static const struct nic_user user = {.list_nodes = list_nodes};
NIC_USER(user);

static int reset(void **state)
{
    struct machine *machine;

    (void)state;
    fake_pci_reset();
    fake_iommu_reset();
    fake_pci_map_device = fake_iommu_map;
    memset(&node_info, 0, sizeof(node_info));
    fake_pci_reset();
    machine = &node_info.machine;
    machine->iommu_count = 1;
    machine->iommus[0].paddr = FAKE_IOMMU_PADDR(0);
    machine->node_count = 3;
    machine->high_memory_end = 0x140000000;
    node_info.places = places;
    node_info.module_count = 1;
    node_info.modules[0] = (struct module){.paddr = ARCHIVE, .shown = {.bytes = 0x2345}};
    uses_all = false;
    return 0;
}

static int add_card(int parent, unsigned device)
{
    int card = fake_pci_add(parent, device, 0, FAKE_NIC);

    fake_pci_set_bar(card, 0, 0x20000, FAKE_BAR_64BIT, 0x81000000 + 0x100000 * device);
    fake_pci_put(card, 0x04, 2, 0x7);
    return card;
}

static void boot(void)
{
    node_info.machine.dma_bytes = 12345; /* of no boot's */
    components_run(BOOT_TABLES);
    pci_prepare(ids, 1);
    components_run(BOOT_DEVICES);
    components_run(BOOT_SHARED);
}

static unsigned card_rights(uint64_t address)
{
    return fake_iommu_rights(0, 0, CARD, 0, address);
}

/* Both ends of a range, and what lies beyond. */
static void assert_reaches(struct memory_range range, unsigned rights)
{
    assert_int_equal(card_rights(range.paddr), rights);
    assert_int_equal(card_rights(range.paddr + range.bytes - 1), rights);
    assert_int_not_equal(card_rights(range.paddr + range.bytes), rights);
}

static void assert_card_is_confined(void)
{
    for (unsigned i = 0; i < 3; i += 2) { /* those that the user names */
        struct memory_range writable = iommu_writable_range(&places[i]);
        const struct memory_range *range = &places[i].ranges[places[i].range_count - 1];

        assert_true(writable.bytes >= 9 * MIB && writable.bytes < 12 * MIB);
        assert_int_equal(range->paddr + range->bytes, writable.paddr + writable.bytes);
        assert_reaches((struct memory_range){range->paddr, range->bytes - writable.bytes}, READ);
        assert_reaches(writable, BOTH);
    }
    assert_reaches(places[0].ranges[0], READ);
    assert_int_equal(card_rights(0x2000000 - 1), NOTHING);
    assert_int_equal(card_rights(0xA003000 - 1), NOTHING);
    assert_int_equal(card_rights(places[1].ranges[0].paddr), NOTHING);
    assert_int_equal(card_rights(places[1].ranges[0].paddr + 0x5FFFFFF), NOTHING);
    assert_int_equal(card_rights(IMAGE), NOTHING);
    assert_int_equal(card_rights(0), NOTHING);
    assert_int_equal(card_rights(UINT64_MAX), NOTHING);
    assert_reaches((struct memory_range){ARCHIVE, 0x3000}, READ);
    assert_int_equal(card_rights(ARCHIVE - 1), NOTHING);
}

/* --- What devices reach --- */

static void a_card_reads_its_nodes_memory_and_writes_to_the_part_set_aside(void **state)
{
    (void)state;
    add_card(FAKE_ROOT(0), CARD);
    boot();
    assert_true(fake_iommus[0].is_on);
    assert_card_is_confined();
    assert_true(fake_pci_has_logged("memory of 2 nodes"));
}

static void whatever_tables_a_unit_takes_the_card_reaches_the_same(void **state)
{
    static const uint64_t capabilities[] = {
        FAKE_CAP_3_LEVELS | FAKE_CAP_WIDTH(39),
        FAKE_CAP_3_LEVELS | FAKE_CAP_2MIB | FAKE_CAP_1GIB | FAKE_CAP_WIDTH(39),
        FAKE_CAP_3_LEVELS | FAKE_CAP_4_LEVELS | FAKE_CAP_2MIB | FAKE_CAP_WIDTH(48),
        FAKE_CAP_4_LEVELS | FAKE_CAP_WIDTH(64),
    };

    for (unsigned i = 0; i < 2 * ARRAY_COUNT(capabilities); i++) {
        reset(state);
        fake_iommus[0].capability = capabilities[i / 2];
        fake_iommus[0].extended = i % 2 == 0 ? FAKE_ECAP_COHERENT : 0;
        add_card(FAKE_ROOT(0), CARD);
        boot();
        assert_true(fake_iommus[0].is_on);
        assert_card_is_confined();
    }
}

static void another_node_that_drives_a_queue_is_reached_too(void **state)
{
    (void)state;
    uses_all = true;
    add_card(FAKE_ROOT(0), CARD);
    boot();
    assert_int_equal(card_rights(places[1].ranges[0].paddr), READ);
    assert_int_equal(card_rights(places[1].ranges[0].paddr + 0x5FFFFFF), BOTH);
}

static void other_functions_reach_nothing(void **state)
{
    (void)state;
    add_card(FAKE_ROOT(0), CARD);
    boot();
    for (unsigned function = 1; function < 8; function++) {
        assert_int_equal(fake_iommu_rights(0, 0, CARD, function, 0x2000000), NOTHING);
    }
    assert_int_equal(fake_iommu_rights(0, 0, CARD + 1, 0, 0x2000000), NOTHING);
    assert_int_equal(fake_iommu_rights(0, 1, CARD, 0, 0x2000000), NOTHING);
    assert_int_equal(fake_iommu_rights(0, 255, 31, 7, ARCHIVE), NOTHING);
}

static void every_port_that_can_be_chosen_is_confined_alike(void **state)
{
    (void)state;
    add_card(FAKE_ROOT(0), CARD);
    add_card(FAKE_ROOT(0), CARD + 2);
    boot();
    assert_card_is_confined();
    assert_int_equal(fake_iommu_rights(0, 0, CARD + 2, 0, 0x2000000), READ);
}

/* Accesses of a card on such a bus arrive in the bridge's name. */
static void a_card_on_a_pci_bus_is_known_by_its_bridge(void **state)
{
    int plain = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 2);
    int express = fake_pci_add_bridge(plain, 2, 2, 2);

    (void)state;
    fake_pci_put(express, 0x06, 2, 0x10);
    fake_pci_put(express, 0x34, 1, 0x40);
    fake_pci_put(express, 0x40, 4, 0x00720010);
    add_card(express, CARD);
    boot();
    assert_int_equal(fake_iommu_rights(0, 2, CARD, 0, 0x2000000), READ);
    assert_int_equal(fake_iommu_rights(0, 2, 0, 0, 0x2000000), READ);
    assert_int_equal(fake_iommu_rights(0, 0, 1, 0, 0x2000000), READ);
    assert_int_equal(fake_iommu_rights(0, 1, 2, 0, 0x2000000), NOTHING);
}

static void reserve(unsigned index, uint64_t paddr, uint8_t step_count, struct pci_step first,
                    struct pci_step second)
{
    node_info.machine.reserved_dmas[index] = (struct reserved_dma){
        .range = {paddr, 0x3000}, .step_count = step_count, .steps = {first, second}};
    node_info.machine.reserved_dma_count = index + 1;
}

static void a_device_of_firmwares_reaches_what_is_reserved_for_it(void **state)
{
    (void)state;
    fake_pci_add_bridge(FAKE_ROOT(0), 1, 7, 7);
    reserve(0, RESERVED, 2, (struct pci_step){1, 0}, (struct pci_step){20, 1});
    reserve(1, RESERVED + 0x8000, 2, (struct pci_step){1, 0}, (struct pci_step){20, 1});
    reserve(2, RESERVED + 0x8000, 1, (struct pci_step){CARD, 0}, (struct pci_step){0, 0});
    reserve(3, RESERVED, 2, (struct pci_step){9, 0}, (struct pci_step){1, 1}); /* no bridge */
    add_card(FAKE_ROOT(0), CARD);
    boot();
    assert_int_equal(fake_iommu_rights(0, 7, 20, 1, RESERVED), BOTH);
    assert_int_equal(fake_iommu_rights(0, 7, 20, 1, RESERVED + 0x3000), NOTHING);
    assert_int_equal(fake_iommu_rights(0, 7, 20, 1, RESERVED + 0x8FFF), BOTH);
    assert_int_equal(fake_iommu_rights(0, 7, 20, 1, 0x2000000), NOTHING);
    /* A card that firmware uses, too, keeps that. */
    assert_int_equal(card_rights(RESERVED + 0x8000), BOTH);
    assert_int_equal(card_rights(RESERVED), NOTHING);
    assert_card_is_confined();
}

static void units_of_other_segments_have_their_own_tables(void **state)
{
    (void)state;
    node_info.machine.iommu_count = 2;
    node_info.machine.iommus[1] = (struct iommu){FAKE_IOMMU_PADDR(1), 5};
    add_card(FAKE_ROOT(0), CARD);
    boot();
    assert_true(fake_iommus[0].is_on && fake_iommus[1].is_on);
    assert_card_is_confined();
    assert_int_equal(fake_iommu_rights(1, 0, CARD, 0, 0x2000000), NOTHING);
    node_info.machine.iommus[1].segment = 0;
    boot();
    assert_int_equal(fake_iommu_rights(1, 0, CARD, 0, 0x2000000), READ);
}

/* --- Switching on --- */

static void what_firmware_left_on_is_taken_over(void **state)
{
    (void)state;
    fake_iommus[0].is_on = fake_iommus[0].has_queue = fake_iommus[0].has_regions = true;
    fake_iommus[0].capability |= FAKE_CAP_REGIONS;
    fake_iommus[0].faults[1][1] = UINT64_C(1) << 63;
    fake_iommus[0].has_lost_faults = true;
    add_card(FAKE_ROOT(0), CARD);
    boot();
    assert_card_is_confined();
    assert_false(fake_iommus[0].has_queue);
    assert_false(fake_iommus[0].has_regions);
    assert_int_equal(fake_iommus[0].faults[1][1], 0);
    assert_false(fake_iommus[0].has_lost_faults);
    assert_int_equal(fake_iommus[0].fault_control, 0x80000000); /* nobody listens yet */
    assert_int_equal(fake_iommus[0].context_flushes, 2);
    assert_int_equal(fake_iommus[0].iotlb_flushes, 2);
}

static void assert_unconfined(const char *text)
{
    assert_false(fake_iommus[0].is_on);
    assert_int_equal(node_info.machine.dma_bytes, 0);
    assert_true(fake_pci_has_logged(text));
    assert_true(fake_pci_has_logged("devices can reach all memory, the network card too"));
}

static void a_machine_without_says_so(void **state)
{
    (void)state;
    node_info.machine.iommu_count = 0;
    add_card(FAKE_ROOT(0), CARD);
    boot();
    assert_unconfined("no IOMMU: ");
}

static void iommu_no_touches_nothing(void **state)
{
    (void)state;
    strcpy(node_info.command_line, "iommu=no");
    add_card(FAKE_ROOT(0), CARD);
    boot();
    assert_false(fake_iommus[0].is_mapped);
    assert_unconfined("iommu=no: ");
    strcpy(node_info.command_line, "iommu=off");
    boot();
    assert_card_is_confined();
    assert_true(fake_pci_has_logged("iommu=off is not iommu=no: ignored"));
}

static void a_unit_that_does_not_answer_is_given_up_and_all_with_it(void **state)
{
    (void)state;
    node_info.machine.iommu_count = 2;
    node_info.machine.iommus[1] = (struct iommu){FAKE_IOMMU_PADDR(1), 0};
    fake_iommus[1].is_stuck = true;
    add_card(FAKE_ROOT(0), CARD);
    boot();
    assert_unconfined("switched off: ");
}

static void units_that_cannot_walk_our_tables_are_not_used(void **state)
{
    static const uint64_t capabilities[] = {
        FAKE_CAP_WIDTH(48),                       /* neither three nor four levels */
        FAKE_CAP_4_LEVELS | FAKE_CAP_WIDTH(32),   /* not all memory */
        (UINT64_C(1) << 11) | FAKE_CAP_WIDTH(57), /* five alone */
    };

    for (unsigned i = 0; i < ARRAY_COUNT(capabilities); i++) {
        reset(state);
        fake_iommus[0].capability = capabilities[i];
        add_card(FAKE_ROOT(0), CARD);
        boot();
        assert_unconfined("not used: ");
    }
    /* Memory beyond three levels. */
    reset(state);
    fake_iommus[0].capability = FAKE_CAP_3_LEVELS | FAKE_CAP_WIDTH(48);
    node_info.machine.high_memory_end = (UINT64_C(1) << 39) + 1;
    add_card(FAKE_ROOT(0), CARD);
    boot();
    assert_unconfined("not used: ");
}

/* At whatever table memory ends: confined as it should be, or not at all and said so. */
static void without_memory_for_the_tables_the_units_are_off(void **state)
{
    bool was_confined = false;

    for (unsigned count = 0; count < 40 && !was_confined; count++) {
        reset(state);
        reserve(0, RESERVED, 1, (struct pci_step){9, 0}, (struct pci_step){0, 0});
        add_card(FAKE_ROOT(0), CARD);
        fake_iommu_limit_tables(count);
        boot();
        was_confined = fake_iommus[0].is_on;
        if (was_confined) {
            assert_card_is_confined();
        } else {
            assert_unconfined(": ");
        }
    }
    assert_true(was_confined);
}

static void a_node_too_small_to_set_memory_aside_keeps_its_queue_unconfined(void **state)
{
    const uint64_t bytes = places[2].ranges[0].bytes;

    (void)state;
    places[2].ranges[0].bytes = 4 * MIB;
    add_card(FAKE_ROOT(0), CARD);
    boot();
    places[2].ranges[0].bytes = bytes;
    assert_false(fake_iommus[0].is_on);
    assert_int_equal(node_info.machine.dma_bytes, 0);
    assert_unconfined("switched off: ");
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_card_reads_its_nodes_memory_and_writes_to_the_part_set_aside),
        TEST(whatever_tables_a_unit_takes_the_card_reaches_the_same),
        TEST(another_node_that_drives_a_queue_is_reached_too),
        TEST(other_functions_reach_nothing),
        TEST(every_port_that_can_be_chosen_is_confined_alike),
        TEST(a_card_on_a_pci_bus_is_known_by_its_bridge),
        TEST(a_device_of_firmwares_reaches_what_is_reserved_for_it),
        TEST(units_of_other_segments_have_their_own_tables),
        TEST(what_firmware_left_on_is_taken_over),
        TEST(a_machine_without_says_so),
        TEST(iommu_no_touches_nothing),
        TEST(a_unit_that_does_not_answer_is_given_up_and_all_with_it),
        TEST(units_that_cannot_walk_our_tables_are_not_used),
        TEST(without_memory_for_the_tables_the_units_are_off),
        TEST(a_node_too_small_to_set_memory_aside_keeps_its_queue_unconfined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
