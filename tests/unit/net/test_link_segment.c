/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_ixgbe.c tests/unit/world/ls_world.c */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests net/link/transmit.c: long segments of transport servers on other nodes, which refer to the
 * boot archive. Its memory ends where it ends: an access beyond is the sanitizer's to find.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/ls_ixgbe.h"

#define ARCHIVE_BYTES 70000u
#define HEADERS_BYTES 54u
#define SEGMENT_BYTES 1460u

static uint8_t *archive;
static uint8_t copied[FRAME_MAX_BYTES + 1];
static struct fake_nic_sent sent;

static int start(void **state)
{
    (void)start_link_server(state);
    (void)fake_expect_message(OTHER_LS, ATTACH_QUEUE);
    (void)fake_expect_message(OTHER_LS, NIC_READY);
    archive = malloc(ARCHIVE_BYTES);
    assert_non_null(archive);
    for (unsigned i = 0; i < ARCHIVE_BYTES; i++) {
        archive[i] = (uint8_t)(i ^ i >> 8);
    }
    for (unsigned i = 0; i < sizeof(copied); i++) {
        copied[i] = (uint8_t)(0x80 + i);
    }
    fake_set_archive(archive, ARCHIVE_BYTES);
    return 0;
}

/* Headers, ten bytes and 10,000 of the archive, to be cut. */
static struct transmit_segment long_segment(void)
{
    return (struct transmit_segment){
        .header.type = TRANSMIT_SEGMENT,
        .segment_bytes = SEGMENT_BYTES,
        .ip_header_bytes = 20,
        .tcp_header_bytes = 20,
        .runs = {{.archive_offset = 100, .archive_bytes = 10000, .copied_bytes = 64}},
    };
}

static void deliver(struct transmit_segment message, size_t copied_bytes)
{
    fake_deliver_payload(OTHER_LS, &message.header, sizeof(message), copied, copied_bytes);
    dispatch_round();
}

static void a_long_segment_is_gathered_and_cut_by_the_nic(void **state)
{
    (void)state;
    deliver(long_segment(), 64);
    assert_true(fake_nic_transmit(0, &sent));
    assert_int_equal(sent.length_bytes, 10064);
    assert_int_equal(sent.descriptor_count, 2);
    assert_memory_equal(sent.data, copied, 64);
    assert_memory_equal(sent.data + 64, archive + 100, 10000);
    assert_true((sent.first_command & 0x80000000) != 0); /* to be cut */
    assert_int_equal(sent.first_status >> 14, 10064 - HEADERS_BYTES);
    assert_int_equal(sent.first_status & 0x300, 0x300); /* both checksums */
    assert_int_equal(sent.context_lengths, 14 << 9 | 20);
    assert_int_equal(sent.context_cut, SEGMENT_BYTES << 16 | 20 << 8);
    assert_false(fake_nic_transmit(0, &sent));
}

/* In the order of the runs; what is longer than a descriptor can say takes several. */
static void runs_follow_each_other(void **state)
{
    struct transmit_segment message = long_segment();

    (void)state;
    message.runs[1] = (struct transmit_run){.archive_offset = 0, .archive_bytes = 3000};
    message.runs[2] = (struct transmit_run){
        .archive_offset = ARCHIVE_BYTES - 40000, .archive_bytes = 40000, .copied_bytes = 6};
    deliver(message, 70);
    assert_true(fake_nic_transmit(0, &sent));
    assert_int_equal(sent.length_bytes, 70 + 53000);
    assert_memory_equal(sent.data, copied, 64);
    assert_memory_equal(sent.data + 64, archive + 100, 10000);
    assert_memory_equal(sent.data + 10064, archive, 3000);
    assert_memory_equal(sent.data + 13064, copied + 64, 6);
    assert_memory_equal(sent.data + 13070, archive + ARCHIVE_BYTES - 40000, 40000);
    assert_int_equal(sent.descriptor_count, 4 + 3);
}

static void a_short_segment_is_not_cut(void **state)
{
    struct transmit_segment message = long_segment();

    (void)state;
    message.segment_bytes = 0;
    message.runs[0].archive_bytes = FRAME_MAX_BYTES - 64;
    deliver(message, 64);
    assert_true(fake_nic_transmit(0, &sent));
    assert_int_equal(sent.length_bytes, FRAME_MAX_BYTES);
    assert_int_equal(sent.first_command & 0x80000000, 0);
    assert_int_equal(sent.first_status & 0x300, 0x300);
}

/* Each differs from a good one in one thing, and by as little as makes it wrong. */
static void what_a_hostile_server_says_is_refused(void **state)
{
    /* clang-format off: a table */
    static const struct {
        const char *what;
        uint16_t copied_bytes, segment_bytes;
        uint8_t ip_bytes, tcp_bytes;
        struct transmit_run runs[TRANSMIT_RUN_MAX];
    } rows[] = {
        /*                           follow cut into IP TCP   offset, archive's, copied */
        {"beyond the archive", 64, 1460, 20, 20, {{ARCHIVE_BYTES - 9999, 10000, 64, 0}}},
        {"starts beyond it", 64, 1460, 20, 20, {{ARCHIVE_BYTES + 1, 10000, 64, 0}}},
        {"wraps", 64, 1460, 20, 20, {{UINT64_MAX - 9998, 10000, 64, 0}}},
        {"the last run beyond it",
         64,
         1460,
         20,
         20,
         {{0, 10000, 64, 0}, {0, 0, 0, 0}, {ARCHIVE_BYTES, 1, 0, 0}}},
        {"more than has come", 64, 1460, 20, 20, {{0, 10000, 65, 0}}},
        {"less than has come", 64, 1460, 20, 20, {{0, 10000, 63, 0}}},
        {"more, in a later run", 64, 1460, 20, 20, {{0, 10000, 60, 0}, {0, 0, 5, 0}}},
        {"too much to copy", 1515, 1460, 20, 20, {{0, 10000, 1515, 0}}},
        {"too long", 64, 1460, 20, 20, {{0, 65472, 64, 0}}},
        {"much too long", 64, 1460, 20, 20, {{0, 60000, 64, 0}, {0, 60000, 0, 0}}},
        {"headers in two runs", 64, 1460, 20, 20, {{0, 10000, 53, 0}, {0, 0, 11, 0}}},
        {"headers in the archive", 0, 1460, 20, 20, {{0, 10000, 0, 0}}},
        {"a short IP header", 64, 1460, 19, 20, {{0, 10000, 64, 0}}},
        {"a long IP header", 100, 1400, 61, 20, {{0, 10000, 100, 0}}},
        {"a short TCP header", 64, 1460, 20, 19, {{0, 10000, 64, 0}}},
        {"a long TCP header", 100, 1400, 20, 61, {{0, 10000, 100, 0}}},
        {"pieces longer than a frame", 64, 1461, 20, 20, {{0, 10000, 64, 0}}},
        {"nothing to cut", 64, 1460, 20, 20, {{0, 1450, 64, 0}}},
        {"long, and not to be cut", 64, 0, 20, 20, {{0, 1451, 64, 0}}},
        {"headers alone", 54, 0, 20, 20, {{0, 0, 54, 0}}},
    };
    /* clang-format on */

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
        uint64_t before = counter_read(0, COUNTER_DROP_BAD_MESSAGE);
        struct transmit_segment message = long_segment();

        message.segment_bytes = rows[i].segment_bytes;
        message.ip_header_bytes = rows[i].ip_bytes;
        message.tcp_header_bytes = rows[i].tcp_bytes;
        memcpy(message.runs, rows[i].runs, sizeof(message.runs));
        deliver(message, rows[i].copied_bytes);
        if (counter_read(0, COUNTER_DROP_BAD_MESSAGE) != before + 1 ||
            fake_nic_transmit(0, &sent)) {
            fail_msg("%s is not refused", rows[i].what);
        }
    }
}

/* The same, right by as little. */
static void what_is_just_right_is_sent(void **state)
{
    struct transmit_segment message = long_segment();

    (void)state;
    message.runs[0] = (struct transmit_run){
        .archive_offset = ARCHIVE_BYTES - 10000, .archive_bytes = 10000, .copied_bytes = 64};
    deliver(message, 64);
    message.runs[0] = (struct transmit_run){.archive_bytes = 65535 - 54, .copied_bytes = 54};
    deliver(message, 54);
    message.runs[0] = (struct transmit_run){.archive_bytes = SEGMENT_BYTES + 1, .copied_bytes = 54};
    deliver(message, 54);
    message.segment_bytes = 0;
    message.runs[0] = (struct transmit_run){
        .archive_offset = ARCHIVE_BYTES - 1, .archive_bytes = 1, .copied_bytes = 54};
    deliver(message, 54);
    message.runs[0] = (struct transmit_run){.archive_offset = UINT64_MAX, .copied_bytes = 55};
    deliver(message, 55);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(fake_nic_transmit(0, &sent));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_segment_is_gathered_and_cut_by_the_nic),
        cmocka_unit_test(runs_follow_each_other),
        cmocka_unit_test(a_short_segment_is_not_cut),
        cmocka_unit_test(what_a_hostile_server_says_is_refused),
        cmocka_unit_test(what_is_just_right_is_sent),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
