/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_virtio.c */
/* flags: -DMMIO_FAKE */
/*
 * A virtio card on no bus, through drivers/nic/nic.h: found, started, interrupted by its line, and
 * kept from memory; and slots in which there is none, or one that cannot be driven.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/nic.h"
#include "drivers/vectors.h"
#include "kernel/component.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_virtio.h"

static const node_id_t nodes[1] = {0};
static struct nic_port port;
static struct nic *nic;
static struct nic_queue *queue;

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    fake_set_clock_step_ns(NS_PER_US);
    fake_virtio_reset_mmio((struct irq_route){.gsi = 47, .is_level = true});
    nic = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (nic != NULL) {
        nic_stop(nic);
        assert_int_equal(fake_virtio.status, 0);
    }
    return 0;
}

static unsigned find(void)
{
    return nic_find(&port, 1);
}

static void run(void)
{
    struct nic_queue_key key;

    assert_int_equal(find(), 1);
    assert_int_equal(nic_start(&port, nodes, 1, (struct nic_grouping){12, 0, false}, &nic), 0);
    nic_make_queue_key(nic, 0, &key);
    assert_int_equal(nic_queue_open(&key, &queue), 0);
    fake_virtio_keep(queue);
    assert_int_equal(nic_enable_receive(nic), 0);
}

/* --- Bring-up --- */

/* But for the reset of single queues, which it offers without a register for it. */
static void a_card_in_a_slot_runs_with_what_both_sides_know(void **state)
{
    uint8_t mac[6];

    (void)state;
    assert_int_equal(find(), 1);
    assert_string_equal(port.name, "mmio@feb00e00");
    assert_int_equal(nic_read_mac(&port, mac), 0);
    assert_memory_equal(mac, fake_virtio.mac, 6);
    run();
    assert_int_equal(fake_virtio.agreed, FAKE_USED);
    assert_int_equal(fake_virtio.status, 0x0F);
    assert_memory_equal(nic->mac, fake_virtio.mac, 6);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(fake_virtio.queues[i].enable, 1);
        assert_int_equal(fake_virtio.queues[i].size, 64);
    }
    assert_int_equal(fake_virtio_available(0), 64);
    assert_int_equal(fake_virtio.queues[0].notify_count, 1);
    assert_int_equal(fake_virtio.command_count, 2);
    assert_int_equal(fake_virtio.log_count, 0);
    assert_true(nic_check_link(nic).is_up);
}

static void frames_come_in_and_go_out(void **state)
{
    static const uint8_t bytes[60] = {1, 2, 3};
    static struct fake_virtio_sent sent;
    struct frame_to_send frame = {
        .fragments = {{bytes, sizeof(bytes)}}, .fragment_count = 1, .length_bytes = sizeof(bytes)};
    struct frame *frames[4];

    (void)state;
    run();
    fake_virtio_receive(0, bytes, sizeof(bytes), 0, 1);
    assert_int_equal(nic_queue_receive(queue, frames, 4), 1);
    assert_memory_equal(frames[0]->data, bytes, sizeof(bytes));
    frames[0]->release(frames[0]);
    assert_int_equal(nic_queue_transmit(queue, &frame), 0);
    nic_queue_flush(queue);
    assert_int_equal(fake_virtio.queues[1].notify_count, 1);
    assert_true(fake_virtio_take(1, &sent));
    assert_memory_equal(sent.data, bytes, sizeof(bytes));
}

/* --- Slots that have no card for us --- */

static void a_card_for_old_drivers_is_refused_with_what_to_do(void **state)
{
    (void)state;
    fake_virtio.version = 1;
    assert_int_equal(find(), 0);
    assert_int_equal(fake_virtio.log_count, 1);
    assert_non_null(strstr(fake_virtio.last_log, "-global virtio-mmio.force-legacy=false"));
    assert_int_equal(fake_virtio.write_count, 0);
}

static void a_card_of_an_unknown_version_is_refused(void **state)
{
    (void)state;
    fake_virtio.version = 3;
    assert_int_equal(find(), 0);
    assert_non_null(strstr(fake_virtio.last_log, "version 3"));
}

static void slots_without_a_network_card_are_passed_over_in_silence(void **state)
{
    (void)state;
    fake_virtio.device = 0; /* empty */
    assert_int_equal(find(), 0);
    fake_virtio.device = 2; /* a disk */
    assert_int_equal(find(), 0);
    fake_virtio.device = 1;
    fake_virtio.magic = UINT32_MAX; /* nothing answers */
    assert_int_equal(find(), 0);
    assert_int_equal(fake_virtio.log_count, 0);
}

static void a_card_that_goes_between_the_look_and_the_start_does_not_start(void **state)
{
    (void)state;
    assert_int_equal(find(), 1);
    fake_virtio.device = 0;
    assert_int_equal(nic_start(&port, nodes, 1, (struct nic_grouping){12, 0, false}, &nic),
                     -ENODEV);
    assert_int_equal(fake_virtio.write_count, 0);
}

/* Boot has compared slots with what tables name; functions get their addresses later. */
static void a_slot_where_a_pci_function_has_its_registers_is_not_touched(void **state)
{
    (void)state;
    ranges_add(&node_info.machine.devices, FAKE_VIRTIO_SLOT & ~0xFFFFu, 0x10000, 0);
    assert_int_equal(find(), 1);
    ranges_add(&node_info.machine.devices, FAKE_VIRTIO_SLOT & ~0xFFFFu, 0x10000, DEVICE_OF_PCI);
    assert_int_equal(find(), 0);
    assert_non_null(strstr(fake_virtio.last_log, "PCI"));
}

/* --- Its line --- */

/* A level is sent again as soon as the processor has taken it: see mmio.c. */
static void the_line_is_routed_as_an_edge_of_its_polarity(void **state)
{
    (void)state;
    run();
    assert_int_equal(fake_virtio.routed.gsi, 47);
    assert_false(fake_virtio.routed.is_level);
    assert_false(fake_virtio.routed.is_active_low);
    assert_int_equal(fake_virtio.routed_vector, INTERRUPT_VECTOR_NIC);
    assert_int_equal(queue->interrupt_vector, INTERRUPT_VECTOR_NIC);
    assert_int_equal(nic->link_vector, INTERRUPT_VECTOR_NIC);
    nic_stop(nic);
    fake_virtio_reset_mmio((struct irq_route){.gsi = 5, .is_active_low = true});
    run();
    assert_int_equal(fake_virtio.routed.gsi, 5);
    assert_true(fake_virtio.routed.is_active_low);
}

/* Both causes: that of its configuration would hold the line, too. */
static void what_has_interrupted_is_acknowledged_before_the_next_is_asked_for(void **state)
{
    static const uint8_t bytes[60] = {0};

    (void)state;
    run();
    fake_virtio.causes = 3;
    assert_true(nic_queue_arm(queue));
    assert_int_equal(fake_virtio.causes, 0);
    assert_int_equal(fake_virtio_used_event(0), 0);
    assert_true(nic_queue_arm(queue)); /* nothing to acknowledge */
    assert_int_equal(fake_virtio.acknowledge_count, 1);
    fake_virtio.causes = 1;
    fake_virtio_receive(0, bytes, sizeof(bytes), 0, 1);
    assert_false(nic_queue_arm(queue));
    assert_int_equal(fake_virtio.causes, 0);
}

static void a_line_that_is_not_let_go_of_is_used_no_more(void **state)
{
    (void)state;
    run();
    fake_virtio.causes = 1;
    fake_virtio.holds_its_line = true;
    assert_false(nic_queue_arm(queue));
    assert_false(nic_queue_has_interrupt(queue));
    assert_int_equal(fake_virtio.log_count, 1);
    assert_in_range(fake_virtio.acknowledge_count, 1, 64);
}

static void without_a_line_frames_are_found_by_looking(void **state)
{
    (void)state;
    fake_virtio.has_no_line = true;
    run();
    assert_false(nic_queue_has_interrupt(queue));
    assert_int_equal(nic->link_vector, 0);
    assert_int_equal(fake_virtio.log_count, 1);
}

/* --- Kept from memory --- */

static void a_card_that_firmware_has_left_running_is_reset_at_boot(void **state)
{
    (void)state;
    fake_virtio.status = 0x0F;
    components_run(BOOT_DEVICES);
    assert_int_equal(fake_virtio.status, 0);
    fake_virtio.status = 0x0F;
    components_run(NODE_GONE);
    assert_int_equal(fake_virtio.status, 0);
    fake_virtio.magic = 0;
    fake_virtio.write_count = 0;
    components_run(BOOT_DEVICES);
    assert_int_equal(fake_virtio.write_count, 0); /* whatever it is, it is left alone */
}

static void a_card_whose_node_has_died_is_reset_at_once(void **state)
{
    (void)state;
    run();
    nic_quieten();
    assert_int_equal(fake_virtio.status, 0);
}

/* --- Another node's word --- */

static void a_key_leads_to_slots_that_boot_has_found_only(void **state)
{
    struct nic_queue_key key, wrong;
    struct nic_queue *other;

    (void)state;
    run();
    nic_make_queue_key(nic, 0, &key);
    wrong = key;
    wrong.words[0] += 0x1000; /* the next page */
    assert_int_equal(nic_queue_open(&wrong, &other), -EINVAL);
    wrong = key;
    wrong.words[1] += 4; /* another register */
    assert_int_equal(nic_queue_open(&wrong, &other), -EINVAL);
    wrong.words[1] = key.words[1] + (4ull << 32);
    assert_int_equal(nic_queue_open(&wrong, &other), -EINVAL);
    wrong = key;
    wrong.words[0]++; /* twice as long */
    assert_int_equal(nic_queue_open(&wrong, &other), -EINVAL);
    wrong = key;
    wrong.words[2] |= 1ull << 57; /* a feature that is not known */
    assert_int_equal(nic_queue_open(&wrong, &other), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_card_in_a_slot_runs_with_what_both_sides_know),
        TEST(frames_come_in_and_go_out),
        TEST(a_card_for_old_drivers_is_refused_with_what_to_do),
        TEST(a_card_of_an_unknown_version_is_refused),
        TEST(slots_without_a_network_card_are_passed_over_in_silence),
        TEST(a_card_that_goes_between_the_look_and_the_start_does_not_start),
        TEST(a_slot_where_a_pci_function_has_its_registers_is_not_touched),
        TEST(the_line_is_routed_as_an_edge_of_its_polarity),
        TEST(what_has_interrupted_is_acknowledged_before_the_next_is_asked_for),
        TEST(a_line_that_is_not_let_go_of_is_used_no_more),
        TEST(without_a_line_frames_are_found_by_looking),
        TEST(a_card_that_firmware_has_left_running_is_reset_at_boot),
        TEST(a_card_whose_node_has_died_is_reset_at_once),
        TEST(a_key_leads_to_slots_that_boot_has_found_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
