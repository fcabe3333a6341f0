/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests what the log says of floods: two lines for each, whatever its size, and none for a packet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/status.h"
#include "net/counters.h"
#include "net/transport/overload.h"
#include "net/transport/tcp/flood.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

static uint32_t read_position;

/* The next line of the node's log, or NULL. */
static const char *next_line(void)
{
    static char line[256];
    size_t length = status_log_read(0, &read_position, line, sizeof(line) - 1);

    line[length] = '\0';
    return length == 0 ? NULL : line;
}

static int set_up(void **state)
{
    int result = wire_set_up(state);

    while (next_line() != NULL) {
    }
    return result;
}

/* Each from another address beyond the gateway, as such floods come. */
static void send_syns(unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        struct segment syn = {
            .client_port = 1024, .flags = WIRE_SYN, .sequence = 77, .window = 65535};
        uint8_t bytes[FRAME_MAX_BYTES];
        size_t length = wire_build(bytes, &syn);
        uint32_t source = 0x0000000A | (i + 1) << 8; /* 10.x.x.x */

        memcpy(bytes + 14 + 12, &source, 4);
        wire_seal(bytes);
        wire_assign_frame(bytes, length, NODE_APPLICATION, false);
        wire_clear();
    }
}

static void pass_seconds(unsigned count)
{
    for (unsigned i = 0; i < 10 * count; i++) {
        wire_advance_ns(100 * NS_PER_MS);
        wire_clear();
    }
}

static void a_syn_flood_is_one_line_at_its_start_and_one_at_its_end(void **state)
{
    const char *line;

    (void)state;
    send_syns(0, FLOOD_COOKIES_FROM);
    assert_null(next_line()); /* all have entries */
    send_syns(FLOOD_COOKIES_FROM, 700);
    line = next_line();
    assert_non_null(line);
    assert_non_null(strstr(line, "ts: SYN flood: 3072 handshakes are going on, further SYNs get"));
    pass_seconds(3);
    send_syns(FLOOD_COOKIES_FROM + 700, 300);
    pass_seconds(9);
    assert_null(next_line());
    pass_seconds(1);
    line = next_line();
    assert_non_null(line);
    assert_non_null(strstr(line, "the SYN flood is over: 1000 SYNs got cookies in 3 s"));
    assert_null(next_line());

    /* And the next one, when the handshakes of the first are forgotten: some in each round. */
    pass_seconds(10);
    send_syns(0, FLOOD_COOKIES_FROM + 1);
    line = next_line();
    assert_non_null(line);
    assert_non_null(strstr(line, "SYN flood"));
    pass_seconds(10);
    line = next_line();
    assert_non_null(line);
    assert_non_null(strstr(line, "over: 1 SYNs got cookies in 0 s"));
    assert_null(next_line());
}

/* Resets, refused SYNs, bad checksums, acknowledgements of nothing: counted, all of them. */
static void no_other_flood_writes_to_the_log(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 77};
    struct segment segment = {
        .client_port = 999, .flags = WIRE_ACK, .window = 1000, .sequence = 1, .length = 0};
    uint8_t bytes[FRAME_MAX_BYTES];
    uint64_t bad = wire_counted(COUNTER_DROP_CHECKSUM);
    size_t length = wire_build(bytes, &segment);

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        wire_receive_frame(bytes, length, FRAME_CHECKSUM_BAD);
        wire_receive_frame(bytes, length / 2, 0);
        wire_send(&client, WIRE_RST, NULL, 0);
        wire_send(&client, WIRE_ACK, NULL, 0);
        wire_assign(&client, NODE_NONE, true);
        wire_clear();
    }
    assert_true(wire_counted(COUNTER_DROP_CHECKSUM) - bad >= 2000);
    assert_null(next_line());
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_syn_flood_is_one_line_at_its_start_and_one_at_its_end),
        TEST(no_other_flood_writes_to_the_log),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
