/* SPDX-License-Identifier: MIT */
/* sources: net/capture/filter.c libc/core/address.c libc/core/numbers.c libc/core/format.c libc/core/output.c */
/*
 * Tests net/capture/filter.c: words of the command line and of requests, and which frames they
 * mean.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/capture/filter.h"

static struct capture_words words;
static char reason[CAPTURE_REASON_BYTES];

/* Where it ends is memory's end: the sanitizer finds who reads on. */
static int read_as(int (*read)(const char *, size_t, struct capture_words *,
                               char[CAPTURE_REASON_BYTES]),
                   const char *text)
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes + 1);
    int result;

    assert_non_null(copy);
    char *end_aligned = realloc(copy, bytes != 0 ? bytes : 1);
    assert_non_null(end_aligned);
    memcpy(end_aligned, text, bytes);
    memset(reason, 0, sizeof(reason));
    result = read(end_aligned, bytes, &words, reason);
    free(end_aligned);
    return result;
}

static void ask(const char *query)
{
    assert_int_equal(read_as(capture_read_query, query), 0);
}

static void assert_refused(const char *query, const char *named)
{
    assert_int_equal(read_as(capture_read_query, query), -EINVAL);
    assert_non_null(strstr(reason, named));
    assert_int_equal(words.filter.port, 0); /* as without any */
    assert_int_equal(words.filter.protocols, CAPTURE_PROTOCOLS);
}

static void assert_option_refused(const char *option, const char *named)
{
    assert_int_equal(read_as(capture_read_option, option), -EINVAL);
    assert_non_null(strstr(reason, named));
    assert_int_equal(words.ring_bytes, 0); /* nothing is recorded by mistake */
}

static void without_words_all_that_is_recorded_is_meant(void **state)
{
    (void)state;
    ask("");
    assert_int_equal(words.filter.snap_bytes, CAPTURE_SNAP_MAX_BYTES);
    assert_int_equal(words.filter.directions, CAPTURE_DIRECTIONS);
    assert_int_equal(words.filter.protocols, CAPTURE_PROTOCOLS);
    assert_int_equal(words.seconds, 0);
    assert_true(words.frame_most == UINT64_MAX);
    assert_true(words.byte_most == CAPTURE_BYTES_MAX);
}

static void each_word_is_understood(void **state)
{
    (void)state;
    ask("host=192.0.2.7&port=65535&protocol=tcp+arp&direction=out&snap=96&count=3&bytes=1M&"
        "seconds=3600");
    assert_memory_equal(&words.filter.host, "\300\0\2\7", 4);
    assert_int_equal(words.filter.port, 65535);
    assert_int_equal(words.filter.protocols, CAPTURE_TCP | CAPTURE_ARP);
    assert_int_equal(words.filter.directions, CAPTURE_OUT);
    assert_int_equal(words.filter.snap_bytes, 96);
    assert_int_equal(words.frame_most, 3);
    assert_int_equal(words.byte_most, 1 << 20);
    assert_int_equal(words.seconds, 3600);
    ask("direction=both&");
    assert_int_equal(words.filter.directions, CAPTURE_DIRECTIONS);
}

static void a_word_that_cannot_be_is_named(void **state)
{
    static const char *const wrong[] = {
        "colour=red",   "port",          "port=",
        "port=0",       "port=65536",    "port=8x",
        "host=0.0.0.0", "host=1.2.3",    "host=1.2.3.4.5",
        "host=",        "host=1.2.3.4x", "host=255.255.255.2555",
        "protocol=",    "protocol=tcp+", "protocol=TCP",
        "direction=",   "direction=inn", "snap=13",
        "snap=2049",    "count=0",       "count=99999999999999999999",
        "bytes=0",      "bytes=2G",      "seconds=0",
        "seconds=3601", "=80",           "ports=80",
        "por=80",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        char query[64];

        assert_refused(wrong[i], wrong[i]);
        strcpy(query, "port=80&");
        strcat(query, wrong[i]);
        assert_refused(query, strncmp(wrong[i], "port=", 5) == 0 ? "twice" : wrong[i]);
    }
    assert_refused("snap=20&port=1&snap=20", "`snap=20` is said twice");
    assert_refused("&port=1", "``");
    assert_refused("on&port=1", "`on`");
}

/* The answer to it holds what the client sent. */
static void a_reason_is_short_and_printable(void **state)
{
    char query[400];

    (void)state;
    memset(query, 'a', sizeof(query));
    query[sizeof(query) - 1] = '\0';
    query[1] = '\n';
    query[2] = '\x1b';
    query[3] = '\xff';
    assert_int_equal(read_as(capture_read_query, query), -EINVAL);
    assert_true(strlen(reason) < CAPTURE_REASON_BYTES);
    assert_non_null(strstr(reason, "`a???aaa"));
    for (const char *at = reason; *at != '\0'; at++) {
        assert_in_range(*at, ' ', '~');
    }
}

static void the_option_says_whether_and_how_much(void **state)
{
    (void)state;
    assert_int_equal(read_as(capture_read_option, "on"), 0);
    assert_int_equal(words.ring_bytes, CAPTURE_RING_DEFAULT_BYTES);
    assert_int_equal(read_as(capture_read_option, "64K"), 0);
    assert_int_equal(words.ring_bytes, 64 << 10);
    assert_int_equal(read_as(capture_read_option, "3M,port=80,snap=14"), 0);
    assert_int_equal(words.ring_bytes, 2 << 20);
    assert_int_equal(words.filter.port, 80);
    assert_int_equal(words.filter.snap_bytes, 14);
    assert_int_equal(read_as(capture_read_option, "1G"), 0);
    assert_int_equal(words.ring_bytes, 1 << 30);
    assert_int_equal(read_as(capture_read_option, "off,port=80"), 0);
    assert_int_equal(words.ring_bytes, 0);
}

static void a_wrong_option_records_nothing(void **state)
{
    (void)state;
    assert_option_refused("", "``");
    assert_option_refused("yes", "`yes`");
    assert_option_refused("63K", "`63K`");
    assert_option_refused("2G", "`2G`");
    assert_option_refused("99999999999999999999G", "`99999999999999999999G`");
    assert_option_refused("on,colour=red", "`colour=red`");
    assert_option_refused("on,seconds=3", "`seconds=3`"); /* a request's */
    assert_option_refused("on,port=80,port=81", "twice");
    assert_option_refused("port=80", "`port=80`");
}

static void filters_are_told_as_text(void **state)
{
    char text[CAPTURE_FILTER_TEXT_BYTES];

    (void)state;
    ask("host=255.255.255.255&port=65535&protocol=tcp+udp+icmp+arp&snap=2000");
    capture_filter_print(&words.filter, text);
    assert_string_equal(text, "tcp or udp or icmp or arp host 255.255.255.255 port 65535 in and "
                              "out, 2000 bytes each");
    ask("direction=in");
    capture_filter_print(&words.filter, text);
    assert_string_equal(text, "in, 2048 bytes each");
}

static void another_nodes_filter_is_checked(void **state)
{
    struct capture_filter filter = capture_filter_all();

    (void)state;
    assert_true(capture_filter_is_valid(&filter));
    for (unsigned snap = 0; snap <= UINT16_MAX; snap++) {
        filter.snap_bytes = (uint16_t)snap;
        assert_int_equal(capture_filter_is_valid(&filter),
                         snap >= CAPTURE_SNAP_MIN_BYTES && snap <= CAPTURE_SNAP_MAX_BYTES);
    }
    for (unsigned bits = 0; bits <= UINT8_MAX; bits++) {
        filter = capture_filter_all();
        filter.protocols = (uint8_t)bits;
        assert_int_equal(capture_filter_is_valid(&filter), bits != 0 && bits <= CAPTURE_PROTOCOLS);
        filter = capture_filter_all();
        filter.directions = (uint8_t)bits;
        assert_int_equal(capture_filter_is_valid(&filter), bits != 0 && bits <= CAPTURE_DIRECTIONS);
    }
}

/* --- Frames --- */

static uint8_t frame[96];

/* Of 192.0.2.1 port 0x1234 to 192.0.2.2 port 80. */
static size_t make_ipv4(uint8_t protocol, unsigned option_bytes)
{
    uint8_t *ip = frame + 14;

    memset(frame, 0, sizeof(frame));
    frame[12] = 8;
    ip[0] = (uint8_t)(0x45 + option_bytes / 4);
    ip[9] = protocol;
    memcpy(ip + 12, "\300\0\2\1\300\0\2\2", 8);
    memcpy(ip + 20 + option_bytes, "\x12\x34\0\x50", 4);
    return 14 + 20 + option_bytes + 8;
}

static bool is_wanted(const char *query, unsigned direction, size_t bytes)
{
    uint8_t *copy = malloc(bytes != 0 ? bytes : 1);
    bool result;

    assert_non_null(copy);
    memcpy(copy, frame, bytes);
    ask(query);
    result = capture_filter_wants(&words.filter, direction, copy, bytes);
    free(copy);
    return result;
}

static void frames_are_told_apart(void **state)
{
    size_t bytes;

    (void)state;
    for (unsigned option_bytes = 0; option_bytes <= 40; option_bytes += 4) {
        bytes = make_ipv4(6, option_bytes);
        assert_true(is_wanted("protocol=tcp&host=192.0.2.1&port=80", CAPTURE_IN, bytes));
        assert_true(is_wanted("protocol=udp+tcp&host=192.0.2.2&port=4660", CAPTURE_OUT, bytes));
        assert_false(is_wanted("protocol=udp", CAPTURE_IN, bytes));
        assert_false(is_wanted("host=192.0.2.3", CAPTURE_IN, bytes));
        assert_false(is_wanted("port=81", CAPTURE_IN, bytes));
        assert_false(is_wanted("direction=out", CAPTURE_IN, bytes));
        assert_true(is_wanted("direction=in", CAPTURE_IN, bytes));
    }
    bytes = make_ipv4(17, 0);
    assert_true(is_wanted("protocol=udp&port=80", CAPTURE_IN, bytes));
    bytes = make_ipv4(1, 0);
    assert_true(is_wanted("protocol=icmp&host=192.0.2.1", CAPTURE_IN, bytes));
    assert_false(is_wanted("port=80", CAPTURE_IN, bytes)); /* it has none */
    bytes = make_ipv4(47, 0);
    assert_false(is_wanted("protocol=tcp+udp+icmp+arp", CAPTURE_IN, bytes));
    assert_true(is_wanted("host=192.0.2.1", CAPTURE_IN, bytes));
}

static void arp_has_hosts_and_no_ports(void **state)
{
    (void)state;
    memset(frame, 0, sizeof(frame));
    memcpy(frame + 12, "\x08\x06", 2);
    memcpy(frame + 14 + 14, "\300\0\2\1", 4);
    memcpy(frame + 14 + 24, "\300\0\2\2", 4);
    assert_true(is_wanted("protocol=arp&host=192.0.2.1", CAPTURE_IN, 42));
    assert_true(is_wanted("host=192.0.2.2", CAPTURE_IN, 42));
    assert_false(is_wanted("host=192.0.2.2", CAPTURE_IN, 41)); /* cut */
    assert_false(is_wanted("port=80", CAPTURE_IN, 42));
}

static void only_the_first_fragment_has_ports(void **state)
{
    size_t bytes = make_ipv4(17, 0);

    (void)state;
    frame[14 + 6] = 0x20; /* more follow */
    assert_true(is_wanted("port=80", CAPTURE_IN, bytes));
    frame[14 + 7] = 1;
    assert_false(is_wanted("port=80", CAPTURE_IN, bytes));
    assert_true(is_wanted("protocol=udp&host=192.0.2.2", CAPTURE_IN, bytes));
}

/* Whatever is there of it, nothing beyond is read. */
static void frames_of_every_length_are_looked_at(void **state)
{
    size_t whole = make_ipv4(6, 40);

    (void)state;
    for (size_t bytes = 0; bytes <= whole; bytes++) {
        assert_int_equal(is_wanted("port=80", CAPTURE_IN, bytes), bytes >= 14 + 60 + 4);
        assert_int_equal(is_wanted("host=192.0.2.1", CAPTURE_IN, bytes), bytes >= 14 + 20);
        assert_true(is_wanted("", CAPTURE_IN, bytes));
    }
    frame[14] = 0x44; /* a header that is too short */
    assert_false(is_wanted("port=80", CAPTURE_IN, whole));
    frame[14] = 0x65; /* version 6 in a frame of version 4 */
    assert_false(is_wanted("host=192.0.2.1", CAPTURE_IN, whole));
}

static void a_peer_is_meant_by_its_own_side_of_the_connection(void **state)
{
    struct capture_peer peer = {.port = 0x1234};
    size_t bytes = make_ipv4(6, 0);

    (void)state;
    memcpy(&peer.address, "\300\0\2\1", 4);
    assert_true(capture_is_of_peer(&peer, CAPTURE_IN, frame, bytes));
    assert_false(capture_is_of_peer(&peer, CAPTURE_OUT, frame, bytes));
    assert_false(capture_is_of_peer(&(struct capture_peer){0}, CAPTURE_IN, frame, bytes));
    memcpy(&peer.address, "\300\0\2\2", 4);
    peer.port = 80;
    assert_true(capture_is_of_peer(&peer, CAPTURE_OUT, frame, bytes));
    frame[14 + 9] = 17;
    assert_false(capture_is_of_peer(&peer, CAPTURE_OUT, frame, bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_words_all_that_is_recorded_is_meant),
        cmocka_unit_test(each_word_is_understood),
        cmocka_unit_test(a_word_that_cannot_be_is_named),
        cmocka_unit_test(a_reason_is_short_and_printable),
        cmocka_unit_test(the_option_says_whether_and_how_much),
        cmocka_unit_test(a_wrong_option_records_nothing),
        cmocka_unit_test(filters_are_told_as_text),
        cmocka_unit_test(another_nodes_filter_is_checked),
        cmocka_unit_test(frames_are_told_apart),
        cmocka_unit_test(arp_has_hosts_and_no_ports),
        cmocka_unit_test(only_the_first_fragment_has_ports),
        cmocka_unit_test(frames_of_every_length_are_looked_at),
        cmocka_unit_test(a_peer_is_meant_by_its_own_side_of_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
