/* SPDX-License-Identifier: MIT */
/* sources: drivers/console/framebuffer.c drivers/console/font.c drivers/console/vga_text.c tests/unit/world/panic.c */
/*
 * Tests drivers/console/framebuffer.c and drivers/console/vga_text.c on memory of exactly the size
 * that they say they write to, so that the sanitizer sees a byte beyond; and the font.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/console/font.h"
#include "drivers/console/framebuffer.h"
#include "drivers/console/screen.h"
#include "drivers/console/vga_text.h"
#include "kernel/node.h"
#include "kernel/platform.h"

#define UNTOUCHED 0xA5

static struct framebuffer_info info;
static uint8_t *memory;

static const struct framebuffer_info rgb32 = {
    .bits_per_pixel = 32, .red = {16, 8}, .green = {8, 8}, .blue = {0, 8}};
static const struct framebuffer_info bgr24 = {
    .bits_per_pixel = 24, .red = {0, 8}, .green = {8, 8}, .blue = {16, 8}};
static const struct framebuffer_info rgb565 = {
    .bits_per_pixel = 16, .red = {11, 5}, .green = {5, 6}, .blue = {0, 5}};
static const struct framebuffer_info rgb555 = {
    .bits_per_pixel = 15, .red = {10, 5}, .green = {5, 5}, .blue = {0, 5}};
static const struct framebuffer_info rgb30 = {
    .bits_per_pixel = 32, .red = {20, 10}, .green = {10, 10}, .blue = {0, 10}};

static void open(const struct framebuffer_info *layout, uint32_t width, uint32_t height,
                 uint32_t spare_bytes)
{
    info = *layout;
    info.paddr = 0xFD000000;
    info.width = width;
    info.height = height;
    info.pitch_bytes = width * ((layout->bits_per_pixel + 7) / 8) + spare_bytes;
    uint64_t bytes = framebuffer_bytes(&info);

    assert_int_not_equal(bytes, 0);
    free(memory);
    memory = malloc(bytes);
    memset(memory, UNTOUCHED, bytes);
    assert_true(framebuffer_open(&info, memory));
}

static uint32_t pixel(uint32_t x, uint32_t y)
{
    unsigned bytes = (info.bits_per_pixel + 7u) / 8;
    uint32_t value = 0;

    memcpy(&value, memory + (size_t)y * info.pitch_bytes + (size_t)x * bytes, bytes);
    return value;
}

/* Every pixel of a character is what the font says, in these two colours. */
static void expect_character(unsigned column, unsigned row, char character, unsigned scale,
                             uint32_t on, uint32_t off)
{
    for (unsigned y = 0; y < FONT_HEIGHT * scale; y++) {
        for (unsigned x = 0; x < FONT_WIDTH * scale; x++) {
            bool is_set = (font_line(character, y / scale) & 0x80 >> x / scale) != 0;

            assert_int_equal(pixel(column * FONT_WIDTH * scale + x, row * FONT_HEIGHT * scale + y),
                             is_set ? on : off);
        }
    }
}

static int tear_down(void **state)
{
    (void)state;
    free(memory);
    memory = NULL;
    return 0;
}

/* --- The font --- */

static void all_printable_characters_look_different(void **state)
{
    (void)state;
    for (int a = ' '; a <= '~'; a++) {
        for (int b = a + 1; b <= '~'; b++) {
            unsigned y = 0;

            while (y < FONT_HEIGHT && font_line((char)a, y) == font_line((char)b, y)) {
                y++;
            }
            assert_true(y < FONT_HEIGHT);
        }
    }
}

static void characters_do_not_touch_those_above_and_below(void **state)
{
    (void)state;
    for (int character = -128; character < 128; character++) {
        assert_int_equal(font_line((char)character, 0), 0);
        assert_int_equal(font_line((char)character, FONT_HEIGHT - 1), 0);
        assert_int_equal(font_line((char)character, FONT_HEIGHT), 0);
        if (character < ' ' || character > '~') {
            assert_int_equal(font_line((char)character, 5), 0);
        }
    }
}

/* --- Pixels --- */

static void characters_are_drawn_in_every_layout(void **state)
{
    static const struct {
        const struct framebuffer_info *layout;
        uint32_t on;
    } layouts[] = {
        {&rgb32, 0x00CCCCCC},
        {&bgr24, 0x00CCCCCC},
        {&rgb565, 24 << 11 | 50 << 5 | 24},
        {&rgb555, 24 << 10 | 24 << 5 | 24},
        {&rgb30, 818 << 20 | 818 << 10 | 818},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(layouts); i++) {
        open(layouts[i].layout, 80, 48, 0);
        assert_int_equal(framebuffer_columns(), 10);
        assert_int_equal(framebuffer_rows(), 3);
        framebuffer_draw(3, 1, 'g', false);
        expect_character(3, 1, 'g', 1, layouts[i].on, 0);
        framebuffer_draw(9, 2, '@', true);
        expect_character(9, 2, '@', 1, 0, layouts[i].on);
    }
}

static void a_character_touches_only_its_own_pixels(void **state)
{
    uint32_t untouched = 0;

    (void)state;
    memset(&untouched, UNTOUCHED, 3);
    open(&bgr24, 37, 50, 5);
    framebuffer_draw(1, 1, '#', false);
    for (uint32_t y = 0; y < info.height; y++) {
        for (uint32_t x = 0; x < info.width; x++) {
            bool is_inside = x >= 8 && x < 16 && y >= 16 && y < 32;

            assert_true(is_inside != (pixel(x, y) == untouched));
        }
    }
}

/* The memory ends with the last pixel; what is cut off at the edges is no character. */
static void odd_sizes_and_pitches_stay_inside(void **state)
{
    static const uint32_t sizes[][3] = {
        {8, 16, 0}, {9, 17, 1}, {15, 31, 3}, {641, 479, 7}, {1366, 768, 10}, {1921, 1081, 2},
    };
    static const struct framebuffer_info *const layouts[] = {&rgb32, &bgr24, &rgb565};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        for (size_t j = 0; j < ARRAY_COUNT(layouts); j++) {
            open(layouts[j], sizes[i][0], sizes[i][1], sizes[i][2]);
            for (unsigned row = 0; row <= framebuffer_rows(); row++) {
                for (unsigned column = 0; column <= framebuffer_columns(); column++) {
                    framebuffer_draw(column, row, 'W', true);
                }
            }
        }
    }
}

static void large_screens_get_large_characters(void **state)
{
    static const uint32_t sizes[][4] = {
        /* width, height, columns, rows */
        {1920, 1200, 240, 75}, {2560, 1440, 160, 45}, {3840, 2160, 240, 67},
        {1080, 1920, 67, 60},  {7680, 4320, 240, 67}, {8, 16, 1, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        open(&rgb32, sizes[i][0], sizes[i][1], 0);
        assert_int_equal(framebuffer_columns(), sizes[i][2]);
        assert_int_equal(framebuffer_rows(), sizes[i][3]);
        framebuffer_draw(sizes[i][2] - 1, sizes[i][3] - 1, 'Q', false);
        expect_character(sizes[i][2] - 1, sizes[i][3] - 1, 'Q',
                         sizes[i][0] / sizes[i][2] / FONT_WIDTH, 0x00CCCCCC, 0);
    }
}

static void descriptions_without_sense_are_refused(void **state)
{
    struct framebuffer_info bad;

    (void)state;
    open(&rgb32, 640, 480, 0);
#define REFUSED(member, value)                                                                     \
    bad = info;                                                                                    \
    bad.member = (value);                                                                          \
    assert_int_equal(framebuffer_bytes(&bad), 0);                                                  \
    assert_false(framebuffer_open(&bad, memory))
    REFUSED(bits_per_pixel, 0);
    REFUSED(bits_per_pixel, 8);
    REFUSED(bits_per_pixel, 64);
    REFUSED(width, 0);
    REFUSED(width, 7);
    REFUSED(width, 641);
    REFUSED(width, UINT32_MAX);
    REFUSED(height, 0);
    REFUSED(height, 15);
    REFUSED(height, UINT32_MAX);
    REFUSED(pitch_bytes, 0);
    REFUSED(pitch_bytes, 4 * 640 - 1);
    REFUSED(pitch_bytes, UINT32_MAX);
    REFUSED(red.bits, 0);
    REFUSED(green.bits, 17);
    REFUSED(blue.position, 25);
    REFUSED(is_text, true);
#undef REFUSED
}

/* --- VGA text --- */

static void text_goes_with_its_attribute(void **state)
{
    struct framebuffer_info text = {
        .paddr = 0xB8000, .width = 80, .height = 25, .pitch_bytes = 160, .is_text = true};

    (void)state;
    assert_int_equal(vga_text_bytes(&text), 4000);
    memory = calloc(1, 4000);
    assert_true(vga_text_open(&text, memory));
    vga_text_draw(79, 24, 'x', false);
    vga_text_draw(0, 24, 'y', true);
    vga_text_draw(80, 24, 'z', true);
    vga_text_draw(79, 25, 'z', true);
    assert_memory_equal(memory + 3998, "x\x07", 2);
    assert_memory_equal(memory + 3840, "y\x70", 2);
    text.pitch_bytes = 159;
    assert_false(vga_text_open(&text, memory));
    text.pitch_bytes = 160;
    text.is_text = false;
    assert_false(vga_text_open(&text, memory));
}

static void text_mode_is_found_where_a_bios_says_so(void **state)
{
    struct framebuffer_info found = {0};

    (void)state;
    memory = calloc(1, 1 << 20);
    assert_false(vga_text_detect(&found, memory));
    memory[0x449] = 3;
    memory[0x44A] = 80;
    memory[0xB8000 + 3998] = 'k';
    assert_true(vga_text_detect(&found, memory));
    assert_int_equal(found.paddr, 0xB8000);
    assert_true(found.is_text);
    assert_int_equal(vga_text_bytes(&found), 4000);
    assert_int_equal(memory[0xB8000 + 3998], 'k');
    memory[0x449] = 0x13;
    assert_false(vga_text_detect(&found, memory));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_printable_characters_look_different),
        cmocka_unit_test(characters_do_not_touch_those_above_and_below),
        cmocka_unit_test_teardown(characters_are_drawn_in_every_layout, tear_down),
        cmocka_unit_test_teardown(a_character_touches_only_its_own_pixels, tear_down),
        cmocka_unit_test_teardown(odd_sizes_and_pitches_stay_inside, tear_down),
        cmocka_unit_test_teardown(large_screens_get_large_characters, tear_down),
        cmocka_unit_test_teardown(descriptions_without_sense_are_refused, tear_down),
        cmocka_unit_test_teardown(text_goes_with_its_attribute, tear_down),
        cmocka_unit_test_teardown(text_mode_is_found_where_a_bios_says_so, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
