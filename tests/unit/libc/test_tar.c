/* SPDX-License-Identifier: MIT */
/* sources: libc/core/tar.c */
/*
 * Tests libc/core/tar.c with archives that are put together here, whole and broken. The archive
 * ends where its allocation does, so that the address sanitizer sees a byte too many.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/tar.h"

#define BLOCK 512

static uint8_t archive[64 * BLOCK];
static size_t archive_bytes;

static int set_up(void **state)
{
    (void)state;
    memset(archive, 0, sizeof(archive));
    archive_bytes = 0;
    return 0;
}

/* As tar writes numbers: octal digits that fill the field but for a zero. */
static void put_octal(uint8_t *field, size_t bytes, size_t value)
{
    field[--bytes] = 0;
    while (bytes-- > 0) {
        field[bytes] = (uint8_t)('0' + (value & 7));
        value >>= 3;
    }
}

/* The sum of the header's bytes, its own field as blanks. */
static void seal(uint8_t *header)
{
    unsigned sum = 0;

    memset(header + 148, ' ', 8);
    for (int i = 0; i < BLOCK; i++) {
        sum += header[i];
    }
    put_octal(header + 148, 7, sum);
}

/* Append a header and its content; returns the header, to be changed and sealed again. */
static uint8_t *add(const char *name, char type, const char *content)
{
    uint8_t *header = archive + archive_bytes;
    size_t bytes = strlen(content);

    memcpy(header, name, strlen(name));
    put_octal(header + 124, 12, bytes);
    put_octal(header + 136, 12, 1000000);
    header[156] = (uint8_t)type;
    memcpy(header + 257,
           "ustar\0"
           "00",
           8);
    seal(header);
    memcpy(header + BLOCK, content, bytes);
    archive_bytes += BLOCK + (bytes + BLOCK - 1) / BLOCK * BLOCK;
    assert_true(archive_bytes + 2 * BLOCK <= sizeof(archive));
    return header;
}

/* Read a copy of exactly `bytes`; what the first `count` calls return, in order. */
static int read_entries(size_t bytes, struct tar_entry *entries, int count)
{
    static uint8_t *copy;
    static struct tar_reader readers[8];

    free(copy);
    copy = malloc(bytes > 0 ? bytes : 1);
    memcpy(copy, archive, bytes);
    int result = 0;
    for (int i = 0; i < count; i++) {
        /* Each from the start, so that every entry keeps its name. */
        tar_open(&readers[i], copy, bytes);
        for (int j = 0; j <= i; j++) {
            result = tar_next(&readers[i], &entries[i]);
        }
        if (result <= 0) {
            break;
        }
    }
    return result;
}

static void assert_entry(const struct tar_entry *entry, enum tar_type type, const char *name,
                         const char *content)
{
    assert_int_equal(entry->type, type);
    assert_int_equal(entry->name_bytes, strlen(name));
    assert_memory_equal(entry->name, name, strlen(name));
    assert_int_equal(entry->content_bytes, strlen(content));
    assert_memory_equal(entry->content, content, strlen(content));
}

static void an_empty_archive_has_no_entries(void **state)
{
    struct tar_entry entry;

    (void)state;
    assert_int_equal(read_entries(0, &entry, 1), 0);
    assert_int_equal(read_entries(BLOCK, &entry, 1), 0);
    assert_int_equal(read_entries(2 * BLOCK, &entry, 1), 0);
}

static void files_and_folders_come_in_order(void **state)
{
    struct tar_entry entries[4];

    (void)state;
    add("./", '5', "");
    add("./a.txt", '0', "hello");
    add("link", '2', "");
    add("b", '\0', "");
    assert_int_equal(read_entries(archive_bytes + 2 * BLOCK, entries, 4), 1);
    assert_entry(&entries[0], TAR_FOLDER, "./", "");
    assert_entry(&entries[1], TAR_FILE, "./a.txt", "hello");
    assert_int_equal(entries[1].mtime_s, 1000000);
    assert_entry(&entries[2], TAR_OTHER, "link", "");
    assert_entry(&entries[3], TAR_FILE, "b", "");
}

static void a_prefix_is_joined_to_the_name(void **state)
{
    struct tar_entry entry;
    uint8_t *header = add("name", '0', "x");

    (void)state;
    memcpy(header + 345, "some/folder", 11);
    seal(header);
    assert_int_equal(read_entries(archive_bytes, &entry, 1), 1);
    assert_entry(&entry, TAR_FILE, "some/folder/name", "x");

    memcpy(header + 345, "p\0", 2);
    seal(header);
    assert_int_equal(read_entries(archive_bytes, &entry, 1), 1);
    assert_entry(&entry, TAR_FILE, "p/name", "x");

    /* Both without a zero at their end. */
    memset(header, 'n', 100);
    memset(header + 345, 'p', 155);
    seal(header);
    assert_int_equal(read_entries(archive_bytes, &entry, 1), 1);
    assert_int_equal(entry.name_bytes, 155 + 1 + 100);
}

static void long_names_of_gnu_and_pax_are_used(void **state)
{
    struct tar_entry entries[3];
    char name[300];

    (void)state;
    memset(name, 'l', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    add("././@LongLink", 'L', name);
    add("short", '0', "1");
    add("pax", 'x', "17 path=pax-path\n21 mtime=1234567.891\n12 uid=1000\n");
    add("short", '0', "2");
    add("short", '0', "3");
    assert_int_equal(read_entries(archive_bytes, entries, 3), 1);
    assert_entry(&entries[0], TAR_FILE, name, "1");
    assert_entry(&entries[1], TAR_FILE, "pax-path", "2");
    assert_int_equal(entries[1].mtime_s, 1234567);
    assert_entry(&entries[2], TAR_FILE, "short", "3");
}

static void pax_and_binary_sizes_are_used(void **state)
{
    struct tar_entry entries[2];

    (void)state;
    add("pax", 'x', "9 size=3\n");
    uint8_t *header = add("a", '0', "abc");
    put_octal(header + 124, 12, 0);
    seal(header);
    header = add("b", '0', "defg");
    memset(header + 124, 0, 12);
    header[124] = 0x80;
    header[135] = 4;
    seal(header);
    assert_int_equal(read_entries(archive_bytes, entries, 2), 1);
    assert_entry(&entries[0], TAR_FILE, "a", "abc");
    assert_entry(&entries[1], TAR_FILE, "b", "defg");
}

/* A hard link's size is that of the file, whose content stands elsewhere. */
static void links_and_devices_have_no_content_whatever_their_size(void **state)
{
    struct tar_entry entries[2];

    for (char type = '1'; type <= '7'; type++) {
        bool has_content = type == '7'; /* a contiguous file */

        set_up(state);
        uint8_t *header = add("first", type, has_content ? "12345" : "");
        put_octal(header + 124, 12, 5);
        seal(header);
        add("second", '0', "content");
        assert_int_equal(read_entries(archive_bytes, entries, 2), 1);
        assert_entry(&entries[0],
                     has_content   ? TAR_FILE
                     : type == '5' ? TAR_FOLDER
                                   : TAR_OTHER,
                     "first", has_content ? "12345" : "");
        assert_entry(&entries[1], TAR_FILE, "second", "content");
    }
}

static void a_wrong_checksum_ends_the_reading(void **state)
{
    struct tar_entry entry;

    (void)state;
    add("a", '0', "abc");
    archive[3] ^= 1;
    assert_int_equal(read_entries(archive_bytes, &entry, 1), -EINVAL);
}

static void an_archive_cut_anywhere_is_never_read_beyond(void **state)
{
    struct tar_entry entries[3];

    (void)state;
    add("pax", 'x', "17 path=pax-path\n");
    add("a", '0', "abc");
    add("b", '0', "0123456789");
    for (size_t bytes = 0; bytes <= archive_bytes; bytes++) {
        int result = read_entries(bytes, entries, 3);
        assert_true(result == 1 || result == 0 || result == -EINVAL);
    }
    /* The last block need not be full. */
    assert_int_equal(read_entries(archive_bytes - BLOCK + 10, entries, 2), 1);
    assert_int_equal(read_entries(archive_bytes - BLOCK + 9, entries, 2), -EINVAL);
}

static void sizes_beyond_the_archive_are_refused(void **state)
{
    static const char *const sizes[] = {"77777777777", "00000010000", "\x80zzzzzzzzzzz",
                                        "9",           "-1",          "12x"};
    struct tar_entry entry;

    (void)state;
    uint8_t *header = add("a", '0', "abc");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(header + 124, 0, 12);
        memcpy(header + 124, sizes[i], strnlen(sizes[i], 12));
        seal(header);
        assert_int_equal(read_entries(archive_bytes, &entry, 1), -EINVAL);
    }
}

static void a_time_that_is_no_number_is_refused(void **state)
{
    struct tar_entry entry;

    (void)state;
    uint8_t *header = add("a", '0', "abc");
    memcpy(header + 136, "12x", 4);
    seal(header);
    assert_int_equal(read_entries(archive_bytes, &entry, 1), -EINVAL);
}

static void broken_pax_records_are_refused(void **state)
{
    static const char *const records[] = {
        "path=x\n",       "0 path=x\n",  "5 path=x\n",
        "99 path=x\n",    "9 path=x",    "9 pathxx\n",
        "8 path=x\n\n",   " 9 path=x\n", "99999999999999999999999 a=b\n",
        "14 size=1x23\n", "8 size=\n",
    };
    struct tar_entry entry;

    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        set_up(state);
        add("pax", 'x', records[i]);
        add("a", '0', "abc");
        assert_int_equal(read_entries(archive_bytes, &entry, 1), -EINVAL);
    }
}

/* Any one byte changed: refused or read, but never beyond the end, and always with an end. */
static void no_damaged_byte_makes_it_read_outside(void **state)
{
    struct tar_entry entries[3];

    (void)state;
    add("pax", 'x', "17 path=pax-path\n9 size=3\n");
    add("a", '0', "abc");
    add("././@LongLink", 'L', "long");
    add("b", '0', "0123456789");
    for (size_t i = 0; i < archive_bytes; i++) {
        for (unsigned value = 0; value < 256; value += 51) {
            uint8_t old = archive[i];
            archive[i] = (uint8_t)value;
            if (i % BLOCK < 148 || i % BLOCK > 155) {
                seal(archive + i / BLOCK * BLOCK);
            }
            (void)read_entries(archive_bytes, entries, 3);
            archive[i] = old;
            seal(archive + i / BLOCK * BLOCK);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_archive_has_no_entries),
        TEST(files_and_folders_come_in_order),
        TEST(a_prefix_is_joined_to_the_name),
        TEST(long_names_of_gnu_and_pax_are_used),
        TEST(pax_and_binary_sizes_are_used),
        TEST(links_and_devices_have_no_content_whatever_their_size),
        TEST(a_wrong_checksum_ends_the_reading),
        TEST(an_archive_cut_anywhere_is_never_read_beyond),
        TEST(sizes_beyond_the_archive_are_refused),
        TEST(a_time_that_is_no_number_is_refused),
        TEST(broken_pax_records_are_refused),
        TEST(no_damaged_byte_makes_it_read_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
