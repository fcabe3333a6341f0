/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_pci.c */
/* flags: -DMMIO_FAKE */
/*
 * Thousands of machines made by chance, with bus numbers, windows and BARs right, missing or of
 * noise: what drivers/pci/ may do to them, and that it ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/pci/bus.h"
#include "drivers/pci/survey.h"
#include "kernel/node.h"
#include "tests/unit/world/fake_pci.h"

#define ROUND_COUNT  1000
#define BRIDGE_COUNT 5
#define OTHER_COUNT  6
#define HOLE         0x80000000u
#define SECOND_ROOT  0x40
#define NIC_BARS     3 /* two of 64 bits, one of 32 */

static const struct pci_id ids[] = {{FAKE_VENDOR, FAKE_NIC}};

/* The card's BARs by index, the others' are each at 0. */
static const unsigned nic_bar_indices[NIC_BARS] = {0, 2, 4};

static struct {
    int parents[BRIDGE_COUNT];
    int bridges[BRIDGE_COUNT];
    int others[OTHER_COUNT];
    uint64_t other_bytes[OTHER_COUNT];
    uint64_t other_paddrs[OTHER_COUNT];
    bool is_other_reached[OTHER_COUNT]; /* when the card got its addresses */
    int nic;
    int nic_parent;
    uint64_t nic_bytes[NIC_BARS];
    uint64_t nic_paddrs[NIC_BARS];
} tree;

static unsigned below(unsigned limit)
{
    return (unsigned)rand() % limit;
}

static int random_parent(unsigned bridge_count)
{
    unsigned choice = below(bridge_count + 2);

    return choice >= bridge_count ? FAKE_ROOT(choice == bridge_count ? 0 : SECOND_ROOT)
                                  : tree.bridges[choice];
}

/* In the holes, outside, high, nowhere, or noise. */
static uint64_t random_paddr(uint64_t bytes)
{
    switch (below(5)) {
    case 0:
    case 1:
        return HOLE + below(0x10000000) / bytes * bytes;
    case 2:
        return 0x1000000000 + below(0x40000000) / bytes * bytes;
    case 3:
        return 0;
    default:
        return (uint64_t)rand() << below(20) & -bytes;
    }
}

static void random_windows(int bridge)
{
    uint64_t start = HOLE + below(256) * MIB;

    switch (below(4)) {
    case 0:
        fake_pci_set_window(bridge, start, start + (1 + below(32)) * MIB);
        break;
    case 1:
        fake_pci_set_prefetch_window(bridge, 0x1000000000, 0x1000000000 + (1 + below(64)) * MIB);
        break;
    case 2:
        fake_pci_put(bridge, 0x20, 4, (uint32_t)rand() & 0xFFF0FFF0);
        fake_pci_put(bridge, 0x24, 4, ((uint32_t)rand() & 0xFFF0FFF0) | 0x10001);
        fake_pci_put(bridge, 0x28, 4, below(3));
        fake_pci_put(bridge, 0x2C, 4, below(3));
        break;
    default:
        break;
    }
}

static void make_tree(void)
{
    fake_pci_reset();
    node_info.machine.holes[0].bytes = (1 + below(64)) * 4 * MIB;
    node_info.machine.holes[1] = (struct memory_range){0x1000000000, below(128) * MIB};
    node_info.machine.hole_count = 1 + below(2);
    fake_pci_add(FAKE_ROOT(0), 0, 0, FAKE_OTHER);
    fake_pci_add(FAKE_ROOT(SECOND_ROOT), 0, 0, FAKE_OTHER);
    for (unsigned i = 0; i < BRIDGE_COUNT; i++) {
        unsigned secondary = below(3) == 0 ? below(256) : 0;

        /* Two buses of one number, of which one is not seen. */
        secondary = secondary == SECOND_ROOT ? 0 : secondary;
        tree.parents[i] = random_parent(i);
        tree.bridges[i] = fake_pci_add_bridge(tree.parents[i], 1 + i, secondary,
                                              below(4) == 0 ? below(256) : secondary);
        random_windows(tree.bridges[i]);
    }
    for (unsigned i = 0; i < OTHER_COUNT; i++) {
        tree.other_bytes[i] = UINT64_C(0x1000) << below(14);
        tree.other_paddrs[i] = random_paddr(tree.other_bytes[i]);
        tree.others[i] =
            fake_pci_add(random_parent(BRIDGE_COUNT), 10 + i, 0, (uint16_t)(FAKE_OTHER + 1 + i));
        fake_pci_set_bar(tree.others[i], 0, tree.other_bytes[i], FAKE_BAR_64BIT,
                         tree.other_paddrs[i]);
    }
    tree.nic_parent = random_parent(BRIDGE_COUNT);
    tree.nic = fake_pci_add(tree.nic_parent, 20, 0, FAKE_NIC);
    fake_pci_put(tree.nic, 0x04, 2, below(8));
    for (unsigned i = 0; i < NIC_BARS; i++) {
        bool is_small = i == 2 && below(2) == 0;
        uint32_t flags = is_small ? 0 : FAKE_BAR_64BIT | below(2) * FAKE_BAR_PREFETCHABLE;

        tree.nic_bytes[i] = UINT64_C(0x100) << below(17);
        tree.nic_paddrs[i] = random_paddr(tree.nic_bytes[i]) & (is_small ? UINT32_MAX : UINT64_MAX);
        fake_pci_set_bar(tree.nic, nic_bar_indices[i], tree.nic_bytes[i], flags,
                         tree.nic_paddrs[i]);
    }
}

static bool is_in_window(int bridge, const struct pci_span *span)
{
    uint32_t memory = fake_pci_get(bridge, 0x20, 4);
    uint32_t prefetch = fake_pci_get(bridge, 0x24, 4);
    struct pci_span windows[2] = {
        {(memory & 0xFFF0u) << 16, (memory & 0xFFF00000u) + MIB},
        {(uint64_t)fake_pci_get(bridge, 0x28, 4) << 32 | (prefetch & 0xFFF0u) << 16,
         ((uint64_t)fake_pci_get(bridge, 0x2C, 4) << 32 | (prefetch & 0xFFF00000u)) + MIB},
    };

    return pci_span_contains(&windows[0], span) || pci_span_contains(&windows[1], span);
}

static bool note_other(void *context, const struct pci_device *device)
{
    (void)context;
    if (device->id.device > FAKE_OTHER && device->id.device <= FAKE_OTHER + OTHER_COUNT) {
        tree.is_other_reached[device->id.device - FAKE_OTHER - 1] = true;
    }
    return false;
}

static int parent_of(int bridge)
{
    unsigned at = 0;

    while (tree.bridges[at] != bridge) {
        at++;
    }
    return tree.parents[at];
}

static unsigned bus_below(int parent)
{
    return parent < 0 ? (unsigned)(-1 - parent) : fake_pci_get(parent, 0x19, 1);
}

/* A bridge whose buses have lower numbers than its own is none that a walk can understand. */
static bool is_way_sane(void)
{
    for (int bridge = tree.nic_parent; bridge >= 0; bridge = parent_of(bridge)) {
        if (bus_below(bridge) <= bus_below(parent_of(bridge))) {
            return false;
        }
    }
    return true;
}

static void check_nic_bar(unsigned i)
{
    uint64_t paddr = fake_pci_bar(tree.nic, nic_bar_indices[i]);
    struct pci_span span = {paddr, paddr + tree.nic_bytes[i]};

    assert_true(paddr != 0 && paddr % tree.nic_bytes[i] == 0);
    for (int bridge = tree.nic_parent; is_way_sane() && bridge >= 0; bridge = parent_of(bridge)) {
        assert_true(is_in_window(bridge, &span));
        assert_int_equal(fake_pci_get(bridge, 0x04, 2) & 6, 6);
    }
    if (paddr == tree.nic_paddrs[i]) {
        return;
    }
    assert_true(span.start >= node_info.machine.low_memory_end);
    for (unsigned j = 0; j < OTHER_COUNT; j++) {
        struct pci_span other = {tree.other_paddrs[j], tree.other_paddrs[j] + tree.other_bytes[j]};

        /* What cannot be reached is not seen, and in nobody's way. */
        assert_true(tree.other_paddrs[j] == 0 || !pci_span_overlaps(&other, &span) ||
                    !tree.is_other_reached[j]);
    }
    for (unsigned j = 0; j < NIC_BARS; j++) {
        uint64_t other_paddr = fake_pci_bar(tree.nic, nic_bar_indices[j]);
        struct pci_span other = {other_paddr, other_paddr + tree.nic_bytes[j]};

        assert_true(j == i || !pci_span_overlaps(&other, &span));
    }
}

/* A link server that starts again must find the card where others have mapped it. */
static void check_nothing_moves_again(const struct pci_device *device)
{
    struct pci_bar bars[PCI_BAR_COUNT];
    uint64_t paddrs[NIC_BARS];

    for (unsigned i = 0; i < NIC_BARS; i++) {
        paddrs[i] = fake_pci_bar(tree.nic, nic_bar_indices[i]);
    }
    pci_start(device);
    assert_int_equal(pci_assign(device, bars), 0);
    for (unsigned i = 0; i < NIC_BARS; i++) {
        assert_int_equal(fake_pci_bar(tree.nic, nic_bar_indices[i]), paddrs[i]);
        assert_int_equal(bars[nic_bar_indices[i]].paddr, paddrs[i]);
    }
}

static void what_is_assigned_is_reached_and_nothing_else_is_moved(void **state)
{
    unsigned assigned_count = 0;
    unsigned refused_count = 0;

    (void)state;
    srand(1);
    for (unsigned round = 0; round < ROUND_COUNT; round++) {
        struct pci_bar bars[PCI_BAR_COUNT];
        struct pci_device device;

        make_tree();
        fake_pci_command_line = round % 2 == 0 ? "" : "pci=assign";
        if (pci_find(ids, 1, PCI_REACH_ALL, &device, 1) == 0) {
            continue;
        }
        memset(tree.is_other_reached, 0, sizeof(tree.is_other_reached));
        (void)pci_walk(note_other, NULL);
        if (pci_assign(&device, bars) == 0) {
            assigned_count++;
            for (unsigned i = 0; i < NIC_BARS; i++) {
                check_nic_bar(i);
            }
            check_nothing_moves_again(&device);
        } else {
            refused_count++;
            for (unsigned i = 0; i < NIC_BARS; i++) {
                assert_int_equal(fake_pci_bar(tree.nic, nic_bar_indices[i]), tree.nic_paddrs[i]);
            }
        }
        for (unsigned i = 0; i < OTHER_COUNT; i++) {
            assert_int_equal(fake_pci_bar(tree.others[i], 0), tree.other_paddrs[i]);
        }
    }
    /* Neither is an exception. */
    assert_true(assigned_count > ROUND_COUNT / 4);
    assert_true(refused_count > ROUND_COUNT / 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_assigned_is_reached_and_nothing_else_is_moved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
