/* SPDX-License-Identifier: MIT */
/* sources: drivers/ixgbe/driver.c drivers/nic/nic.c drivers/pci/port.c libc/core/format.c */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests the 82599's queue for SYNs (drivers/ixgbe/driver.c, ixgbe.c) through drivers/nic/nic.h, and
 * which registers a queue maps. The bus always works here: test_ixgbe_driver.c has what does not.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/ixgbe/ixgbe.h"
#include "drivers/nic/nic.h"
#include "drivers/pci/pci.h"
#include "kernel/platform.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/paging.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"

#define REGISTERS_PADDR 0xFEB00000
#define QUEUES          3u

/* A driver keeps its rings and buffers for ever; each test starts a new one. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* --- The bus --- */

unsigned pci_prepared(const struct pci_card **cards)
{
    static struct pci_card card;

    card.device.id = ixgbe_ids[0];
    card.bars[0] = (struct pci_bar){.paddr = REGISTERS_PADDR, .bytes = 0x20000};
    *cards = &card;
    return 1;
}

void pci_prepare(const struct pci_id *ids, size_t id_count)
{
    (void)ids;
    (void)id_count;
    fail_msg("the machine has booted");
}

void pci_start(const struct pci_device *device)
{
    (void)device;
}

void pci_stop(const struct pci_device *device)
{
    (void)device;
}

int pci_msix_enable(const struct pci_device *device, const struct pci_bar bars[PCI_BAR_COUNT],
                    struct pci_msix *msix)
{
    (void)device;
    (void)bars;
    *msix = (struct pci_msix){.entry_count = 64};
    return 0;
}

void pci_msix_set_entry(const struct pci_msix *msix, unsigned index, uint32_t apic_id,
                        uint8_t vector)
{
    (void)apic_id;
    (void)vector;
    assert_true(index < msix->entry_count);
}

static uint64_t mapped_pages; /* of the registers, a bit each */

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += PAGE_BYTES) {
        mapped_pages |= 1ull << (paddr + i - REGISTERS_PADDR) / PAGE_BYTES;
    }
    assert_in_range(paddr + bytes, REGISTERS_PADDR + 1, REGISTERS_PADDR + 0x20000);
    return (char *)fake_nic_registers() + (paddr - REGISTERS_PADDR);
}

uint32_t interrupt_apic_id(node_id_t node)
{
    return node;
}

uint64_t interrupt_count(uint8_t vector)
{
    return vector;
}

static const node_id_t nodes[QUEUES] = {0, 5, 9};
static const struct nic_grouping by_source = {12, 0, false};
static struct nic_port port;

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    fake_set_clock_step_ns(NS_PER_US);
    fake_nic_reset();
    assert_int_equal(nic_find(&port, 1), 1);
    return 0;
}

static void syns_go_to_a_queue_of_their_own_behind_the_others(void **state)
{
    static const char syn[60] = "a SYN";
    struct nic_queue *queue;
    struct frame *frame;
    struct nic *nic;

    (void)state;
    assert_int_equal(nic_start(&port, nodes, QUEUES, by_source, &nic), 0);
    assert_int_equal(nic_open_syn_queue(nic, &queue), 0);
    assert_int_equal(fake_nic_get(0x0EC30), 0);                          /* not yet */
    assert_int_equal(fake_nic_get(0x01014 + 0x40 * QUEUES), 0x12000002); /* SRRCTL: DROP_EN, too */
    assert_int_equal(fake_nic_get(0x00904) & 0xFF0000, 0x800000); /* IVAR: queue 0's vector */
    assert_int_equal(fake_nic_get(0x00904) & 0xFF, 0x82);         /* its neighbour is as it was */
    assert_int_equal(fake_nic_receive_room(QUEUES), 127);
    assert_int_equal(queue->interrupt_vector, 0);

    nic_direct_syns(nic, true);
    assert_int_equal(fake_nic_get(0x0EC30), 0x80000001 | QUEUES << 1);
    assert_false(nic_queue_is_pending(queue));
    assert_true(fake_nic_receive(QUEUES, syn, sizeof(syn), 0x2, 0));
    assert_true(nic_queue_is_pending(queue));
    assert_int_equal(nic_queue_receive(queue, &frame, 1), 1);
    assert_memory_equal(frame->data, syn, sizeof(syn));
    assert_int_equal(nic_queue_count_buffers(queue).used, 1);
    frame->release(frame);
    fake_nic_set(0x01430 + 0x40 * QUEUES, 9); /* QPRDC of its own set of counters */
    assert_int_equal(nic_queue_take_dropped(queue), 9);
    assert_int_equal(nic_queue_take_dropped(queue), 0);

    nic_direct_syns(nic, false);
    assert_int_equal(fake_nic_get(0x0EC30), 0);
    nic_stop(nic);
}

/* Whoever lacks it goes on without. */
static void a_card_may_have_no_queue_for_syns(void **state)
{
    static const node_id_t many[128];
    struct nic_queue_key key = {0};
    struct nic_queue *queue;
    struct nic *nic, *adopted;

    (void)state;
    assert_int_equal(nic_start(&port, nodes, QUEUES, by_source, &nic), 0);
    nic_direct_syns(nic, true);
    nic_make_queue_key(nic, 1, &key);
    assert_int_equal(nic_adopt(&key, by_source, &adopted), 0);
    assert_int_equal(fake_nic_get(0x0EC30), 0);
    assert_int_equal(nic_open_syn_queue(adopted, &queue), -ENOTSUP);
    nic_stop(adopted);
    for (int allocations = 0; allocations < 4; allocations++) {
        fake_fail_allocations_after(allocations);
        assert_int_equal(nic_open_syn_queue(nic, &queue), -ENOMEM);
    }
    fake_fail_allocations_after(-1);
    fake_nic_stick(0x01028 + 0x40 * QUEUES, 0x02000000, 0); /* RXDCTL: it does not switch on */
    assert_int_equal(nic_open_syn_queue(nic, &queue), -ETIMEDOUT);
    nic_stop(nic);
    fake_nic_reset();
    assert_int_equal(nic_start(&port, many, 128, by_source, &nic), 0);
    assert_int_equal(nic->queue_count, 64);
    assert_int_equal(nic_open_syn_queue(nic, &queue), 0);
    assert_int_equal(fake_nic_receive_room(64), 127);
    nic_stop(nic);
}

/* Those of interrupts and of all queues' rings, the one for SYNs behind them too. */
static void a_queue_maps_the_pages_that_it_needs(void **state)
{
    static const struct {
        uint16_t index, queue_count;
        uint64_t pages;
    } cases[] = {
        {0, 1, 0x43},    {2, 3, 0x43},       {62, 63, 0x43}, /* interrupts, receive, send */
        {0, 64, 0x20C3}, {127, 128, 0x20C3}, {5, 65535, 0x20C3},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct nic_queue_key key = {.queue_index = cases[i].index, .words = {REGISTERS_PADDR}};
        struct nic_queue *queue;

        key.words[1] = 0x10F7 | (uint64_t)cases[i].queue_count << 16;
        mapped_pages = 0;
        assert_int_equal(nic_queue_open(&key, &queue), 0);
        assert_int_equal(mapped_pages, cases[i].pages);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_queue_maps_the_pages_that_it_needs, set_up),
        cmocka_unit_test_setup(syns_go_to_a_queue_of_their_own_behind_the_others, set_up),
        cmocka_unit_test_setup(a_card_may_have_no_queue_for_syns, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
