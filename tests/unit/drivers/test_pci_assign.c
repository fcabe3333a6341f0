/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_pci.c */
/* flags: -DMMIO_FAKE */
/*
 * Places for BARs without addresses (drivers/pci/assign.c, place.c, survey.c, windows.c), over a
 * fake tree of functions; and that none is given away without need.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/pci/windows.h"
#include "kernel/component.h"
#include "kernel/node.h"
#include "tests/unit/world/fake_pci.h"

#define HOLE     0x80000000u
#define HOLE_END 0x90000000u
#define NIC_BAR  0x20000u
#define MSIX_BAR 0x4000u

static const struct pci_id ids[] = {{FAKE_VENDOR, FAKE_NIC}};

static struct pci_bar bars[PCI_BAR_COUNT];

static int reset(void **state)
{
    (void)state;
    fake_pci_reset();
    return 0;
}

/* A card with both of its BARs. */
static int add_nic(int parent, unsigned device, uint64_t registers, uint64_t msix)
{
    int nic = fake_pci_add(parent, device, 0, FAKE_NIC);

    fake_pci_set_bar(nic, 0, NIC_BAR, FAKE_BAR_64BIT | FAKE_BAR_PREFETCHABLE, registers);
    fake_pci_set_bar(nic, 4, MSIX_BAR, FAKE_BAR_64BIT | FAKE_BAR_PREFETCHABLE, msix);
    return nic;
}

static void clear_bars(int nic)
{
    fake_pci_set_bar(nic, 0, NIC_BAR, FAKE_BAR_64BIT | FAKE_BAR_PREFETCHABLE, 0);
    fake_pci_set_bar(nic, 4, MSIX_BAR, FAKE_BAR_64BIT | FAKE_BAR_PREFETCHABLE, 0);
}

static struct pci_device find_nic(void)
{
    struct pci_device device;

    assert_int_equal(pci_find(ids, 1, PCI_REACH_ALL, &device, 1), 1);
    return device;
}

static int assign_nic(void)
{
    struct pci_device device = find_nic();

    return pci_assign(&device, bars);
}

/* The machine boots again, with other words. */
static void boot_again(const char *command_line)
{
    fake_pci_command_line = command_line;
    node_info.machine.devices.count = 0;
}

static void start_decoding(int fake)
{
    fake_pci_put(fake, 0x04, 2, 0x0002);
}

static struct pci_span window(int bridge)
{
    uint32_t value = fake_pci_get(bridge, 0x20, 4);

    return (struct pci_span){(value & 0xFFF0u) << 16, (value & 0xFFF00000u) + MIB};
}

static void what_firmware_has_assigned_is_left_alone(void **state)
{
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 1);
    int nic = add_nic(bridge, 0, 0xFE800000, 0x8000000000);

    (void)state;
    /* By any window, the prefetchable one included; outside our holes; decoding or not. */
    fake_pci_set_window(bridge, 0xFE800000, 0xFE900000);
    fake_pci_set_prefetch_window(bridge, 0x8000000000, 0x8000100000);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(assign_nic(), 0);
        assert_int_equal(fake_pci_bar(nic, 0), 0xFE800000);
        assert_int_equal(fake_pci_bar(nic, 4), 0x8000000000);
        assert_int_equal(bars[0].paddr, 0xFE800000);
        assert_int_equal(bars[0].bytes, NIC_BAR);
        assert_int_equal(bars[1].bytes, 0);
        assert_int_equal(bars[4].paddr, 0x8000000000);
        assert_int_equal(bars[4].bytes, MSIX_BAR);
        assert_int_equal(fake_pci_get(nic, 0x04, 2), 0);
        start_decoding(nic);
    }
    assert_int_equal(fake_pci_get(bridge, 0x04, 2), 0x0006); /* opened */
}

static void bars_without_address_get_one_clear_of_all_others(void **state)
{
    int nic = add_nic(FAKE_ROOT(0), 1, 0, 0);
    int other = fake_pci_add(FAKE_ROOT(0), 2, 0, FAKE_OTHER);
    int third = fake_pci_add(FAKE_ROOT(0), 3, 0, FAKE_OTHER);

    (void)state;
    /* Its alignment would allow it to fill the hole, and more. */
    fake_pci_set_bar(other, 1, 0x1000, 0, HOLE);
    fake_pci_set_bar(third, 0, 0x10000, FAKE_BAR_64BIT, HOLE + 0x20000);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), HOLE + 0x40000);
    assert_int_equal(fake_pci_bar(nic, 4), HOLE + 0x60000);
    assert_int_equal(bars[0].paddr, HOLE + 0x40000);
    assert_int_equal(bars[4].paddr, HOLE + 0x60000);
    assert_int_equal(fake_pci_bar(other, 1), HOLE);
    assert_int_equal(fake_pci_bar(third, 0), HOLE + 0x20000);
}

static void only_the_bars_that_lack_an_address_are_placed(void **state)
{
    int nic = add_nic(FAKE_ROOT(0), 1, 0xFE800000, 0);

    (void)state;
    start_decoding(nic);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), 0xFE800000);
    assert_int_equal(fake_pci_bar(nic, 4), HOLE);
}

static void an_address_that_cannot_be_is_replaced(void **state)
{
    static const uint64_t wrong[] = {
        0x20000000,  /* memory */
        0x100000000, /* memory, above */
        0xFD000000,  /* another function's */
    };
    int nic = add_nic(FAKE_ROOT(0), 1, 0, 0xFE800000);
    int other = fake_pci_add(FAKE_ROOT(0), 2, 0, FAKE_OTHER);

    (void)state;
    node_info.machine.high_memory_end = 0x200000000;
    fake_pci_set_bar(other, 0, 0x1000000, 0, 0xFD000000);
    for (unsigned i = 0; i < ARRAY_COUNT(wrong); i++) {
        fake_pci_set_bar(nic, 0, NIC_BAR, FAKE_BAR_64BIT | FAKE_BAR_PREFETCHABLE, wrong[i]);
        assert_int_equal(assign_nic(), 0);
        assert_int_equal(fake_pci_bar(nic, 0), HOLE);
    }
}

static void a_card_that_wakes_without_its_addresses_gets_new_ones(void **state)
{
    int nic = add_nic(FAKE_ROOT(0), 1, 0xFE800000, 0xFE900000);

    (void)state;
    fake_pci_sleep(nic);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_get(nic, 0x44, 2), 0);
    assert_int_equal(fake_pci_bar(nic, 0), HOLE);
    assert_int_equal(fake_pci_bar(nic, 4), HOLE + NIC_BAR);
}

static void closed_bridges_are_opened_for_the_card_and_no_further(void **state)
{
    int upper = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 2);
    int lower = fake_pci_add_bridge(upper, 0, 2, 2);
    int nic = add_nic(lower, 0, 0, 0);
    int other = fake_pci_add(FAKE_ROOT(0), 2, 0, FAKE_OTHER);

    (void)state;
    fake_pci_set_bar(other, 0, 0x1000, 0, HOLE + 0x1000);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), HOLE + MIB);
    for (int bridge = upper; bridge <= lower; bridge++) {
        assert_int_equal(window(bridge).start, HOLE + MIB);
        assert_int_equal(window(bridge).end, HOLE + 2 * MIB);
        assert_int_equal(fake_pci_get(bridge, 0x04, 2), 0x0006);
    }
}

static void room_in_an_open_window_is_used_first(void **state)
{
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 1);
    int nic = add_nic(bridge, 0, 0, 0);
    int neighbour = fake_pci_add(bridge, 1, 0, FAKE_OTHER);

    (void)state;
    fake_pci_set_window(bridge, 0xFE800000, 0xFE900000);
    fake_pci_set_bar(neighbour, 0, 0x1000, 0, 0xFE800000);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), 0xFE820000);
    assert_int_equal(window(bridge).start, 0xFE800000);
    assert_int_equal(window(bridge).end, 0xFE900000);
}

static void a_window_grows_but_not_over_what_others_have(void **state)
{
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 1);
    int nic = add_nic(bridge, 0, 0, 0);
    int own = fake_pci_add(bridge, 1, 0, FAKE_OTHER);
    int beside = fake_pci_add_bridge(FAKE_ROOT(0), 2, 2, 2);

    (void)state;
    fake_pci_set_window(bridge, HOLE + 4 * MIB, HOLE + 5 * MIB);
    fake_pci_set_bar(own, 0, MIB, 0, HOLE + 4 * MIB);
    fake_pci_set_window(beside, HOLE + 5 * MIB, HOLE + 6 * MIB);
    assert_int_equal(assign_nic(), 0);
    assert_true(fake_pci_bar(nic, 0) < HOLE + 4 * MIB);
    assert_int_equal(window(bridge).start, fake_pci_bar(nic, 0));
    assert_int_equal(window(bridge).end, HOLE + 5 * MIB);
}

static void without_room_nothing_is_changed_and_the_log_says_so(void **state)
{
    int nic = add_nic(FAKE_ROOT(0), 1, 0, 0);
    int other = fake_pci_add(FAKE_ROOT(0), 2, 0, FAKE_OTHER);

    (void)state;
    fake_pci_set_bar(other, 0, HOLE_END - HOLE, 0, HOLE);
    assert_int_equal(assign_nic(), -ENOSPC);
    assert_true(fake_pci_has_logged("2 BARs of 0000:00:01.0 lack an address, and no room is left"));
    assert_int_equal(fake_pci_bar(nic, 0), 0);
    assert_int_equal(fake_pci_bar(nic, 4), 0);
    node_info.machine.hole_count = 0;
    assert_int_equal(assign_nic(), -ENOSPC);
    assert_int_equal(fake_pci_get(nic, 0x04, 2), 0);
}

static void with_64_bits_there_is_room_above_4_gib(void **state)
{
    int nic = add_nic(FAKE_ROOT(0), 1, 0, 0);
    int other = fake_pci_add(FAKE_ROOT(0), 2, 0, FAKE_OTHER);

    (void)state;
    fake_pci_set_bar(other, 0, HOLE_END - HOLE, 0, HOLE);
    node_info.machine.holes[1] = (struct memory_range){0x1000000000, 0x1000000};
    node_info.machine.hole_count = 2;
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), 0x1000000000);
    assert_int_equal(fake_pci_bar(nic, 4), 0x1000000000 + NIC_BAR);
    /* But not with 32. */
    fake_pci_set_bar(nic, 0, NIC_BAR, 0, 0);
    assert_int_equal(assign_nic(), -ENOSPC);
}

static void behind_bridges_high_addresses_take_prefetchable_windows(void **state)
{
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 1);
    int nic = add_nic(bridge, 0, 0, 0);

    (void)state;
    node_info.machine.holes[0] = (struct memory_range){0x1000080000, 0x1080000};
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), 0x1000100000);
    assert_int_equal(fake_pci_get(bridge, 0x24, 4), 0x00110011);
    assert_int_equal(fake_pci_get(bridge, 0x28, 4), 0x10);
    assert_int_equal(fake_pci_get(bridge, 0x2C, 4), 0x10);
    assert_int_equal(fake_pci_get(bridge, 0x20, 4), 0);
    /* Which memory that is not prefetchable must not. */
    fake_pci_set_bar(nic, 4, MSIX_BAR, FAKE_BAR_64BIT, 0);
    assert_int_equal(assign_nic(), -ENOSPC);
}

/* A bridge claims what its window holds: devices behind it could then reach no memory by DMA. */
static void no_window_grows_over_memory(void **state)
{
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 1);
    int own = fake_pci_add(bridge, 1, 0, FAKE_OTHER);

    (void)state;
    add_nic(bridge, 0, 0, 0);
    fake_pci_set_prefetch_window(bridge, 0xF0000000, 0xF0100000);
    fake_pci_set_bar(own, 0, MIB, FAKE_BAR_PREFETCHABLE, 0xF0000000);
    node_info.machine.high_memory_end = 0x200000000;
    node_info.machine.holes[0] = (struct memory_range){0x1000000000, 0x1000000};
    assert_int_equal(assign_nic(), -ENOSPC);
    assert_int_equal(fake_pci_get(bridge, 0x24, 4), 0xF001F001);
    assert_int_equal(fake_pci_get(bridge, 0x28, 4), 0);
}

/* Noise that reset has left: it leads nowhere, and there is no room in it. */
static void a_window_over_memory_is_none(void **state)
{
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 1);
    int nic = add_nic(bridge, 0, 0, 0);

    (void)state;
    node_info.machine.high_memory_end = 0x200000000;
    fake_pci_set_prefetch_window(bridge, 0x100000000, 0x110000000);
    node_info.machine.holes[0] = (struct memory_range){0x1000000000, 0x1000000};
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), 0x1000000000);
    assert_int_equal(fake_pci_get(bridge, 0x28, 4), 0x10);
}

static void absurd_sizes_have_no_place(void **state)
{
    int nic = add_nic(FAKE_ROOT(0), 1, 0, 0);

    (void)state;
    node_info.machine.holes[0] = (struct memory_range){0, UINT64_MAX};
    for (unsigned bit = 37; bit < 64; bit++) {
        fake_pci_set_bar(nic, 0, UINT64_C(1) << bit, FAKE_BAR_64BIT, 0);
        assert_int_equal(assign_nic(), -ENOSPC);
    }
    /* Up to the end of the address space. */
    node_info.machine.holes[0] = (struct memory_range){UINT64_MAX - 0xFFFF, 0xFFFF};
    fake_pci_set_bar(nic, 0, NIC_BAR, FAKE_BAR_64BIT, 0);
    assert_int_equal(assign_nic(), -ENOSPC);
}

static void a_hole_that_the_same_root_uses_is_preferred(void **state)
{
    int nic = add_nic(FAKE_ROOT(0x80), 1, 0, 0);
    int own = fake_pci_add(FAKE_ROOT(0x80), 2, 0, FAKE_OTHER);
    int others = fake_pci_add(FAKE_ROOT(0), 2, 0, FAKE_OTHER);

    (void)state;
    node_info.machine.holes[1] = (struct memory_range){0xA0000000, 0x1000000};
    node_info.machine.holes[2] = (struct memory_range){0xB0000000, 0x1000000};
    node_info.machine.hole_count = 3;
    fake_pci_set_bar(others, 0, 0x1000, 0, HOLE);
    fake_pci_set_bar(own, 0, 0x1000, 0, 0xB0000000);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), 0xB0020000);
    /* Else one that nobody does. */
    fake_pci_set_bar(own, 0, 0x1000, 0, 0);
    clear_bars(nic);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), 0xA0000000);
}

static void in_a_hole_that_roots_share_it_goes_beside_its_own(void **state)
{
    int nic = add_nic(FAKE_ROOT(0x80), 1, 0, 0);
    int own = fake_pci_add(FAKE_ROOT(0x80), 2, 0, FAKE_OTHER);
    int others = fake_pci_add(FAKE_ROOT(0), 2, 0, FAKE_OTHER);
    int between = fake_pci_add(FAKE_ROOT(0), 3, 0, FAKE_OTHER);

    (void)state;
    fake_pci_set_bar(others, 0, 0x1000, 0, HOLE);
    fake_pci_set_bar(own, 0, 0x1000, 0, HOLE + 0x4000000);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), HOLE + 0x4000000 + NIC_BAR);
    /* No room there: anywhere. */
    fake_pci_set_bar(between, 0, 0x1000, 0, HOLE + 0x4001000);
    clear_bars(nic);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), HOLE + NIC_BAR);
}

static void an_address_that_bridges_do_not_forward_is_replaced(void **state)
{
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 1);
    int nic = add_nic(bridge, 0, 0xFE900000, 0xFE800000);

    (void)state;
    fake_pci_set_window(bridge, 0xFE800000, 0xFE900000);
    start_decoding(nic);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 4), 0xFE800000);
    assert_int_equal(fake_pci_get(nic, 0x04, 2), 0);
    assert_int_equal(fake_pci_bar(nic, 0), 0xFE820000); /* clear of the other */
    assert_int_equal(window(bridge).start, 0xFE800000);
    assert_int_equal(window(bridge).end, 0xFE900000);
}

static void nobody_is_asked_for_a_size_without_need(void **state)
{
    int nic = add_nic(FAKE_ROOT(0), 1, 0xFE800000, 0xFE900000);
    int other = fake_pci_add(FAKE_ROOT(0), 2, 0, FAKE_OTHER);
    struct pci_device device = find_nic();
    unsigned write_count;

    (void)state;
    assert_int_equal(pci_assign(&device, bars), 0);
    write_count = fake_pci_write_count();
    fake_pci_set_bar(other, 0, 0x1000000, 0, 0xFD000000);
    assert_int_equal(pci_assign(&device, bars), 0);
    assert_int_equal(fake_pci_write_count(), 2 * write_count);
    assert_int_equal(fake_pci_bar(nic, 0), 0xFE800000);
}

/* --- pci=assign, or not --- */

/* Bridges' windows and numbers, and all BARs. */
static void what_firmware_has_set_up_is_not_rewritten(void **state)
{
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 1);
    int unnumbered = fake_pci_add_bridge(FAKE_ROOT(0), 2, 0, 0);
    int nic = add_nic(bridge, 0, 0xFE800000, 0xFE880000);
    struct pci_device device = find_nic();
    unsigned write_count;

    (void)state;
    fake_pci_set_window(bridge, 0xFE800000, 0xFE900000);
    write_count = fake_pci_write_count();
    assert_int_equal(write_count, 0); /* the bus without a number stays without */
    assert_int_equal(pci_assign(&device, bars), 0);
    assert_int_equal(fake_pci_bar(nic, 0), 0xFE800000);
    assert_int_equal(fake_pci_get(bridge, 0x20, 4), 0xFE80FE80);
    assert_int_equal(fake_pci_get(bridge, 0x18, 4), 0x00010100);
    assert_int_equal(fake_pci_get(unnumbered, 0x18, 4), 0);
    assert_false(fake_pci_has_logged("lack an address"));
    assert_false(fake_pci_has_logged("pci=assign:"));
}

static void a_guess_is_announced_with_its_reason(void **state)
{
    (void)state;
    add_nic(FAKE_ROOT(0), 1, 0, 0xFE800000);
    assert_int_equal(assign_nic(), 0);
    assert_true(fake_pci_has_logged("1 BARs of 0000:00:01.0 lack an address, and get one that"));
    assert_true(fake_pci_has_logged("BAR 0 of 0000:00:01.0, 128 KiB, had no address: 0x80000000"));
}

/* A card that decodes is believed to be where firmware wants it. */
static void pci_assign_moves_what_no_host_bridge_seems_to_forward(void **state)
{
    int nic = add_nic(FAKE_ROOT(0), 1, 0x700000000, HOLE + 0x20000);

    (void)state;
    start_decoding(nic);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), 0x700000000);
    boot_again("pci=assign");
    for (unsigned i = 0; i < 2; i++) { /* once moved, it stays: other nodes have mapped it */
        start_decoding(nic);
        assert_int_equal(assign_nic(), 0);
        assert_int_equal(fake_pci_bar(nic, 0), HOLE + 0x40000); /* beside its own */
        assert_int_equal(fake_pci_bar(nic, 4), HOLE + 0x20000);
    }
    assert_true(fake_pci_has_logged("pci=assign: 1 BARs of 0000:00:01.0 get addresses"));
    assert_true(fake_pci_has_logged("was at 0x700000000: 0x80040000 now"));
    assert_true(fake_pci_has_logged("pci=assign: 0000:00:01.0 keeps its addresses"));
}

/* The other's size leaves open whether they overlap: only then it is asked, and decodes nothing
 * meanwhile. */
static void pci_assign_moves_what_another_function_has(void **state)
{
    int nic = add_nic(FAKE_ROOT(0), 1, HOLE + 0x120000, HOLE + 0x300000);
    int other = fake_pci_add(FAKE_ROOT(0), 2, 0, FAKE_OTHER);

    (void)state;
    fake_pci_set_bar(other, 0, 0x200000, 0, HOLE);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), HOLE + 0x120000);
    boot_again("pci=assign");
    start_decoding(nic);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), HOLE + 0x200000);
    assert_int_equal(fake_pci_bar(nic, 4), HOLE + 0x300000);
    assert_int_equal(fake_pci_bar(other, 0), HOLE);
}

static void another_value_of_pci_is_ignored_and_reported(void **state)
{
    int nic = add_nic(FAKE_ROOT(0), 1, 0x700000000, HOLE);
    struct pci_device device;

    (void)state;
    fake_pci_command_line = "pci=assign pci=assignments";
    assert_int_equal(pci_find(ids, 1, PCI_REACH_NUMBERED, &device, 1), 1);
    start_decoding(nic);
    assert_int_equal(assign_nic(), 0);
    assert_int_equal(fake_pci_bar(nic, 0), 0x700000000);
    components_run(BOOT_DEVICES);
    assert_true(fake_pci_has_logged("pci=assignments is not pci=assign: ignored"));
}

/* --- The guess --- */

static void assert_window(const struct pci_windows *windows, unsigned index, paddr_t start,
                          paddr_t end)
{
    assert_true(index < windows->count);
    assert_int_equal(windows->list[index].start, start);
    assert_int_equal(windows->list[index].end, end);
}

static void windows_are_what_the_dsdt_names_and_the_memory_map_leaves(void **state)
{
    struct pci_windows windows;
    struct machine *machine = &node_info.machine;

    (void)state;
    machine->holes[0] = (struct memory_range){0x40000000, 0x88000000}; /* up to 0xC8000000 */
    machine->holes[1] = (struct memory_range){0xC8100000, 0x10000000};
    machine->holes[2] = (struct memory_range){0x140000000, 0x1000000000};
    machine->hole_count = 3;
    machine->bridge_ranges[0] = (struct memory_range){0xC0000000, 0x10000000};
    machine->bridge_range_count = 1;
    pci_guess_windows(&windows);
    assert_int_equal(windows.count, 3);
    assert_window(&windows, 0, 0xC0000000, 0xC8000000);
    assert_window(&windows, 1, 0xC8100000, 0xD0000000);
    /* It names nothing above 4 GiB. */
    assert_window(&windows, 2, 0x140000000, 0x1140000000);
}

static void without_a_word_of_the_dsdt_windows_are_the_holes(void **state)
{
    struct pci_windows windows;
    struct machine *machine = &node_info.machine;

    (void)state;
    machine->bridge_ranges[0] = (struct memory_range){0x1000, HOLE}; /* memory, and too little */
    machine->bridge_ranges[1] = (struct memory_range){HOLE + 0x80000, MIB};
    machine->bridge_range_count = 2;
    pci_guess_windows(&windows);
    assert_int_equal(windows.count, 1);
    assert_window(&windows, 0, HOLE, HOLE_END);

    machine->hole_count = 0;
    pci_guess_windows(&windows);
    assert_int_equal(windows.count, 0);
}

static void no_more_windows_are_guessed_than_fit(void **state)
{
    struct pci_windows windows;
    struct machine *machine = &node_info.machine;

    (void)state;
    for (unsigned i = 0; i < MEMORY_HOLE_MAX; i++) {
        machine->holes[i] = (struct memory_range){HOLE + i * 16 * MIB, 15 * MIB};
    }
    machine->hole_count = MEMORY_HOLE_MAX;
    /* Overlapping, and none within another. */
    for (unsigned i = 0; i < BRIDGE_RANGE_MAX; i++) {
        machine->bridge_ranges[i] =
            (struct memory_range){HOLE + i * MIB / 2, (BRIDGE_RANGE_MAX - i) * 16 * MIB};
    }
    machine->bridge_range_count = BRIDGE_RANGE_MAX;
    pci_guess_windows(&windows);
    assert_in_range(windows.count, MEMORY_HOLE_MAX, PCI_WINDOW_MAX);
    machine->bridge_ranges[0] = (struct memory_range){0, UINT64_MAX};
    machine->holes[0] = (struct memory_range){UINT64_MAX - MIB, MIB};
    pci_guess_windows(&windows);
    assert_in_range(windows.count, MEMORY_HOLE_MAX - 1, PCI_WINDOW_MAX);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_firmware_has_assigned_is_left_alone),
        TEST(bars_without_address_get_one_clear_of_all_others),
        TEST(only_the_bars_that_lack_an_address_are_placed),
        TEST(an_address_that_cannot_be_is_replaced),
        TEST(a_card_that_wakes_without_its_addresses_gets_new_ones),
        TEST(closed_bridges_are_opened_for_the_card_and_no_further),
        TEST(room_in_an_open_window_is_used_first),
        TEST(a_window_grows_but_not_over_what_others_have),
        TEST(without_room_nothing_is_changed_and_the_log_says_so),
        TEST(with_64_bits_there_is_room_above_4_gib),
        TEST(behind_bridges_high_addresses_take_prefetchable_windows),
        TEST(no_window_grows_over_memory),
        TEST(a_window_over_memory_is_none),
        TEST(absurd_sizes_have_no_place),
        TEST(a_hole_that_the_same_root_uses_is_preferred),
        TEST(in_a_hole_that_roots_share_it_goes_beside_its_own),
        TEST(an_address_that_bridges_do_not_forward_is_replaced),
        TEST(nobody_is_asked_for_a_size_without_need),
        TEST(what_firmware_has_set_up_is_not_rewritten),
        TEST(a_guess_is_announced_with_its_reason),
        TEST(pci_assign_moves_what_no_host_bridge_seems_to_forward),
        TEST(pci_assign_moves_what_another_function_has),
        TEST(another_value_of_pci_is_ignored_and_reported),
        TEST(windows_are_what_the_dsdt_names_and_the_memory_map_leaves),
        TEST(without_a_word_of_the_dsdt_windows_are_the_holes),
        TEST(no_more_windows_are_guessed_than_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
