/* SPDX-License-Identifier: MIT */
/* sources: drivers/console/keyboard.c */
/* flags: -DCPU_FAKE */
/*
 * Tests what drivers/console/keyboard.c makes of scan codes, and of a controller that is there at
 * the start and then vanishes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/console/keyboard.h"
#include "libc/core/port.h"

#define SHIFT     0x2A
#define CONTROL   0x1D
#define CAPS_LOCK 0x3A
#define RELEASE   0x80

#define STATUS_PORT        0x64
#define STATUS_OUTPUT_FULL 0x01
#define READ_MAX           1000

static bool has_vanished;
static unsigned read_count;
static unsigned write_count;

/* A controller that has an answer ready at any time; without one the bus answers all ones. */
uint8_t port_read8(uint16_t port)
{
    read_count++;
    assert_true(read_count < READ_MAX);
    return has_vanished ? 0xFF : port == STATUS_PORT ? STATUS_OUTPUT_FULL : 0;
}

void port_write8(uint16_t port, uint8_t value)
{
    (void)port;
    (void)value;
    write_count++;
}

/* What a series of codes types. */
static const char *type(const uint8_t *codes, size_t count)
{
    static char text[64];
    size_t length = 0;

    for (size_t i = 0; i < count; i++) {
        int character = keyboard_decode(codes[i]);

        if (character >= 0) {
            assert_true(length < sizeof(text) - 1);
            text[length++] = (char)character;
        }
    }
    text[length] = '\0';
    return text;
}

#define TYPE(...) type((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void a_key_types_when_pressed_and_not_when_released(void **state)
{
    (void)state;
    assert_string_equal(TYPE(0x31, 0x31 | RELEASE, 0x18, 0x18 | RELEASE, 0x20, 0x12, 0x1F),
                        "nodes");
    assert_string_equal(TYPE(0x1C, 0x1C | RELEASE), "\n");
    assert_string_equal(TYPE(0x0E), "\b");
    assert_string_equal(TYPE(0x39), " ");
    assert_string_equal(TYPE(0x02, 0x0B, 0x35, 0x2B, 0x29, 0x28), "10/\\`'");
}

static void either_shift_lasts_until_it_is_released(void **state)
{
    (void)state;
    assert_string_equal(TYPE(SHIFT, 0x1E, 0x02, SHIFT | RELEASE, 0x1E, 0x02), "A!a1");
    assert_string_equal(TYPE(0x36, SHIFT, 0x1E, SHIFT | RELEASE, 0x1E, 0x36 | RELEASE, 0x1E),
                        "AAa");
}

static void caps_lock_changes_letters_only(void **state)
{
    (void)state;
    assert_string_equal(TYPE(CAPS_LOCK, CAPS_LOCK | RELEASE, 0x1E, 0x02, SHIFT, 0x1E, 0x02,
                             SHIFT | RELEASE, CAPS_LOCK, CAPS_LOCK | RELEASE, 0x1E),
                        "A1a!a");
}

static void control_with_a_letter_types_its_control_character(void **state)
{
    (void)state;
    assert_string_equal(TYPE(CONTROL, 0x20, 0x02, CONTROL | RELEASE, 0x20), "\004d");
}

/* The cursor keys share codes with the keypad, and come with a shift that nobody pressed. */
static void extended_keys_type_nothing_but_enter_and_slash(void **state)
{
    (void)state;
    assert_string_equal(TYPE(0xE0, 0x48, 0xE0, 0xC8, 0xE0, SHIFT, 0xE0, 0x47, 0x1E), "a");
    assert_string_equal(TYPE(0xE0, 0x1C, 0xE0, 0x9C, 0xE0, 0x35), "\n/");
    assert_string_equal(TYPE(0x48, 0x53), "8.");
}

static void pause_types_nothing_and_holds_no_key(void **state)
{
    (void)state;
    assert_string_equal(TYPE(0xE1, 0x1D, 0x45, 0xE1, 0x9D, 0xC5, 0x1E), "a");
}

static void every_byte_is_answered_with_ascii_or_nothing(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            int a = keyboard_decode((uint8_t)first);
            int b = keyboard_decode((uint8_t)second);

            assert_true(a >= -1 && a < 127 && a != 0);
            assert_true(b >= -1 && b < 127 && b != 0);
        }
    }
}

/* Its status then says that a byte of the mouse waits, and will for ever. */
static void a_controller_that_vanishes_types_nothing_and_keeps_nobody(void **state)
{
    (void)state;
    has_vanished = false;
    assert_true(keyboard_initialise());
    has_vanished = true;
    read_count = 0;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(keyboard_read(), -1);
    }
    assert_int_equal(read_count, 1); /* it is asked for no more */
}

static void without_a_controller_nothing_is_written_and_nobody_waits(void **state)
{
    (void)state;
    has_vanished = true;
    read_count = 0;
    write_count = 0;
    assert_false(keyboard_initialise());
    assert_int_equal(keyboard_read(), -1);
    assert_int_equal(read_count, 1);
    assert_int_equal(write_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_types_when_pressed_and_not_when_released),
        cmocka_unit_test(either_shift_lasts_until_it_is_released),
        cmocka_unit_test(caps_lock_changes_letters_only),
        cmocka_unit_test(control_with_a_letter_types_its_control_character),
        cmocka_unit_test(extended_keys_type_nothing_but_enter_and_slash),
        cmocka_unit_test(pause_types_nothing_and_holds_no_key),
        cmocka_unit_test(every_byte_is_answered_with_ascii_or_nothing),
        cmocka_unit_test(a_controller_that_vanishes_types_nothing_and_keeps_nobody),
        cmocka_unit_test(without_a_controller_nothing_is_written_and_nobody_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
