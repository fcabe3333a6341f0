/* SPDX-License-Identifier: MIT */
/* sources: boot/boot_info.c boot/physical.c tests/unit/world/panic.c */
/*
 * boot/boot_info.c: whatever a loader's memory map looks like, no reserved byte becomes free
 * memory; and a configuration file's words stand before those of the command line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/boot_info.h"
#include "boot/physical.h"
#include "kernel/platform.h"

static struct boot_info info;

static int begin(void **state)
{
    (void)state;
    boot_info_initialise(&info, "test");
    physical_reserve((struct memory_range){0, UINT64_MAX - 0xFFF});
    return 0;
}

static void add(paddr_t paddr, uint64_t bytes, bool is_usable)
{
    boot_info_add_range(&info, paddr, bytes, is_usable);
}

/* What boot_main() makes of it. */
static uint64_t free_bytes(void)
{
    physical_reserve((struct memory_range){0, UINT64_MAX - 0xFFF});
    for (unsigned i = 0; i < info.range_count; i++) {
        if (info.ranges[i].is_usable) {
            physical_add(info.ranges[i].range);
        }
    }
    for (unsigned i = 0; i < info.range_count; i++) {
        if (!info.ranges[i].is_usable) {
            physical_reserve(info.ranges[i].range);
        }
    }
    return physical_free_bytes();
}

static void ranges_that_touch_or_overlap_are_one(void **state)
{
    (void)state;
    add(0x200000, 0x100000, true);
    add(0x100000, 0x100000, true);
    add(0x280000, 0x180000, true);
    assert_int_equal(info.range_count, 1);
    assert_int_equal(info.ranges[0].range.paddr, 0x100000);
    assert_int_equal(info.ranges[0].range.bytes, 0x300000);
    add(0x400000, 0x1000, false);
    assert_int_equal(info.range_count, 2);
    assert_int_equal(free_bytes(), 0x300000);
}

static void reserved_wins_in_any_order(void **state)
{
    (void)state;
    add(0x180000, 0x1000, false);
    add(0x100000, 0x100000, true);
    add(0x1FF800, 0x1000, false);
    assert_int_equal(free_bytes(), 0x100000 - 0x1000 - 0x1000);
}

static void nothing_and_the_impossible_are_not_ranges(void **state)
{
    (void)state;
    add(0x100000, 0, true);
    assert_int_equal(info.dropped_range_count, 0);
    add(0x100000, UINT64_MAX, true);
    assert_int_equal(info.dropped_range_count, 1);
    assert_int_equal(info.range_count, 0);
}

static void a_reserved_range_reaches_to_the_end_of_the_address_space(void **state)
{
    (void)state;
    add(0x100000, 0x100000, true);
    add(UINT64_MAX - 0x10000, 0x100000, false);
    add(0x180000, UINT64_MAX, false);
    assert_int_equal(free_bytes(), 0x80000);
}

/* Reserved holes of all sizes in one large range, more than the list can hold. */
static void a_full_list_frees_no_reserved_byte(void **state)
{
    const unsigned hole_count = 2 * BOOT_RANGE_MAX;
    const uint64_t stride = 0x10000;

    (void)state;
    add(0, hole_count * stride, true);
    for (unsigned i = 0; i < hole_count; i++) {
        add(i * stride + 0x4000, 0x1000, false);
    }
    assert_true(info.dropped_range_count > 0);
    free_bytes();
    for (unsigned i = 0; i < hole_count; i++) {
        uint64_t before = physical_free_bytes();

        physical_reserve((struct memory_range){i * stride + 0x4000, 0x1000});
        assert_int_equal(physical_free_bytes(), before);
    }
}

static void modules_beyond_the_table_are_counted(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(info.modules) + 2; i++) {
        boot_info_add_module(&info, 0x100000, 0x1000, "a", 1);
    }
    assert_int_equal(info.module_count, ARRAY_COUNT(info.modules));
    assert_int_equal(info.dropped_module_count, 2);
}

static void a_first_module_without_a_name_is_the_web_root(void **state)
{
    (void)state;
    boot_info_add_module(&info, 0x100000, 0x1000, "", 0);
    boot_info_add_module(&info, 0x200000, 0x1000, "", 0);
    boot_info_add_module(&info, UINT64_MAX, 0x1000, "wraps", 5);
    assert_string_equal(info.modules[0].name, "root.tar");
    assert_string_equal(info.modules[1].name, "");
    assert_int_equal(info.dropped_module_count, 1);
}

static void long_and_unprintable_names_are_tamed(void **state)
{
    char name[2 * MODULE_NAME_BYTES];

    (void)state;
    memset(name, 'x', sizeof(name));
    name[1] = '\n';
    boot_info_add_module(&info, 0x100000, 0x1000, name, sizeof(name));
    assert_int_equal(strlen(info.modules[0].name), MODULE_NAME_BYTES - 1);
    assert_int_equal(info.modules[0].name[1], ' ');
}

static void a_command_line_too_long_is_cut_and_marked(void **state)
{
    char line[COMMAND_LINE_MAX_BYTES + 8];

    (void)state;
    memset(line, 'x', sizeof(line));
    boot_info_set_command_line(&info, line, COMMAND_LINE_MAX_BYTES - 1);
    assert_false(info.is_command_line_cut);
    boot_info_set_command_line(&info, line, sizeof(line));
    assert_true(info.is_command_line_cut);
    assert_int_equal(strlen(info.command_line), COMMAND_LINE_MAX_BYTES - 1);
}

static void add_configuration(const char *text)
{
    boot_info_add_configuration(&info, text, strlen(text));
}

static void words_of_a_file_stand_before_the_line(void **state)
{
    (void)state;
    boot_info_set_command_line(&info, "log=debug", 9);
    add_configuration("# comment net=no\nnet=dhcp\tlog=info # behind\r\n\n  app=httpd:2");
    assert_string_equal(info.command_line, "net=dhcp log=info app=httpd:2 log=debug");
    add_configuration("");
    add_configuration("#");
    assert_string_equal(info.command_line, "net=dhcp log=info app=httpd:2 log=debug");
}

/* A `#` belongs to a word unless it starts one. */
static void a_word_may_hold_a_number_sign(void **state)
{
    (void)state;
    add_configuration("a=1#2");
    assert_string_equal(info.command_line, "a=1#2 ");
}

static void words_that_do_not_fit_are_left_out_whole(void **state)
{
    char line[COMMAND_LINE_MAX_BYTES];

    (void)state;
    memset(line, 'x', sizeof(line));
    boot_info_set_command_line(&info, line, COMMAND_LINE_MAX_BYTES - 6);
    add_configuration("a=1 b=2");
    assert_true(info.is_command_line_cut);
    assert_memory_equal(info.command_line, "a=1 xxx", 7);
    assert_int_equal(strlen(info.command_line), COMMAND_LINE_MAX_BYTES - 6 + 4);
}

static void a_file_ends_at_a_nul(void **state)
{
    (void)state;
    boot_info_add_configuration(&info, "a=1\0b=2", 7);
    assert_string_equal(info.command_line, "a=1 ");
}

static bool has_screen_at(paddr_t paddr)
{
    info.framebuffer = (struct framebuffer_info){
        .paddr = paddr, .width = 1024, .height = 768, .pitch_bytes = 4096, .bits_per_pixel = 32};
    bool is_kept = boot_info_check_framebuffer(&info);

    assert_int_equal(info.framebuffer.paddr, is_kept ? paddr : 0);
    return is_kept;
}

/* Drawing there would write over a node. */
static void a_screen_in_usable_memory_is_left_out(void **state)
{
    (void)state;
    boot_info_add_range(&info, 0x100000, 0x3FF00000, true);
    boot_info_add_range(&info, 0x40000000, 0x10000000, false);
    boot_info_add_range(&info, 0x100000000, 0x40000000, true);
    assert_true(has_screen_at(0x40000000)); /* memory that firmware has set aside */
    assert_true(has_screen_at(0xFD000000));
    assert_true(has_screen_at(0x140000000));
    assert_false(has_screen_at(0x3FFFF000));
    assert_false(has_screen_at(0x1000000));
    assert_false(has_screen_at(0x100000000 - 0x1000));
    assert_true(has_screen_at(UINT64_MAX - 0x100));
    info.framebuffer.paddr = 0;
    assert_true(boot_info_check_framebuffer(&info)); /* there is none */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ranges_that_touch_or_overlap_are_one, begin),
        cmocka_unit_test_setup(reserved_wins_in_any_order, begin),
        cmocka_unit_test_setup(nothing_and_the_impossible_are_not_ranges, begin),
        cmocka_unit_test_setup(a_reserved_range_reaches_to_the_end_of_the_address_space, begin),
        cmocka_unit_test_setup(a_full_list_frees_no_reserved_byte, begin),
        cmocka_unit_test_setup(modules_beyond_the_table_are_counted, begin),
        cmocka_unit_test_setup(a_first_module_without_a_name_is_the_web_root, begin),
        cmocka_unit_test_setup(long_and_unprintable_names_are_tamed, begin),
        cmocka_unit_test_setup(a_command_line_too_long_is_cut_and_marked, begin),
        cmocka_unit_test_setup(words_of_a_file_stand_before_the_line, begin),
        cmocka_unit_test_setup(a_word_may_hold_a_number_sign, begin),
        cmocka_unit_test_setup(words_that_do_not_fit_are_left_out_whole, begin),
        cmocka_unit_test_setup(a_file_ends_at_a_nul, begin),
        cmocka_unit_test_setup(a_screen_in_usable_memory_is_left_out, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
