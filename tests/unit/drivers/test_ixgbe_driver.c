/* SPDX-License-Identifier: MIT */
/* sources: drivers/ixgbe/driver.c drivers/nic/nic.c drivers/pci/port.c libc/core/format.c */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests drivers/ixgbe/driver.c through drivers/nic/nic.h, over a PCI bus played here: what is
 * switched on and off, what becomes of a card that lacks something, and of one whose node has died.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/ixgbe/ixgbe.h"
#include "drivers/nic/nic.h"
#include "drivers/pci/pci.h"
#include "drivers/vectors.h"
#include "kernel/platform.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/paging.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"

#define REGISTERS_PADDR 0xFEB00000
#define QUEUES          3u

/* --- The bus --- */

static struct {
    unsigned count;
    int msix_error;
    uint64_t bar_bytes;
    unsigned msix_entries;
    bool is_unmappable;
    /* What was done to the card, a letter each: m mapped, p a page mapped, s started, i its
     * interrupts, e ended. */
    char steps[64];
    uint8_t stepped_bus; /* of which card */
    struct {
        uint32_t apic_id;
        uint8_t vector;
    } entries[64];
    unsigned set_count;
} bus;

static void step(const struct pci_device *device, char letter)
{
    size_t length = strlen(bus.steps);

    assert_true(length + 1 < sizeof(bus.steps));
    bus.steps[length] = letter;
    bus.steps[length + 1] = '\0';
    if (device != NULL) {
        bus.stepped_bus = device->address.bus;
    }
}

unsigned pci_prepared(const struct pci_card **cards)
{
    static struct pci_card prepared[4];

    assert_true(bus.count < ARRAY_COUNT(prepared));
    for (unsigned i = 0; i < bus.count; i++) {
        prepared[i] = (struct pci_card){
            .device.address = {.segment = 0x12,
                               .bus = (uint8_t)(0x30 + i),
                               .device = 31,
                               .function = 7},
            .device.id = ixgbe_ids[i % ixgbe_id_count],
            .bars[0] = {.paddr = REGISTERS_PADDR, .bytes = bus.bar_bytes},
        };
    }
    prepared[bus.count].device.id = (struct pci_id){0x8086, 0xFFFF}; /* somebody else's */
    *cards = prepared;
    return bus.count + 1;
}

void pci_prepare(const struct pci_id *ids, size_t id_count)
{
    (void)ids;
    (void)id_count;
    fail_msg("the machine has booted");
}

void pci_start(const struct pci_device *device)
{
    step(device, 's');
}

void pci_stop(const struct pci_device *device)
{
    step(device, 'e');
}

int pci_msix_enable(const struct pci_device *device, const struct pci_bar bars[PCI_BAR_COUNT],
                    struct pci_msix *msix)
{
    step(device, 'i');
    assert_int_equal(bars[0].paddr, REGISTERS_PADDR);
    *msix = (struct pci_msix){.entry_count = bus.msix_entries};
    return bus.msix_error;
}

void pci_msix_set_entry(const struct pci_msix *msix, unsigned index, uint32_t apic_id,
                        uint8_t vector)
{
    assert_true(index < msix->entry_count);
    bus.entries[index].apic_id = apic_id;
    bus.entries[index].vector = vector;
    bus.set_count++;
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    step(NULL, bytes == PAGE_BYTES ? 'p' : 'm');
    assert_in_range(paddr, REGISTERS_PADDR, REGISTERS_PADDR + 0x20000 - bytes);
    assert_true(bytes == PAGE_BYTES || bytes == 0x20000);
    return bus.is_unmappable ? NULL : (char *)fake_nic_registers() + (paddr - REGISTERS_PADDR);
}

static uint32_t first_apic_id = 100;

uint32_t interrupt_apic_id(node_id_t node)
{
    return first_apic_id + node;
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
    memset(&bus, 0, sizeof(bus));
    bus.count = 1;
    bus.bar_bytes = 0x20000;
    bus.msix_entries = 64;
    assert_int_equal(nic_find(&port, 1), 1);
    return 0;
}

static void assert_steps(const char *steps)
{
    assert_string_equal(bus.steps, steps);
    assert_int_equal(bus.stepped_bus, 0x30);
    bus.steps[0] = '\0';
}

/* --- Ports --- */

static void ports_are_named_by_address_and_model(void **state)
{
    struct nic_port ports[2] = {0};

    (void)state;
    bus.count = 3;
    assert_int_equal(nic_find(ports, 2), 3);
    assert_string_equal(ports[0].name, "0012:30:1f.7");
    assert_string_equal(ports[1].name, "0012:31:1f.7");
    char model[16];

    snprintf(model, sizeof(model), "%04x:%04x", ixgbe_ids[1].vendor, ixgbe_ids[1].device);
    assert_string_equal(ports[1].model, model);
    assert_int_equal(nic_find(ports, 1), 3);
    assert_string_equal(ports[1].name, "0012:31:1f.7"); /* beyond the first, as it was */
    assert_string_equal(bus.steps, "");
}

static int read_mac_again(uint8_t mac[6])
{
    assert_int_equal(nic_find(&port, 1), 1);
    return nic_read_mac(&port, mac);
}

/* The port stays as it is: it neither masters the bus nor is it switched off. */
static void a_mac_is_read_without_starting_the_port(void **state)
{
    static const uint8_t wanted[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    uint8_t mac[6];

    (void)state;
    assert_int_equal(nic_read_mac(&port, mac), 0);
    assert_memory_equal(mac, wanted, 6);
    assert_string_equal(bus.steps, "m");
    bus.bar_bytes = 0x20000 - 1;
    assert_int_equal(read_mac_again(mac), -ENODEV);
    assert_string_equal(bus.steps, "m");
    bus.bar_bytes = 0x20000;
    bus.is_unmappable = true;
    assert_int_equal(read_mac_again(mac), -ENOMEM);
    bus.is_unmappable = false;
    fake_nic_set(0x0A204, 0); /* its address is not valid */
    assert_int_equal(nic_read_mac(&port, mac), -ENODEV);
    assert_string_equal(bus.steps, "mmm");
}

/* --- The card --- */

static void a_card_starts_with_a_queue_and_an_interrupt_for_each_node(void **state)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    struct nic_queue_key key = {0};
    struct nic *nic;

    (void)state;
    assert_int_equal(nic_start(&port, nodes, QUEUES, by_source, &nic), 0);
    assert_steps("msi");
    assert_int_equal(nic->queue_count, QUEUES);
    assert_int_equal(nic->group_count, 4096);
    assert_true(nic->can_segment_tcp);
    assert_memory_equal(nic->mac, mac, 6);
    assert_int_equal(bus.set_count, QUEUES + 1);
    for (unsigned i = 0; i < QUEUES; i++) {
        assert_int_equal(bus.entries[i].apic_id, 100 + nodes[i]);
        assert_int_equal(bus.entries[i].vector, INTERRUPT_VECTOR_NIC);
    }
    assert_int_equal(bus.entries[QUEUES].apic_id, 100);
    assert_int_equal(bus.entries[QUEUES].vector, INTERRUPT_VECTOR_NIC_OTHER);
    assert_int_equal(nic_link_interrupts(nic), INTERRUPT_VECTOR_NIC_OTHER);

    /* GPIE, EIAC, EIAM_EX, IVAR, IVAR_MISC, EITR; EIMS last, for the link. */
    assert_int_equal(fake_nic_get(0x00898), 0xC0000010);
    assert_int_equal(fake_nic_get(0x00810), 0x7);
    assert_int_equal(fake_nic_get(0x00AD0), 0xFFFFFFFF);
    assert_int_equal(fake_nic_get(0x00AD4), 0xFFFFFFFF);
    assert_int_equal(fake_nic_get(0x00900) & 0xFF00FF, 0x810080);
    assert_int_equal(fake_nic_get(0x00904) & 0xFF, 0x82);
    assert_int_equal(fake_nic_get(0x00A00) & 0xFF00, 0x8300);
    for (unsigned i = 0; i <= QUEUES; i++) {
        assert_int_equal(fake_nic_get(0x00820 + 4 * i), 0);
    }
    assert_int_equal(fake_nic_get(0x00880), 0x00100000);

    nic_make_queue_key(nic, 2, &key);
    assert_int_equal(key.queue_index, 2);
    assert_int_equal(key.words[0], REGISTERS_PADDR);
    nic_stop(nic);
    assert_steps("e");
}

static void one_queue_tells_no_groups_apart(void **state)
{
    struct nic *nic;

    (void)state;
    assert_int_equal(nic_start(&port, nodes, 1, by_source, &nic), 0);
    assert_int_equal(nic->queue_count, 1);
    assert_int_equal(nic->group_count, 0);
    nic_stop(nic);
}

/* The link shares vector 0 then. */
static void a_card_with_few_interrupts_has_as_many_queues(void **state)
{
    struct nic *nic;

    (void)state;
    bus.msix_entries = 2;
    assert_int_equal(nic_start(&port, nodes, QUEUES, by_source, &nic), 0);
    assert_int_equal(nic->queue_count, 2);
    assert_int_equal(bus.set_count, 2);
    assert_int_equal(nic_link_interrupts(nic), INTERRUPT_VECTOR_NIC);
    assert_int_equal(fake_nic_get(0x00A00) & 0xFF00, 0x8000);
    nic_stop(nic);
}

/* It is switched off, and what was allocated for it comes back (the sanitizer's leaks). */
static void a_card_that_lacks_something_is_switched_off(void **state)
{
    struct nic *nic;

    (void)state;
    fake_fail_allocations_after(0);
    assert_int_equal(nic_start(&port, nodes, QUEUES, by_source, &nic), -ENOMEM);
    fake_fail_allocations_after(-1);
    assert_string_equal(bus.steps, "");
    bus.bar_bytes = 0x20000 - 1;
    assert_int_equal(nic_find(&port, 1), 1);
    assert_int_equal(nic_start(&port, nodes, QUEUES, by_source, &nic), -ENODEV);
    assert_steps("e");
    bus.bar_bytes = 0x20000;
    assert_int_equal(nic_find(&port, 1), 1);
    bus.msix_error = -ENODEV;
    assert_int_equal(nic_start(&port, nodes, QUEUES, by_source, &nic), -ENODEV);
    assert_steps("msie");
    bus.msix_error = 0;
    fake_nic_stick(0x00008, 0xFFFFFFFF, 0xFFFFFFFF); /* STATUS: nobody answers */
    assert_int_equal(nic_start(&port, nodes, QUEUES, by_source, &nic), -ENODEV);
    assert_steps("msie");
}

/* The cause first: a change after the look must interrupt again. */
static void looking_at_the_link_clears_its_cause(void **state)
{
    static const struct {
        uint32_t links, megabits;
    } cases[] = {{0x74000080, 10000},
                 {0x60000000, 1000},
                 {0x50000000, 100},
                 {0x40000000, 0},
                 {0x30000000, 0}};
    struct nic *nic;

    (void)state;
    assert_int_equal(nic_start(&port, nodes, QUEUES, by_source, &nic), 0);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        fake_nic_set(0x042A4, cases[i].links);
        fake_nic_set(0x00800, 0);
        struct nic_link link = nic_check_link(nic);

        assert_int_equal(link.is_up, (cases[i].links & 0x40000000) != 0);
        assert_int_equal(link.megabits, cases[i].megabits);
        assert_int_equal(fake_nic_get(0x00800), 0x00100000); /* EICR, link status change */
    }
    nic_stop(nic);
}

static void groups_are_steered_until_one_fails(void **state)
{
    static const uint16_t groups[] = {1, 2, 3};
    struct nic *nic;

    (void)state;
    assert_int_equal(nic_start(&port, nodes, QUEUES, by_source, &nic), 0);
    assert_int_equal(nic_steer(nic, 2, groups, 2), 0);
    assert_int_equal(fake_nic_filter_count(), 2);
    fake_nic_stick(0x0EE2C, 3, 1); /* FDIRCMD: the command does not end */
    assert_int_equal(nic_steer(nic, 1, groups, 3), -ETIMEDOUT);
    assert_in_range(fake_nic_filter_count(), 2, 3);
    nic_stop(nic);
}

static void missed_frames_are_told_once(void **state)
{
    struct nic *nic;

    (void)state;
    assert_int_equal(nic_start(&port, nodes, QUEUES, by_source, &nic), 0);
    fake_nic_set(0x03FA0, 7);
    assert_int_equal(nic_take_missed(nic), 7);
    assert_int_equal(nic_take_missed(nic), 0);
    nic_stop(nic);
}

static struct nic_queue_key key_of(uint16_t index, uint64_t paddr)
{
    return (struct nic_queue_key){.queue_index = index, .words = {paddr}};
}

/* --- Another node's card --- */

/* It goes on as it is: nothing is written to it, but that SYNs go as all others do. */
static void an_adopted_card_is_what_its_starter_had(void **state)
{
    struct nic_queue_key key = {0}, again = {0};
    struct nic *nic, *adopted;
    static const uint16_t group = 7;

    (void)state;
    assert_int_equal(nic_start(&port, nodes, QUEUES, by_source, &nic), 0);
    nic_make_queue_key(nic, 1, &key);
    bus.steps[0] = '\0';
    unsigned write_count = fake_nic_write_count();
    assert_int_equal(nic_adopt(&key, by_source, &adopted), 0);
    assert_string_equal(bus.steps, "m");
    assert_int_equal(fake_nic_find_write(write_count, 0x0EC30, UINT32_MAX, 0), write_count);
    assert_int_equal(fake_nic_write_count(), write_count + 1);
    assert_ptr_not_equal(adopted, nic);
    assert_memory_equal(adopted->mac, nic->mac, sizeof(nic->mac));
    assert_int_equal(adopted->queue_count, QUEUES);
    assert_int_equal(adopted->group_count, nic->group_count);
    assert_int_equal(adopted->can_segment_tcp, nic->can_segment_tcp);
    nic_make_queue_key(adopted, 1, &again);
    assert_memory_equal(&again, &key, sizeof(key));
    /* It can be driven. */
    assert_int_equal(nic_steer(adopted, 2, &group, 1), 0);
    assert_int_equal(fake_nic_filter_count(), 1);
    nic_stop(adopted);
    nic_stop(nic);
}

static void only_keys_of_a_card_of_that_many_queues_adopt_it(void **state)
{
    static const struct {
        uint16_t index, queue_count;
        int result;
    } cases[] = {{0, 1, 0},           {1, 1, -EINVAL},    {2, 3, 0},   {3, 3, -EINVAL},
                 {0, 0, -EINVAL},     {127, 128, 0},      {0, 128, 0}, {0, 129, -EINVAL},
                 {128, 129, -EINVAL}, {0, 65535, -EINVAL}};
    struct nic *nic;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct nic_queue_key key = key_of(cases[i].index, REGISTERS_PADDR);

        key.words[1] = 0x10F7 | (uint64_t)cases[i].queue_count << 16;
        bus.steps[0] = '\0';
        assert_int_equal(nic_adopt(&key, by_source, &nic), cases[i].result);
        assert_string_equal(bus.steps, cases[i].result == 0 ? "m" : "");
        if (cases[i].result == 0) {
            assert_int_equal(nic->queue_count, cases[i].queue_count);
            assert_int_equal(nic->group_count, cases[i].queue_count > 1 ? 4096 : 0);
            nic_stop(nic);
        }
    }
    struct nic_queue_key key = key_of(0, REGISTERS_PADDR + 0x20000);

    key.words[1] = 1 << 16;
    assert_int_equal(nic_adopt(&key, by_source, &nic), -EINVAL);
    key.words[0] = REGISTERS_PADDR;
    fake_fail_allocations_after(0);
    assert_int_equal(nic_adopt(&key, by_source, &nic), -ENOMEM);
    fake_fail_allocations_after(-1);
    bus.is_unmappable = true;
    assert_int_equal(nic_adopt(&key, by_source, &nic), -ENOMEM);
    bus.is_unmappable = false;
}

/* --- Queues --- */

static void keys_that_no_card_can_have_made_are_refused(void **state)
{
    const struct nic_queue_key keys[] = {
        key_of(128, REGISTERS_PADDR), key_of(UINT16_MAX, REGISTERS_PADDR), key_of(0, 0),
        key_of(0, REGISTERS_PADDR + 2048), key_of(0, REGISTERS_PADDR + 0x20000)};
    struct nic_queue *queue = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        assert_int_equal(nic_queue_open(&keys[i], &queue), -EINVAL);
    }
    assert_null(queue);
    assert_string_equal(bus.steps, ""); /* nothing is mapped for them */
    struct nic_queue_key key = key_of(127, REGISTERS_PADDR);

    fake_fail_allocations_after(0);
    assert_int_equal(nic_queue_open(&key, &queue), -ENOMEM);
    fake_fail_allocations_after(-1);
    assert_string_equal(bus.steps, "");
    bus.is_unmappable = true;
    assert_int_equal(nic_queue_open(&key, &queue), -ENOMEM);
    assert_string_equal(bus.steps, "p");
    assert_null(queue);
    bus.is_unmappable = false;
}

/* It would wait for an interrupt for ever. Others send and receive for it. */
static void a_node_that_msix_does_not_reach_gets_no_queue(void **state)
{
    struct nic_queue_key key = key_of(0, REGISTERS_PADDR);
    struct nic_queue *queue = NULL;

    (void)state;
    bus.is_unmappable = true;
    first_apic_id = 255;
    assert_int_equal(nic_queue_open(&key, &queue), -ENOTSUP);
    first_apic_id = 0x10064;
    assert_int_equal(nic_queue_open(&key, &queue), -ENOTSUP);
    assert_string_equal(bus.steps, "");
    first_apic_id = 254;
    assert_int_equal(nic_queue_open(&key, &queue), -ENOMEM);
    assert_string_equal(bus.steps, "p");
    first_apic_id = 100;
    bus.is_unmappable = false;
    assert_null(queue);
}

static unsigned done_count;

static void note_done(void *context)
{
    (void)context;
    done_count++;
}

/* The last queue lies in the second bank of the receive registers, and the mask of a vector above
 * 31 in the second register. */
static void each_queue_uses_its_own_registers(void **state)
{
    static const uint16_t indices[] = {0, 31, 32, 63};
    static struct nic_queue *opened[ARRAY_COUNT(indices)]; /* queues are never closed */
    static uint8_t frame[60];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(indices); i++) {
        struct nic_queue_key key = key_of(indices[i], REGISTERS_PADDR);
        struct nic_queue *queue;
        struct frame *received[4];

        assert_int_equal(nic_queue_open(&key, &queue), 0);
        opened[i] = queue;
        fake_nic_set(0x00AA0, 0);
        fake_nic_set(0x00AA4, 0);
        fake_nic_set(0x00800, 0);
        assert_true(nic_queue_arm(queue));
        assert_int_equal(fake_nic_get(0x00AA0), indices[i] < 32 ? 1u << indices[i] : 0);
        assert_int_equal(fake_nic_get(0x00AA4), indices[i] < 32 ? 0 : 1u << (indices[i] - 32));
        assert_int_equal(fake_nic_get(0x00800), indices[i] < 16 ? 1u << indices[i] : 0);

        /* A frame that has come keeps it unarmed: it would raise no interrupt. */
        assert_false(nic_queue_is_pending(queue));
        assert_true(fake_nic_receive(indices[i], frame, sizeof(frame), 2, 0));
        assert_true(nic_queue_is_pending(queue));
        fake_nic_set(0x00AA0, 0);
        fake_nic_set(0x00AA4, 0);
        assert_false(nic_queue_arm(queue));
        assert_int_equal(fake_nic_get(0x00AA0) | fake_nic_get(0x00AA4), 0);
        assert_int_equal(nic_queue_receive(queue, received, 4), 1);
        received[0]->release(received[0]);
        assert_int_equal(nic_queue_interrupts(queue), INTERRUPT_VECTOR_NIC);

        struct frame_to_send sent = {
            .fragments = {{frame, 60}}, .fragment_count = 1, .length_bytes = 60, .done = note_done};
        static struct fake_nic_sent taken;

        assert_int_equal(nic_queue_in_flight(queue), 0);
        assert_int_equal(nic_queue_transmit(queue, &sent), 0);
        nic_queue_flush(queue);
        assert_int_equal(nic_queue_in_flight(queue), 1);
        assert_true(fake_nic_transmit(indices[i], &taken));
        done_count = 0;
        assert_int_equal(nic_queue_reclaim(queue), 1);
        assert_int_equal(done_count, 1);
        assert_int_equal(nic_queue_in_flight(queue), 0);
        fake_nic_set(0x01430 + 0x40 * (indices[i] % 16), 5);
        assert_int_equal(nic_queue_take_dropped(queue), 5);
        assert_int_equal(nic_queue_take_dropped(queue), 0);
    }
    assert_ptr_not_equal(opened[0], opened[1]);
}

/* The address sanitizer's, when it is there. */
__attribute__((weak)) void __lsan_disable(void);
__attribute__((weak)) void __lsan_enable(void);

/* Its memory stays taken, because the card may know of it. */
static void a_queue_that_does_not_switch_on_is_not_handed_out(void **state)
{
    struct nic_queue_key key = key_of(1, REGISTERS_PADDR);
    struct nic_queue *queue = NULL;

    (void)state;
    if (__lsan_disable != NULL) {
        __lsan_disable();
    }
    fake_nic_stick(0x06068, 0x02000000, 0); /* TXDCTL(1) */
    assert_int_equal(nic_queue_open(&key, &queue), -ETIMEDOUT);
    assert_null(queue);
    fake_nic_reset();
    fake_nic_stick(0x01068, 0x02000000, 0); /* RXDCTL(1) */
    assert_int_equal(nic_queue_open(&key, &queue), -ETIMEDOUT);
    assert_null(queue);
    if (__lsan_enable != NULL) {
        __lsan_enable();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ports_are_named_by_address_and_model, set_up),
        cmocka_unit_test_setup(a_mac_is_read_without_starting_the_port, set_up),
        cmocka_unit_test_setup(a_card_starts_with_a_queue_and_an_interrupt_for_each_node, set_up),
        cmocka_unit_test_setup(one_queue_tells_no_groups_apart, set_up),
        cmocka_unit_test_setup(a_card_with_few_interrupts_has_as_many_queues, set_up),
        cmocka_unit_test_setup(a_card_that_lacks_something_is_switched_off, set_up),
        cmocka_unit_test_setup(looking_at_the_link_clears_its_cause, set_up),
        cmocka_unit_test_setup(groups_are_steered_until_one_fails, set_up),
        cmocka_unit_test_setup(missed_frames_are_told_once, set_up),
        cmocka_unit_test_setup(an_adopted_card_is_what_its_starter_had, set_up),
        cmocka_unit_test_setup(only_keys_of_a_card_of_that_many_queues_adopt_it, set_up),
        cmocka_unit_test_setup(keys_that_no_card_can_have_made_are_refused, set_up),
        cmocka_unit_test_setup(a_node_that_msix_does_not_reach_gets_no_queue, set_up),
        cmocka_unit_test_setup(each_queue_uses_its_own_registers, set_up),
        cmocka_unit_test_setup(a_queue_that_does_not_switch_on_is_not_handed_out, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
