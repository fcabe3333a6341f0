/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/pcapng.c */
/* flags: -DTALUS_SLOW_CHECKS */
/*
 * Tests apps/httpd/pcapng.c: blocks byte by byte, as draft-ietf-opsawg-pcapng has them; and that
 * none is longer than its header says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/httpd/pcapng.h"

static struct pcapng file;

/* No byte more: the sanitizer finds who writes beyond. */
static void make_file(size_t room_bytes)
{
    free(file.at);
    file = (struct pcapng){.at = malloc(room_bytes), .room_bytes = room_bytes};
    assert_non_null(file.at);
}

static int tear_down(void **state)
{
    (void)state;
    free(file.at);
    file = (struct pcapng){0};
    return 0;
}

static void assert_file(const void *wanted, size_t bytes)
{
    assert_int_equal(file.bytes, bytes);
    assert_memory_equal(file.at, wanted, bytes);
}

static void a_section_tells_the_byte_order(void **state)
{
    static const char wanted[] = "\x0A\x0D\x0D\x0A\x38\0\0\0\x4D\x3C\x2B\x1A\1\0\0\0"
                                 "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                                 "\2\0\4\0abcd\3\0\1\0T\0\0\0\4\0\3\0v.1\0" /* no text: none */
                                 "\0\0\0\0\x38\0\0\0";

    (void)state;
    make_file(56);
    pcapng_add_section(&file, "abcd", "T", "v.1");
    assert_file(wanted, 56);
    file.bytes = 0;
    pcapng_add_section(&file, "", "", "");
    assert_int_equal(file.bytes, 32);
}

static void an_interface_has_nanoseconds_and_a_filter(void **state)
{
    static const char wanted[] = "\1\0\0\0\x38\0\0\0\1\0\0\0\0\1\0\0"
                                 "\2\0\2\0n3\0\0\3\0\1\0d\0\0\0\x09\0\1\0\x09\0\0\0"
                                 "\x0B\0\4\0\0tcp\0\0\0\0\x38\0\0\0";

    (void)state;
    make_file(56);
    pcapng_add_interface(&file,
                         &(struct pcapng_interface){
                             .name = "n3", .description = "d", .filter = "tcp", .snap_bytes = 256});
    assert_file(wanted, 56);
}

static void a_frame_has_its_time_lengths_and_direction(void **state)
{
    static const char wanted[] =
        "\6\0\0\0\x34\0\0\0\2\0\0\0\4\3\2\1\x14\x13\x12\x11\5\0\0\0\xDC\5\0\0"
        "abcde\0\0\0\2\0\4\0\2\0\0\0\0\0\0\0\x34\0\0\0";
    struct pcapng_frame frame = {.interface = 2,
                                 .time_ns = 0x0102030411121314,
                                 .captured_bytes = 5,
                                 .original_bytes = 1500,
                                 .data = "abcde",
                                 .is_out = true};

    (void)state;
    make_file(52);
    pcapng_add_frame(&file, &frame);
    assert_file(wanted, 52);
    frame.is_out = false;
    file.bytes = 0;
    pcapng_add_frame(&file, &frame);
    assert_int_equal(file.at[40], 1);
}

static void what_was_lost_before_a_frame_is_told_with_it(void **state)
{
    struct pcapng_frame frame = {.captured_bytes = 0, .lost_count = 0x0102};

    (void)state;
    make_file(56);
    pcapng_add_frame(&file, &frame);
    assert_int_equal(file.bytes, 56);
    assert_memory_equal(file.at + 36, "\4\0\x08\0\2\1\0\0\0\0\0\0\0\0\0\0\x38\0\0\0", 20);
}

static void statistics_tell_what_became_of_an_interface(void **state)
{
    static const char wanted[] = "\5\0\0\0\x6C\0\0\0\1\0\0\0\0\0\0\0\7\0\0\0\1\0\2\0ok\0\0"
                                 "\2\0\x08\0\1\0\0\0\2\0\0\0\3\0\x08\0\0\0\0\0\7\0\0\0"
                                 "\4\0\x08\0\x0A\0\0\0\0\0\0\0\5\0\x08\0\x0B\0\0\0\0\0\0\0"
                                 "\6\0\x08\0\x0C\0\0\0\0\0\0\0\x08\0\x08\0\x0D\0\0\0\0\0\0\0"
                                 "\0\0\0\0\x6C\0\0\0";

    (void)state;
    make_file(108);
    pcapng_add_statistics(&file, &(struct pcapng_statistics){.interface = 1,
                                                             .time_ns = 7,
                                                             .start_ns = 0x0000000100000002,
                                                             .end_ns = 7,
                                                             .received = 10,
                                                             .dropped = 11,
                                                             .accepted = 12,
                                                             .delivered = 13,
                                                             .comment = "ok"});
    assert_file(wanted, 108);
}

static void each_length_is_filled_up_and_foretold(void **state)
{
    static const uint8_t data[64];

    (void)state;
    for (uint32_t bytes = 0; bytes <= sizeof(data); bytes++) {
        struct pcapng_frame frame = {
            .captured_bytes = bytes, .original_bytes = bytes, .data = data};

        make_file(pcapng_frame_bytes(&frame));
        pcapng_add_frame(&file, &frame);
        assert_int_equal(file.bytes, file.room_bytes);
        assert_int_equal(file.bytes % 4, 0);
    }
}

static void the_longest_texts_are_cut_and_fit(void **state)
{
    char text[1000];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    make_file(PCAPNG_BLOCK_MAX_BYTES);
    pcapng_add_section(&file, text, text, text);
    file.bytes = 0;
    pcapng_add_interface(
        &file, &(struct pcapng_interface){.name = text, .description = text, .filter = text});
    file.bytes = 0;
    pcapng_add_statistics(&file, &(struct pcapng_statistics){.comment = text});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_section_tells_the_byte_order, tear_down),
        cmocka_unit_test_teardown(an_interface_has_nanoseconds_and_a_filter, tear_down),
        cmocka_unit_test_teardown(a_frame_has_its_time_lengths_and_direction, tear_down),
        cmocka_unit_test_teardown(what_was_lost_before_a_frame_is_told_with_it, tear_down),
        cmocka_unit_test_teardown(statistics_tell_what_became_of_an_interface, tear_down),
        cmocka_unit_test_teardown(each_length_is_filled_up_and_foretold, tear_down),
        cmocka_unit_test_teardown(the_longest_texts_are_cut_and_fit, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
