/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/datagram.c over the real lwIP: who has which port, datagrams in and out, and
 * what ICMP says of them. The transport server under test lives as long as the process; each test
 * gives its ports back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/transport/datagram.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"

#define IP          14u
#define UDP         (IP + 20)
#define DATA        (UDP + 8)
#define PORT        5353
#define CLIENT_PORT 40000
#define GOOD        (FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD)
#define SUBNETS     0xFF01A8C0u /* 192.168.1.255 */

/* --- The applications --- */

static void ask(node_id_t from, uint16_t port, enum bind_port_kind kind)
{
    const struct bind_port message = {
        .header = {.type = BIND_PORT, .length_bytes = sizeof(message)},
        .port = port,
        .kind = kind,
        .request_number = 77,
    };

    fake_deliver(from, &message.header);
    wire_run();
}

static void expect_answer(node_id_t to, uint32_t error_number)
{
    const struct port_bound *answer = fake_expect_message(to, PORT_BOUND);

    assert_int_equal(answer->request_number, 77);
    assert_int_equal(answer->error_number, error_number);
}

static void bind_port(void)
{
    ask(NODE_APPLICATION, PORT, BIND_PORT_ASK);
    expect_answer(NODE_APPLICATION, 0);
}

static void free_port(void)
{
    ask(NODE_APPLICATION, PORT, BIND_PORT_FREE);
    fake_expect_no_message(NODE_APPLICATION);
    assert_false(datagram_is_applications(PORT));
}

static void send_from(uint16_t local_port, uint32_t address, const void *bytes, size_t length)
{
    struct send_datagram message = {
        .header = {.type = SEND_DATAGRAM},
        .remote_address = address,
        .remote_port = CLIENT_PORT,
        .local_port = local_port,
    };

    fake_deliver_payload(NODE_APPLICATION, &message.header, sizeof(message), bytes, length);
    wire_run();
}

/* --- The wire --- */

static size_t build(uint8_t *frame, uint32_t destination, uint16_t port, const char *text)
{
    size_t length = DATA + strlen(text);

    memset(frame, 0, FRAME_MAX_BYTES);
    memcpy(frame, (const uint8_t[]){0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 2, 8, 0}, IP);
    frame[IP] = 0x45;
    store_be16(frame + IP + 2, (uint16_t)(length - IP));
    frame[IP + 8] = 64;
    frame[IP + 9] = 17;
    memcpy(frame + IP + 12, &(uint32_t){WIRE_CLIENT_ADDRESS}, 4);
    memcpy(frame + IP + 16, &destination, 4);
    store_be16(frame + UDP, CLIENT_PORT);
    store_be16(frame + UDP + 2, port);
    store_be16(frame + UDP + 4, (uint16_t)(length - UDP));
    memcpy(frame + DATA, text, strlen(text));
    wire_seal(frame);
    return length;
}

static void receive(uint32_t destination, uint16_t port, const char *text, uint16_t flags)
{
    uint8_t frame[FRAME_MAX_BYTES];

    wire_receive_frame(frame, build(frame, destination, port, text), flags);
    wire_run();
}

static void expect_arrived(uint32_t destination, const char *text)
{
    const struct datagram_arrived *arrived =
        fake_expect_message(NODE_APPLICATION, DATAGRAM_ARRIVED);
    struct message_payload payload = fake_payload(arrived, sizeof(*arrived));

    assert_int_equal(arrived->remote_address, WIRE_CLIENT_ADDRESS);
    assert_int_equal(arrived->remote_port, CLIENT_PORT);
    assert_int_equal(arrived->local_address, destination);
    assert_int_equal(arrived->local_port, PORT);
    assert_int_equal(payload.length_bytes, strlen(text));
    assert_memory_equal(payload.bytes, text, payload.length_bytes);
}

/* An ICMP message is the answer. */
static void expect_unreachable(void)
{
    const uint8_t *bytes;
    size_t length;

    assert_true(wire_take_other(&bytes, &length));
    assert_int_equal(bytes[IP + 9], 1);
    assert_int_equal(bytes[UDP], 3);
    assert_int_equal(bytes[UDP + 1], 3);
}

/* --- Ports --- */

static void a_port_is_one_applications(void **state)
{
    (void)state;
    bind_port();
    bind_port();                             /* asked again */
    ask(NODE_OTHER_CM, PORT, BIND_PORT_ASK); /* which runs no application */
    fake_expect_no_message(NODE_OTHER_CM);
    free_port();
    ask(NODE_APPLICATION, 0, BIND_PORT_ASK);
    ask(NODE_APPLICATION, PORT, BIND_PORT_FREE + 1);
    fake_expect_no_message(NODE_APPLICATION);
    assert_false(datagram_is_applications(PORT));
}

static void what_is_told_takes_the_port_whoever_had_it(void **state)
{
    (void)state;
    ask(NODE_APPLICATION, PORT, BIND_PORT_TELL);
    expect_answer(NODE_APPLICATION, 0);
    assert_true(datagram_is_applications(PORT));
    free_port();
}

static void a_dead_applications_ports_are_free(void **state)
{
    (void)state;
    bind_port();
    datagram_lose_node(NODE_CM);
    assert_true(datagram_is_applications(PORT));
    datagram_lose_node(NODE_APPLICATION);
    assert_false(datagram_is_applications(PORT));
}

/* --- In --- */

static void a_datagram_goes_to_whose_port_it_is(void **state)
{
    uint64_t before = wire_counted(COUNTER_DATAGRAMS_RECEIVED);

    (void)state;
    receive(WIRE_OWN_ADDRESS, PORT, "early", GOOD);
    expect_unreachable();
    bind_port();
    receive(WIRE_OWN_ADDRESS, PORT, "hello", GOOD);
    expect_arrived(WIRE_OWN_ADDRESS, "hello");
    receive(WIRE_OWN_ADDRESS, PORT, "", GOOD);
    expect_arrived(WIRE_OWN_ADDRESS, "");
    receive(SUBNETS, PORT, "all", GOOD);
    expect_arrived(SUBNETS, "all");
    assert_int_equal(wire_counted(COUNTER_DATAGRAMS_RECEIVED), before + 3);
    free_port();
    receive(WIRE_OWN_ADDRESS, PORT, "late", GOOD);
    expect_unreachable();
    receive(SUBNETS, PORT, "late", GOOD); /* not a word about that */
    wire_expect_silence();
}

static void a_bad_checksum_is_refused_and_none_is_taken(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_CHECKSUM);
    uint8_t frame[FRAME_MAX_BYTES];
    size_t length = build(frame, WIRE_OWN_ADDRESS, PORT, "hello");

    (void)state;
    bind_port();
    receive(WIRE_OWN_ADDRESS, PORT, "hello", FRAME_IP_CHECKSUM_GOOD);
    expect_arrived(WIRE_OWN_ADDRESS, "hello");
    frame[DATA] ^= 1;
    wire_receive_frame(frame, length, FRAME_IP_CHECKSUM_GOOD);
    wire_run();
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(wire_counted(COUNTER_DROP_CHECKSUM), before + 1);
    store_be16(frame + UDP + 6, 0);
    frame[DATA] ^= 1;
    wire_receive_frame(frame, length, FRAME_IP_CHECKSUM_GOOD);
    wire_run();
    expect_arrived(WIRE_OWN_ADDRESS, "hello");
    free_port();
}

static void what_the_channel_has_no_room_for_is_lost_and_counted(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_CHANNEL_FULL);
    unsigned count = 0;

    (void)state;
    bind_port();
    while (wire_counted(COUNTER_DROP_CHANNEL_FULL) == before) {
        receive(WIRE_OWN_ADDRESS, PORT, "hello", GOOD);
        assert_true(count++ < 1000000);
    }
    for (; count > 1; count--) {
        expect_arrived(WIRE_OWN_ADDRESS, "hello");
    }
    fake_expect_no_message(NODE_APPLICATION);
    free_port();
}

/* --- Out --- */

static void a_datagram_is_sent_from_its_port(void **state)
{
    const uint8_t *bytes;
    size_t length;

    (void)state;
    bind_port();
    send_from(PORT, WIRE_CLIENT_ADDRESS, "question", 8);
    assert_true(wire_take_other(&bytes, &length));
    assert_int_equal(length, DATA + 8);
    assert_int_equal(bytes[IP + 9], 17);
    assert_int_equal(load_be16(bytes + UDP), PORT);
    assert_int_equal(load_be16(bytes + UDP + 2), CLIENT_PORT);
    assert_int_equal(load_be16(bytes + UDP + 4), 16);
    assert_memory_equal(bytes + DATA, "question", 8);
    /* To all on the link, whatever the gateway. */
    send_from(PORT, UINT32_MAX, "all", 3);
    assert_true(wire_take_other(&bytes, &length));
    assert_memory_equal(bytes, "\xFF\xFF\xFF\xFF\xFF\xFF", 6);
    free_port();
}

static void a_long_one_goes_in_fragments(void **state)
{
    static uint8_t data[3000];
    const uint8_t *bytes;
    size_t length, total = 0;

    (void)state;
    bind_port();
    send_from(PORT, WIRE_CLIENT_ADDRESS, data, sizeof(data));
    while (wire_take_other(&bytes, &length)) {
        assert_true((load_be16(bytes + IP + 6) & 0x3FFF) != 0);
        total += length - UDP;
    }
    assert_int_equal(total, 8 + sizeof(data));
    free_port();
}

static void what_no_application_may_send_is_not_sent(void **state)
{
    static uint8_t data[DATAGRAM_MAX_BYTES + 1];
    uint64_t before = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    send_from(PORT, WIRE_CLIENT_ADDRESS, "x", 1); /* not bound */
    bind_port();
    send_from(PORT, 0, "x", 1);
    send_from(0, WIRE_CLIENT_ADDRESS, "x", 1);
    send_from(PORT, WIRE_CLIENT_ADDRESS, data, sizeof(data));
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), before + 3);
    free_port();
}

static void one_to_ourselves_comes_back(void **state)
{
    const struct datagram_arrived *arrived;

    (void)state;
    bind_port();
    ask(NODE_APPLICATION, CLIENT_PORT, BIND_PORT_ASK);
    expect_answer(NODE_APPLICATION, 0);
    send_from(PORT, WIRE_OWN_ADDRESS, "me", 2);
    arrived = fake_expect_message(NODE_APPLICATION, DATAGRAM_ARRIVED);
    assert_int_equal(arrived->remote_address, WIRE_OWN_ADDRESS);
    assert_int_equal(arrived->remote_port, PORT);
    assert_int_equal(arrived->local_port, CLIENT_PORT);
    ask(NODE_APPLICATION, CLIENT_PORT, BIND_PORT_FREE);
    /* And a refusal, too. */
    send_from(PORT, WIRE_OWN_ADDRESS, "me", 2);
    (void)fake_expect_message(NODE_APPLICATION, DATAGRAM_REFUSED);
    wire_expect_silence();
    free_port();
}

/* --- ICMP --- */

/* From the client, about a datagram from our port; returns its length. */
static size_t build_refusal(uint8_t *frame, uint16_t local_port)
{
    uint8_t *icmp = frame + UDP, *quoted = icmp + 8;

    (void)build(frame, WIRE_OWN_ADDRESS, PORT, "");
    frame[IP + 9] = 1;
    store_be16(frame + IP + 2, 20 + 8 + 28);
    memset(icmp, 0, 8);
    icmp[0] = 3;
    icmp[1] = 3;
    memset(quoted, 0, 28);
    quoted[0] = 0x45;
    quoted[9] = 17;
    memcpy(quoted + 12, &(uint32_t){WIRE_OWN_ADDRESS}, 4);
    memcpy(quoted + 16, &(uint32_t){WIRE_CLIENT_ADDRESS}, 4);
    store_be16(quoted + 20, local_port);
    store_be16(quoted + 22, CLIENT_PORT);
    wire_seal(frame);
    return IP + 20 + 8 + 28;
}

static void who_is_refused_is_told(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_PROTOCOL);
    uint8_t frame[FRAME_MAX_BYTES];
    const struct datagram_refused *refused;

    (void)state;
    bind_port();
    wire_receive_frame(frame, build_refusal(frame, PORT), FRAME_IP_CHECKSUM_GOOD);
    wire_run();
    refused = fake_expect_message(NODE_APPLICATION, DATAGRAM_REFUSED);
    assert_int_equal(refused->remote_address, WIRE_CLIENT_ADDRESS);
    assert_int_equal(refused->remote_port, CLIENT_PORT);
    assert_int_equal(refused->local_port, PORT);
    wire_receive_frame(frame, build_refusal(frame, PORT + 1), FRAME_IP_CHECKSUM_GOOD);
    wire_run();
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before + 1);
    free_port();
}

/* Cut anywhere, and every byte of the quotation wrong: nothing but a refusal comes of it. */
static void a_quotation_may_be_any_bytes(void **state)
{
    uint8_t frame[FRAME_MAX_BYTES];

    (void)state;
    bind_port();
    for (size_t cut = UDP + 8; cut < UDP + 8 + 28; cut++) {
        (void)build_refusal(frame, PORT);
        store_be16(frame + IP + 2, (uint16_t)(cut - IP));
        wire_seal(frame);
        wire_receive_frame(frame, cut, FRAME_IP_CHECKSUM_GOOD);
        wire_run();
        fake_expect_no_message(NODE_APPLICATION);
    }
    for (size_t at = UDP + 8; at < UDP + 8 + 20; at++) {
        size_t length = build_refusal(frame, PORT);
        frame[at] ^= 0xFF;
        wire_seal(frame);
        wire_receive_frame(frame, length, FRAME_IP_CHECKSUM_GOOD);
        wire_run();
        while (fake_take_message(NODE_APPLICATION) != NULL) {
        }
    }
    free_port();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_is_one_applications),
        cmocka_unit_test(what_is_told_takes_the_port_whoever_had_it),
        cmocka_unit_test(a_dead_applications_ports_are_free),
        cmocka_unit_test(a_datagram_goes_to_whose_port_it_is),
        cmocka_unit_test(a_bad_checksum_is_refused_and_none_is_taken),
        cmocka_unit_test(what_the_channel_has_no_room_for_is_lost_and_counted),
        cmocka_unit_test(a_datagram_is_sent_from_its_port),
        cmocka_unit_test(a_long_one_goes_in_fragments),
        cmocka_unit_test(what_no_application_may_send_is_not_sent),
        cmocka_unit_test(one_to_ourselves_comes_back),
        cmocka_unit_test(who_is_refused_is_told),
        cmocka_unit_test(a_quotation_may_be_any_bytes),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
