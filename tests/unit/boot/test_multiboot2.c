/* SPDX-License-Identifier: MIT */
/* sources: boot/multiboot2.c boot/boot_info.c */
/*
 * boot/multiboot2.c: what GRUB says arrives, and a block of tags that is cut, wrong or noise does
 * no harm. Each block is copied to an allocation of its exact size before it is read, so that the
 * sanitizers see every byte that is read past its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/multiboot2.h"

#define BLOCK_PADDR 0x5000000u
#define BLOCK_MAX   4096u

static uint8_t block[BLOCK_MAX];
static uint32_t block_bytes;
static struct boot_info info;

static void read_bytes(uint32_t bytes)
{
    void *copy = malloc(bytes);

    assert_non_null(copy);
    memcpy(copy, block, bytes);
    multiboot2_read(&info, copy, bytes, BLOCK_PADDR);
    free(copy);
}

/* --- Building --- */

static int begin(void **state)
{
    (void)state;
    memset(block, 0, sizeof(block));
    block_bytes = 8;
    return 0;
}

/* Returns where the content stands. */
static uint32_t add_tag(uint32_t type, const void *content, uint32_t bytes)
{
    uint32_t header[2] = {type, bytes + 8};
    uint32_t start = block_bytes + 8;

    assert_true(start + bytes + 8 <= BLOCK_MAX);
    memcpy(block + block_bytes, header, sizeof(header));
    memcpy(block + start, content, bytes);
    block_bytes = ALIGN_UP(start + bytes, 8u);
    return start;
}

static void add_module(uint32_t start, uint32_t end, const char *name)
{
    uint8_t content[8 + 64];

    memcpy(content, &start, 4);
    memcpy(content + 4, &end, 4);
    memcpy(content + 8, name, strlen(name) + 1);
    add_tag(3, content, 8 + (uint32_t)strlen(name) + 1);
}

struct map_entry {
    uint64_t paddr;
    uint64_t bytes;
    uint32_t type;
    uint32_t reserved;
};

static void add_map(const struct map_entry *entries, uint32_t count, uint32_t entry_bytes)
{
    uint8_t content[1024] = {0};
    uint32_t version = 0;

    memcpy(content, &entry_bytes, 4);
    memcpy(content + 4, &version, 4);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(content + 8 + i * entry_bytes, &entries[i], sizeof(entries[i]));
    }
    add_tag(6, content, 8 + count * entry_bytes);
}

static void add_framebuffer(uint64_t paddr, uint32_t pitch, uint32_t width, uint32_t height,
                            uint8_t bits, uint8_t type)
{
    uint8_t content[24 + 6] = {0};
    const uint8_t colours[6] = {16, 8, 8, 8, 0, 8};

    memcpy(content, &paddr, 8);
    memcpy(content + 8, &pitch, 4);
    memcpy(content + 12, &width, 4);
    memcpy(content + 16, &height, 4);
    content[20] = bits;
    content[21] = type;
    memcpy(content + 24, colours, sizeof(colours));
    add_tag(8, content, type == 1 ? 30 : 24);
}

static void add_end(void)
{
    add_tag(0, "", 0);
}

/* All tags that GRUB gives a kernel on a machine with UEFI. Returns where the newer RSDP stands. */
static uint32_t build_all(void)
{
    const struct map_entry map[] = {
        {0x100000, 0x3FF00000, 1, 0}, {0, 0x9F000, 1, 0}, {0xB0000000, 0x10000000, 2, 0}};
    uint32_t rsdp;

    add_tag(1, "log=debug net=dhcp", 19);
    add_tag(2, "GRUB 2.06", 10);
    add_module(0x2000000, 0x2001000, "root.tar");
    add_module(0x2002000, 0x2002010, "talus.cfg");
    add_map(map, 3, sizeof(map[0]));
    add_framebuffer(0x80000000, 4096, 1024, 768, 32, 1);
    add_tag(14, "RSD PTR version 1...", 20);
    rsdp = add_tag(15, "RSD PTR version 2...................", 36);
    add_tag(0x7777, "unknown", 8);
    add_end();
    return rsdp;
}

/* --- What arrives --- */

static void all_that_the_loader_says_arrives(void **state)
{
    uint32_t rsdp = build_all();

    (void)state;
    read_bytes(block_bytes);
    assert_string_equal(info.loader, "GRUB 2.06");
    assert_string_equal(info.command_line, "log=debug net=dhcp");
    assert_false(info.is_command_line_cut);
    assert_int_equal(info.module_count, 2);
    assert_string_equal(info.modules[0].name, "root.tar");
    assert_int_equal(info.modules[0].paddr, 0x2000000);
    assert_int_equal(info.modules[0].bytes, 0x1000);
    assert_string_equal(info.modules[1].name, "talus.cfg");
    assert_int_equal(info.rsdp, BLOCK_PADDR + rsdp);
    assert_int_equal(info.framebuffer.paddr, 0x80000000);
    assert_int_equal(info.framebuffer.pitch_bytes, 4096);
    assert_int_equal(info.framebuffer.width, 1024);
    assert_int_equal(info.framebuffer.height, 768);
    assert_int_equal(info.framebuffer.bits_per_pixel, 32);
    assert_int_equal(info.framebuffer.red.position, 16);
    assert_int_equal(info.framebuffer.green.bits, 8);
    assert_false(info.framebuffer.is_text);
    assert_int_equal(info.range_count, 4); /* with the block itself */
    assert_int_equal(info.ranges[1].range.paddr, 0x100000);
    assert_true(info.ranges[1].is_usable);
    assert_false(info.ranges[3].is_usable);
    assert_int_equal(info.dropped_range_count + info.dropped_module_count, 0);
}

static void the_block_itself_is_reserved(void **state)
{
    (void)state;
    build_all();
    read_bytes(block_bytes);
    assert_int_equal(info.ranges[0].range.paddr, BLOCK_PADDR);
    assert_int_equal(info.ranges[0].range.bytes, block_bytes);
    assert_false(info.ranges[0].is_usable);
}

static void an_older_rsdp_serves_alone_and_never_replaces_the_newer(void **state)
{
    uint32_t newer;
    uint32_t older;

    (void)state;
    older = add_tag(14, "RSD PTR version 1...", 20);
    add_end();
    read_bytes(block_bytes);
    assert_int_equal(info.rsdp, BLOCK_PADDR + older);

    begin(NULL);
    newer = add_tag(15, "RSD PTR version 2...................", 36);
    add_tag(14, "RSD PTR version 1...", 20);
    add_end();
    read_bytes(block_bytes);
    assert_int_equal(info.rsdp, BLOCK_PADDR + newer);
}

static void without_an_rsdp_it_will_be_searched_for(void **state)
{
    (void)state;
    add_end();
    read_bytes(block_bytes);
    assert_int_equal(info.rsdp, 0);
    assert_int_equal(info.module_count, 0);
}

static void text_mode_is_a_screen_without_colours(void **state)
{
    (void)state;
    add_framebuffer(0xB8000, 160, 80, 25, 16, 2);
    add_end();
    read_bytes(block_bytes);
    assert_true(info.framebuffer.is_text);
    assert_int_equal(info.framebuffer.width, 80);
}

static void memory_entries_may_be_longer_than_we_know_them(void **state)
{
    const struct map_entry map[] = {{0x100000, 0x1000000, 1, 0}, {0x8000000, 0x1000, 2, 0}};

    (void)state;
    add_map(map, 2, 40);
    add_end();
    read_bytes(block_bytes);
    assert_int_equal(info.range_count, 3);
    assert_int_equal(info.ranges[2].range.paddr, 0x8000000);
}

/* --- What is refused --- */

static void memory_entries_shorter_than_their_fields_are_refused(void **state)
{
    const struct map_entry map[] = {{0x100000, 0x1000000, 1, 0}};

    (void)state;
    for (uint32_t entry_bytes = 0; entry_bytes < sizeof(map[0]); entry_bytes++) {
        begin(NULL);
        add_map(map, 1, entry_bytes);
        add_end();
        read_bytes(block_bytes);
        assert_int_equal(info.range_count, 1);
    }
}

static void a_module_that_ends_before_it_starts_is_dropped(void **state)
{
    (void)state;
    add_module(0x3000, 0x2000, "backwards");
    add_module(0x3000, 0x3000, "empty");
    add_module(0x4000, 0x5000, "good");
    add_end();
    read_bytes(block_bytes);
    assert_int_equal(info.dropped_module_count, 2);
    assert_int_equal(info.module_count, 1);
    assert_string_equal(info.modules[0].name, "good");
}

static void impossible_screens_are_refused(void **state)
{
    static const struct {
        uint64_t paddr;
        uint32_t pitch;
        uint32_t width;
        uint32_t height;
        uint8_t bits;
        uint8_t type;
    } screens[] = {
        {0, 4096, 1024, 768, 32, 1},                      /* nowhere */
        {0x80000000, 4095, 1024, 768, 32, 1},             /* lines overlap */
        {0x80000000, 4096, 0, 768, 32, 1},                /* no column */
        {0x80000000, 4096, 1024, 0, 32, 1},               /* no line */
        {0x80000000, UINT32_MAX, 0x40000000, 768, 32, 1}, /* width * 4 wraps */
        {0x80000000, 4096, 1024, 768, 8, 1},              /* palette sizes */
        {0x80000000, 4096, 1024, 768, 32, 0},             /* palette */
        {0x80000000, 4096, 1024, 768, 32, 9},             /* unknown */
        {0x80000000, 4096, 1024, 768, 16, 1},             /* red outside the pixel */
        {UINT64_MAX - 4096, 4096, 1024, 768, 32, 1},      /* wraps around */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(screens); i++) {
        begin(NULL);
        add_framebuffer(screens[i].paddr, screens[i].pitch, screens[i].width, screens[i].height,
                        screens[i].bits, screens[i].type);
        add_end();
        read_bytes(block_bytes);
        assert_int_equal(info.framebuffer.paddr, 0);
    }
}

static void a_tag_of_impossible_length_ends_the_block_and_keeps_what_came_before(void **state)
{
    static const uint32_t lengths[] = {0, 7, 0x1000, UINT32_MAX, UINT32_MAX - 7};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        uint32_t bad;

        begin(NULL);
        add_tag(1, "log=info", 9);
        bad = add_tag(2, "GRUB", 5);
        add_module(0x2000, 0x3000, "root.tar");
        add_end();
        memcpy(block + bad - 4, &lengths[i], 4);
        read_bytes(block_bytes);
        assert_string_equal(info.command_line, "log=info");
        assert_int_equal(info.module_count, 0);
    }
}

/* --- Noise --- */

static void the_block_may_end_anywhere(void **state)
{
    (void)state;
    build_all();
    for (uint32_t bytes = 8; bytes < block_bytes; bytes++) {
        read_bytes(bytes);
        assert_true(info.range_count <= 4);
        assert_non_null(memchr(info.command_line, '\0', sizeof(info.command_line)));
    }
}

static void every_byte_may_have_any_value(void **state)
{
    static const uint8_t values[] = {0x00, 0x01, 0x07, 0x7F, 0x80, 0xFF};

    (void)state;
    build_all();
    for (uint32_t at = 0; at < block_bytes; at++) {
        uint8_t old = block[at];

        for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
            block[at] = values[i];
            read_bytes(block_bytes);
            for (unsigned range = 0; range < info.range_count; range++) {
                const struct memory_range *each = &info.ranges[range].range;

                assert_true(each->paddr + each->bytes >= each->paddr);
            }
        }
        block[at] = old;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_that_the_loader_says_arrives, begin),
        cmocka_unit_test_setup(the_block_itself_is_reserved, begin),
        cmocka_unit_test_setup(an_older_rsdp_serves_alone_and_never_replaces_the_newer, begin),
        cmocka_unit_test_setup(without_an_rsdp_it_will_be_searched_for, begin),
        cmocka_unit_test_setup(text_mode_is_a_screen_without_colours, begin),
        cmocka_unit_test_setup(memory_entries_may_be_longer_than_we_know_them, begin),
        cmocka_unit_test_setup(memory_entries_shorter_than_their_fields_are_refused, begin),
        cmocka_unit_test_setup(a_module_that_ends_before_it_starts_is_dropped, begin),
        cmocka_unit_test_setup(impossible_screens_are_refused, begin),
        cmocka_unit_test_setup(a_tag_of_impossible_length_ends_the_block_and_keeps_what_came_before,
                               begin),
        cmocka_unit_test_setup(the_block_may_end_anywhere, begin),
        cmocka_unit_test_setup(every_byte_may_have_any_value, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
