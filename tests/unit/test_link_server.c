/* SPDX-License-Identifier: MIT */
/* sources: net/link_server.c net/link_device.c net/link_port.c net/nic_option.c */
/* sources: net/steering.c net/configuration.c */
/* sources: drivers/ixgbe/ixgbe.c drivers/ixgbe/fdir.c drivers/ixgbe/rss.c drivers/ixgbe/rx.c */
/* sources: drivers/ixgbe/link.c drivers/ixgbe/stats.c drivers/ixgbe/tx.c */
/* sources: kernel/channel.c kernel/status.c kernel/dispatch.c kernel/thread.c kernel/switch.S */
/* sources: kernel/timer.c kernel/format.c kernel/command_line.c */
/* sources: tests/unit/fake_nic.c tests/unit/fake_platform.c tests/unit/fake_memory.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests net/link_server.c and link_device.c as the first LS of TS2LS2CM2 httpd:2, over the driver
 * and a fake device. The server lives as long as the process, so each test goes on where the one
 * before it stopped.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/dispatch.h"
#include "kernel/frame.h"
#include "kernel/interrupt.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/pci.h"
#include "kernel/platform.h"
#include "kernel/status.h"
#include "net/configuration.h"
#include "net/link_server.h"
#include "net/messages.h"
#include "net/steering.h"
#include "net/transport_server.h"
#include "tests/unit/fake_nic.h"
#include "tests/unit/fake_platform.h"

#define OTHER_LS         1
#define EOP              0x2u
#define TCP_GOOD         0x60u
#define LINKS_REGISTER   0x042A4
#define EIMS_EX_REGISTER 0x00AA0
#define EICR_REGISTER    0x00800

static struct configuration configuration;
static struct frame *received;
static unsigned received_count;
static unsigned syn_count;
static struct syn_arrived last_syn;
static uint64_t interrupts[256];
static unsigned msix_entry_count;
static struct {
    uint32_t apic_id;
    uint8_t vector;
} msix_entries[64];
static struct nic_ready last_ready;
static unsigned ready_count;

/* --- The parts of this node that the link server meets --- */

void transport_server_receive(struct frame *frame)
{
    received = frame;
    received_count++;
}

static void syn_arrived_here(node_id_t from, const struct message *message)
{
    assert_int_equal(from, 0);
    memcpy(&last_syn, message, sizeof(last_syn));
    syn_count++;
}

static void nic_ready_here(node_id_t from, const struct message *message)
{
    assert_int_equal(from, 0);
    memcpy(&last_ready, message, sizeof(last_ready));
    ready_count++;
}

unsigned pci_find(const struct pci_id *ids, size_t id_count, enum pci_reach reach,
                  struct pci_device *devices, unsigned device_max)
{
    assert_true(id_count > 0);
    assert_int_equal(reach, PCI_REACH_NUMBERED);
    assert_true(device_max > 0);
    devices[0] = (struct pci_device){.id = ids[0]};
    return 1;
}

int pci_assign(const struct pci_device *device)
{
    (void)device;
    return 0;
}

int pci_read_bar(const struct pci_device *device, unsigned index, struct pci_bar *bar)
{
    (void)device;
    assert_int_equal(index, 0);
    *bar = (struct pci_bar){.paddr = 0xFEB00000, .bytes = 0x20000, .is_64bit = true};
    return 0;
}

void pci_enable(const struct pci_device *device)
{
    (void)device;
}

void pci_disable(const struct pci_device *device)
{
    (void)device;
    fail_msg("the device is switched off");
}

int pci_msix_enable(const struct pci_device *device, struct pci_msix *msix)
{
    (void)device;
    *msix = (struct pci_msix){.entry_count = 64};
    return 0;
}

void pci_msix_set_entry(const struct pci_msix *msix, unsigned index, uint32_t apic_id,
                        uint8_t vector)
{
    (void)msix;
    assert_true(index < ARRAY_COUNT(msix_entries));
    msix_entries[index].apic_id = apic_id;
    msix_entries[index].vector = vector;
    msix_entry_count++;
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    assert_int_equal(paddr, 0xFEB00000);
    assert_int_equal(bytes, 0x20000);
    return fake_nic_registers();
}

uint64_t interrupt_count(uint8_t vector)
{
    return interrupts[vector];
}

uint32_t interrupt_apic_id(node_id_t node)
{
    return 100u + node;
}

/* The dispatcher prints the log; this node has none. */
bool log_is_console_owner(void)
{
    return false;
}

node_id_t log_console_owner(void)
{
    return NODE_NONE;
}

unsigned log_print_node(node_id_t node)
{
    (void)node;
    return 0;
}

bool log_take_news(void)
{
    return false;
}

void log_find_console(void)
{
}

void log_defer_printing(void)
{
}

static int start(void **state)
{
    char reason[128];

    (void)state;
    fake_platform_reset(0, 4);
    fake_set_clock_step_ns(NS_PER_US);
    fake_nic_reset();
    dispatch_initialise();
    assert_int_equal(configuration_parse(&configuration, "pika=TS2LS2CM2 app=httpd:2", 4, reason,
                                         sizeof(reason)),
                     0);
    dispatch_register_message(SYN_ARRIVED, sizeof(struct syn_arrived), syn_arrived_here);
    dispatch_register_message(NIC_READY, sizeof(struct nic_ready), nic_ready_here);
    link_server_start(&configuration);
    assert_int_equal(ready_count, 0); /* the node need not wait for the NIC */
    while (fake_nic_filter_count() < STEERING_GROUP_COUNT / 2) {
        (void)dispatch_round();
    }
    return 0;
}

/* --- Frames --- */

struct test_frame {
    uint8_t bytes[200];
    uint16_t length_bytes;
};

static uint16_t port_owned_by(node_id_t ts)
{
    for (unsigned port = 40000;; port++) {
        if (steering_owner(&configuration, steering_group((uint16_t)port)) == ts) {
            return (uint16_t)port;
        }
    }
}

static struct test_frame tcp_frame(node_id_t owner, uint8_t flags)
{
    uint16_t port = port_owned_by(owner);
    struct test_frame frame = {.length_bytes = 60};
    uint8_t *ip = frame.bytes + 14;
    uint8_t *tcp = ip + 20;

    frame.bytes[12] = 0x08;
    ip[0] = 0x45;
    ip[3] = 40;
    ip[9] = 6;
    memcpy(ip + 12, (uint8_t[]){192, 0, 2, 1, 198, 51, 100, 2}, 8);
    tcp[0] = (uint8_t)(port >> 8);
    tcp[1] = (uint8_t)port;
    tcp[3] = 80;
    tcp[12] = 5 << 4;
    tcp[13] = flags;
    return frame;
}

static void receive(const struct test_frame *frame, uint32_t status)
{
    assert_true(fake_nic_receive(0, frame->bytes, frame->length_bytes, EOP | status, 0x110));
    assert_true(dispatch_round() > 0);
}

/* --- Bring-up --- */

static void transport_servers_learn_of_the_nic(void **state)
{
    const struct nic_ready *ready;

    (void)state;
    assert_int_equal(ready_count, 1);
    assert_memory_equal(last_ready.mac, ((uint8_t[]){0x52, 0x54, 0x00, 0x12, 0x34, 0x56}), 6);
    assert_int_equal(last_ready.is_link_up, 1);
    /* The other LS is told first, so that its queue is there when its TS starts. */
    const struct attach_queue *attach = fake_expect_message(OTHER_LS, ATTACH_QUEUE);

    assert_int_equal(attach->registers_paddr, 0xFEB00000);
    assert_int_equal(attach->queue_index, 1);
    ready = fake_expect_message(OTHER_LS, NIC_READY);
    assert_memory_equal(ready->mac, last_ready.mac, 6);
    fake_expect_no_message(2);
    fake_expect_no_message(3);
}

static void interrupts_go_to_the_nodes_of_their_queues(void **state)
{
    (void)state;
    assert_int_equal(msix_entry_count, 3);
    assert_int_equal(msix_entries[0].apic_id, 100);
    assert_int_equal(msix_entries[0].vector, INTERRUPT_VECTOR_NIC);
    assert_int_equal(msix_entries[1].apic_id, 101);
    assert_int_equal(msix_entries[1].vector, INTERRUPT_VECTOR_NIC);
    assert_int_equal(msix_entries[2].apic_id, 100);
    assert_int_equal(msix_entries[2].vector, INTERRUPT_VECTOR_NIC_OTHER);
}

static void only_queues_that_are_attached_are_steered_to(void **state)
{
    struct queue_attached attached = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(attached)}, .queue_index = 1};

    (void)state;
    assert_int_equal(fake_nic_filter_count(), 2048);
    assert_int_equal(fake_nic_get(0x0EB00), 0x00000000);

    fake_deliver(2, &attached.header); /* not the node of that queue */
    dispatch_round();
    assert_int_equal(fake_nic_filter_count(), 2048);
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), 1);

    fake_deliver(OTHER_LS, &attached.header);
    dispatch_round();
    assert_int_equal(fake_nic_filter_count(), 4096);
    assert_int_equal(fake_nic_get(0x0EB00), 0x01000100);
    for (unsigned group = 0; group < STEERING_GROUP_COUNT; group++) {
        assert_int_equal(fake_nic_filter((uint16_t)group)->command_register >> 16 & 0x7F,
                         steering_owner(&configuration, group));
    }
}

/* --- Receive --- */

static void frame_of_an_own_flow_is_handed_over_to_the_transport_server(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    received_count = 0;
    receive(&frame, TCP_GOOD);
    assert_int_equal(received_count, 1);
    assert_int_equal(received->length_bytes, 60);
    assert_int_equal(received->flags, FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    assert_memory_equal(received->data, frame.bytes, 60);
    received->release(received);
}

static void frame_of_another_servers_flow_is_forwarded(void **state)
{
    struct test_frame frame = tcp_frame(OTHER_LS, 0x10);
    const struct forward_frame *message;

    (void)state;
    received_count = 0;
    receive(&frame, TCP_GOOD);
    assert_int_equal(received_count, 0);
    message = fake_expect_message(OTHER_LS, FORWARD_FRAME);
    assert_int_equal(message->header.length_bytes, sizeof(*message) + 60);
    assert_int_equal(message->frame_flags, FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    assert_memory_equal(message->frame, frame.bytes, 60);
    assert_int_equal(counter_read(0, COUNTER_STEER_FORWARDED), 1);
}

static void syn_goes_to_the_connection_manager_with_its_flow(void **state)
{
    struct test_frame frame = tcp_frame(OTHER_LS, 0x02);

    (void)state;
    receive(&frame, TCP_GOOD);
    assert_int_equal(syn_count, 1);
    assert_int_equal(last_syn.ts, OTHER_LS);
    assert_int_equal(last_syn.header.length_bytes, offsetof(struct syn_arrived, frame) + 60);
    assert_memory_equal(&last_syn.flow, ((uint8_t[]){192, 0, 2, 1, 198, 51, 100, 2}), 8);
    assert_memory_equal(&last_syn.flow.remote_port, frame.bytes + 34, 4);
    fake_expect_no_message(OTHER_LS);
}

static void syn_too_long_for_its_message_goes_to_the_transport_server(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x02);

    (void)state;
    frame.bytes[14 + 3] = 140; /* with data, as in TCP fast open */
    frame.length_bytes = 154;
    received_count = syn_count = 0;
    receive(&frame, TCP_GOOD);
    assert_int_equal(syn_count, 0);
    assert_int_equal(received_count, 1);
    received->release(received);
}

static void bad_frames_are_counted_and_dropped(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    received_count = 0;
    receive(&frame, TCP_GOOD | 0x40000000);
    assert_int_equal(counter_read(0, COUNTER_DROP_CHECKSUM), 1);
    frame.length_bytes = 13;
    receive(&frame, 0);
    assert_int_equal(counter_read(0, COUNTER_DROP_TRUNCATED), 1);
    assert_int_equal(received_count, 0);
}

static void full_channel_costs_frames_not_service(void **state)
{
    struct test_frame remote = tcp_frame(OTHER_LS, 0x10);
    struct test_frame local = tcp_frame(0, 0x10);
    unsigned forwarded = 0;

    (void)state;
    while (counter_read(0, COUNTER_DROP_CHANNEL_FULL) == 0) {
        receive(&remote, TCP_GOOD);
    }
    received_count = 0;
    receive(&local, TCP_GOOD);
    assert_int_equal(received_count, 1);
    received->release(received);
    while (fake_take_message(OTHER_LS) != NULL) {
        forwarded++;
    }
    assert_true(forwarded > 50);
    receive(&remote, TCP_GOOD);
    (void)fake_expect_message(OTHER_LS, FORWARD_FRAME);
}

static void put_ack(struct test_frame *frame, uint8_t acknowledgment)
{
    frame->bytes[14 + 20 + 11] = acknowledgment;
}

static void arrive(const struct test_frame *frame)
{
    assert_true(fake_nic_receive(0, frame->bytes, frame->length_bytes, EOP | TCP_GOOD, 0x110));
}

static void acknowledgements_in_a_row_are_merged_into_the_last(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    received_count = 0;
    for (uint8_t i = 1; i <= 5; i++) {
        put_ack(&frame, i);
        arrive(&frame);
    }
    dispatch_round();
    assert_int_equal(received_count, 1);
    assert_int_equal(received->data[14 + 20 + 11], 5);
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_MERGED), 4);
    received->release(received);
}

static void duplicate_acknowledgements_are_all_handed_over(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    received_count = 0;
    for (unsigned i = 0; i < 3; i++) {
        arrive(&frame);
    }
    dispatch_round();
    assert_int_equal(received_count, 3);
}

static void frames_stay_in_order_around_an_acknowledgement(void **state)
{
    struct test_frame ack = tcp_frame(0, 0x10);
    struct test_frame remote_ack = tcp_frame(OTHER_LS, 0x10);
    struct test_frame data = tcp_frame(0, 0x18);

    (void)state;
    received_count = 0;
    put_ack(&ack, 1);
    arrive(&ack);
    put_ack(&data, 2);
    arrive(&data); /* acknowledges more, too, but is not bare */
    put_ack(&remote_ack, 3);
    arrive(&remote_ack); /* of another flow */
    put_ack(&ack, 4);
    arrive(&ack);
    dispatch_round();
    assert_int_equal(received_count, 3);
    assert_int_equal(received->data[14 + 20 + 11], 4);
    (void)fake_expect_message(OTHER_LS, FORWARD_FRAME);
}

/* --- Transmit --- */

static void frames_of_a_round_leave_with_one_tail_write(void **state)
{
    struct fake_nic_sent sent;
    struct frame_to_send frame = {
        .fragments = {{"0123456789abcdef", 16}}, .fragment_count = 1, .length_bytes = 16};
    struct test_frame arrived = tcp_frame(0, 0x10);
    unsigned before = fake_nic_writes_to(0x6018);

    (void)state;
    assert_int_equal(link_server_transmit(&frame), 0);
    assert_int_equal(link_server_transmit(&frame), 0);
    assert_false(fake_nic_transmit(0, &sent));
    receive(&arrived, TCP_GOOD);
    received->release(received);
    assert_int_equal(fake_nic_writes_to(0x6018), before + 1);
    assert_true(fake_nic_transmit(0, &sent));
    assert_memory_equal(sent.data, "0123456789abcdef", 16);
    assert_true(fake_nic_transmit(0, &sent));
}

static void deliver_transmit_frame(size_t frame_bytes, uint16_t offload, uint8_t ip_header_bytes)
{
    uint8_t bytes[FRAME_MAX_BYTES + 1];
    struct transmit_frame message = {.header.type = TRANSMIT_FRAME,
                                     .offload = offload,
                                     .ip_header_offset = 14,
                                     .ip_header_bytes = ip_header_bytes};

    memset(bytes, 0x42, sizeof(bytes));
    fake_deliver_payload(OTHER_LS, &message.header, sizeof(message), bytes, frame_bytes);
    dispatch_round();
}

static void frame_of_a_transport_server_elsewhere_is_copied_and_sent(void **state)
{
    struct fake_nic_sent sent;

    (void)state;
    deliver_transmit_frame(FRAME_MAX_BYTES, FRAME_INSERT_TCP_CHECKSUM, 20);
    assert_true(fake_nic_transmit(0, &sent));
    assert_int_equal(sent.length_bytes, FRAME_MAX_BYTES);
    assert_int_equal(sent.context_lengths, 14 << 9 | 20);
    assert_int_equal(sent.first_status & 0x300, 0x200);
}

static void impossible_frames_to_send_are_refused(void **state)
{
    uint64_t before = counter_read(0, COUNTER_DROP_BAD_MESSAGE);
    struct fake_nic_sent sent;

    (void)state;
    deliver_transmit_frame(13, 0, 0);
    deliver_transmit_frame(FRAME_MAX_BYTES + 1, 0, 0);
    deliver_transmit_frame(33, FRAME_INSERT_IP_CHECKSUM, 20);
    deliver_transmit_frame(60, FRAME_INSERT_IP_CHECKSUM, 16);
    deliver_transmit_frame(60, FRAME_SEGMENT_TCP, 20); /* a message says nothing of segments */
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), before + 5);
    assert_false(fake_nic_transmit(0, &sent));
}

/* --- Sleep --- */

static void settle(void)
{
    while (dispatch_round() > 0) {
    }
}

static void arrive_asleep(void)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    assert_true(fake_nic_receive(0, frame.bytes, frame.length_bytes, EOP, 0));
    interrupts[INTERRUPT_VECTOR_NIC]++;
}

static void do_nothing_asleep(void)
{
}

static void interrupt_is_unmasked_before_sleep_and_only_when_it_was_taken(void **state)
{
    unsigned unmasked;

    (void)state;
    settle();
    fake_on_sleep(do_nothing_asleep);
    dispatch_sleep();
    unmasked = fake_nic_writes_to(EIMS_EX_REGISTER);
    assert_true(unmasked >= 1);
    dispatch_sleep(); /* woken by another node's message: it is still unmasked */
    assert_int_equal(fake_nic_writes_to(EIMS_EX_REGISTER), unmasked);

    fake_on_sleep(arrive_asleep);
    dispatch_sleep();
    received_count = 0;
    settle();
    assert_int_equal(received_count, 1);
    received->release(received);
    fake_on_sleep(do_nothing_asleep);
    dispatch_sleep();
    assert_int_equal(fake_nic_writes_to(EIMS_EX_REGISTER), unmasked + 1);
    assert_int_equal(counter_read(0, COUNTER_NIC_INTERRUPTS), 1);
}

static void frame_that_came_before_sleep_keeps_the_node_awake(void **state)
{
    unsigned sleeps = fake_sleeps();
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    settle();
    assert_true(fake_nic_receive(0, frame.bytes, frame.length_bytes, EOP, 0));
    dispatch_sleep();
    assert_int_equal(fake_sleeps(), sleeps);
    received_count = 0;
    settle();
    assert_int_equal(received_count, 1);
    received->release(received);
}

static void frame_sent_after_the_flush_still_leaves_before_sleep(void **state)
{
    struct fake_nic_sent sent;
    struct frame_to_send frame = {
        .fragments = {{"0123456789abcdef", 16}}, .fragment_count = 1, .length_bytes = 16};

    (void)state;
    settle();
    assert_int_equal(link_server_transmit(&frame), 0);
    dispatch_sleep();
    assert_true(fake_nic_transmit(0, &sent));
}

static void count_done(void *context)
{
    (*(unsigned *)context)++;
}

static void many_frames_in_flight_are_looked_after_by_a_timer(void **state)
{
    unsigned done_count = 0;
    struct frame_to_send frame = {
        .fragments = {{"0123456789abcdef", 16}},
        .fragment_count = 1,
        .length_bytes = 16,
        .done = count_done,
        .context = &done_count,
    };
    struct fake_nic_sent sent;
    uint64_t deadline_ns;

    (void)state;
    settle();
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(link_server_transmit(&frame), 0);
    }
    dispatch_sleep();
    deadline_ns = fake_last_sleep_deadline_ns();
    assert_in_range(deadline_ns, 1, platform_now_ns() + 2 * NS_PER_MS);
    settle();
    dispatch_sleep(); /* nothing has been sent: the next look is later */
    assert_true(fake_last_sleep_deadline_ns() > deadline_ns);
    while (fake_nic_transmit(0, &sent)) {
    }
    settle();
    assert_int_equal(done_count, 300);
    fake_on_sleep(do_nothing_asleep);
    dispatch_sleep(); /* the timer that is still set */
    settle();
    dispatch_sleep();
    assert_int_equal(fake_last_sleep_deadline_ns(), UINT64_MAX);
}

static void link_goes_down(void)
{
    fake_nic_set(LINKS_REGISTER, 0);
    interrupts[INTERRUPT_VECTOR_NIC_OTHER]++;
}

static void change_of_the_link_is_told_to_all_transport_servers(void **state)
{
    const struct nic_ready *ready;

    (void)state;
    settle();
    fake_on_sleep(link_goes_down);
    dispatch_sleep();
    settle();
    fake_on_sleep(do_nothing_asleep);
    dispatch_sleep();
    assert_non_null(strstr(fake_nic_last_log(), "down"));
    assert_int_equal(last_ready.is_link_up, 0);
    ready = fake_expect_message(OTHER_LS, NIC_READY);
    assert_int_equal(ready->is_link_up, 0);
    assert_int_equal(fake_nic_get(EICR_REGISTER) & 0x100000, 0x100000); /* acknowledged */

    fake_nic_set(LINKS_REGISTER, 0x74000080);
    interrupts[INTERRUPT_VECTOR_NIC_OTHER]++;
    dispatch_sleep();
    assert_non_null(strstr(fake_nic_last_log(), "10000"));
    assert_int_equal(last_ready.is_link_up, 1);
}

/* Also the link, which a busy node would otherwise not look at. */
static void lost_frames_are_counted_once_a_second(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    fake_nic_set(0x01430, 5);
    fake_nic_set(0x03FA0, 2);
    fake_advance_ns(2 * NS_PER_S);
    receive(&frame, 0);
    received->release(received);
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_MISSED), 7);
    receive(&frame, 0);
    received->release(received);
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_MISSED), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transport_servers_learn_of_the_nic),
        cmocka_unit_test(interrupts_go_to_the_nodes_of_their_queues),
        cmocka_unit_test(only_queues_that_are_attached_are_steered_to),
        cmocka_unit_test(frame_of_an_own_flow_is_handed_over_to_the_transport_server),
        cmocka_unit_test(frame_of_another_servers_flow_is_forwarded),
        cmocka_unit_test(syn_goes_to_the_connection_manager_with_its_flow),
        cmocka_unit_test(syn_too_long_for_its_message_goes_to_the_transport_server),
        cmocka_unit_test(acknowledgements_in_a_row_are_merged_into_the_last),
        cmocka_unit_test(duplicate_acknowledgements_are_all_handed_over),
        cmocka_unit_test(frames_stay_in_order_around_an_acknowledgement),
        cmocka_unit_test(bad_frames_are_counted_and_dropped),
        cmocka_unit_test(full_channel_costs_frames_not_service),
        cmocka_unit_test(frames_of_a_round_leave_with_one_tail_write),
        cmocka_unit_test(frame_of_a_transport_server_elsewhere_is_copied_and_sent),
        cmocka_unit_test(impossible_frames_to_send_are_refused),
        cmocka_unit_test(interrupt_is_unmasked_before_sleep_and_only_when_it_was_taken),
        cmocka_unit_test(frame_that_came_before_sleep_keeps_the_node_awake),
        cmocka_unit_test(frame_sent_after_the_flush_still_leaves_before_sleep),
        cmocka_unit_test(many_frames_in_flight_are_looked_after_by_a_timer),
        cmocka_unit_test(change_of_the_link_is_told_to_all_transport_servers),
        cmocka_unit_test(lost_frames_are_counted_once_a_second),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
