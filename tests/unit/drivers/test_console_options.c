/* SPDX-License-Identifier: MIT */
/* sources: drivers/console/options.c libc/core/command_line.c kernel/log.c libc/core/format.c */
/* sources: kernel/message/status.c kernel/message/channel.c tests/unit/world/fake_platform.c */
/*
 * Tests drivers/console/options.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/console/options.h"
#include "tests/unit/world/fake_platform.h"

static const struct serial_port no_firmware;
static const struct serial_port firmware = {.port = 0x2F8, .isa_irq = 3, .baud = 9600};

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    return 0;
}

static void expect(const char *line, uint16_t port, uint8_t isa_irq, uint32_t baud, bool has_screen)
{
    struct console_options options;

    console_options_parse(&options, line, &no_firmware);
    assert_int_equal(options.serial.port, port);
    assert_int_equal(options.serial.baud, baud);
    assert_int_equal(options.serial.isa_irq, isa_irq);
    assert_int_equal(options.has_screen, has_screen);
}

static void without_a_word_it_is_the_first_port_and_the_screen(void **state)
{
    (void)state;
    expect("", 0x3F8, 4, 115200, true);
    expect("net=dhcp consoles=fb -- console=none", 0x3F8, 4, 115200, true);
}

static void firmware_chooses_the_port_unless_a_word_does(void **state)
{
    struct console_options options;

    (void)state;
    console_options_parse(&options, "", &firmware);
    assert_int_equal(options.serial.port, 0x2F8);
    assert_int_equal(options.serial.baud, 9600);
    assert_true(options.has_screen);
    console_options_parse(&options, "console=ttyS0", &firmware);
    assert_int_equal(options.serial.port, 0x3F8);
    assert_int_equal(options.serial.baud, 115200);
    assert_false(options.has_screen);
}

static void words_name_ports_speeds_and_the_screen(void **state)
{
    (void)state;
    expect("console=ttyS0", 0x3F8, 4, 115200, false);
    expect("console=ttyS1,9600", 0x2F8, 3, 9600, false);
    expect("console=ttyS2,57600n8", 0x3E8, 4, 57600, false);
    expect("console=0x3e8,19200", 0x3E8, 4, 19200, false);
    expect("console=0xC050", 0xC050, 0, 115200, false);
    expect("console=fb", 0, 0, 0, true);
    expect("console=vga", 0, 0, 0, true);
    expect("console=none", 0, 0, 0, false);
}

static void several_words_add_up_and_the_last_port_counts(void **state)
{
    (void)state;
    expect("console=fb console=ttyS0,9600", 0x3F8, 4, 9600, true);
    expect("console=ttyS1 quiet console=ttyS0,300 console=fb", 0x3F8, 4, 300, true);
}

static void words_without_sense_are_passed_over_and_reported(void **state)
{
    static const char *const words[] = {
        "console=",
        "console=ttyS",
        "console=ttyS4",
        "console=ttyS0,",
        "console=ttyS0,0",
        "console=ttyS0,7",
        "console=ttyS0,n8",
        "console=ttyS0,230400",
        "console=0x",
        "console=0xffff",
        "console=0x10000",
        "console=0x0",
        "console=tty0",
        "console=fb,1",
        "console=ttyS0,1e3",
        "console=ttyS0,115200n",
        "console=4294967296",
        "console=0x3f8,,1",
        "console=ttyS0,99999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        expect(words[i], 0x3F8, 4, 115200, true);
        assert_int_equal(console_options_report(words[i]), 1);
    }
    expect("console=ttyS9 console=fb", 0, 0, 0, true);
    assert_int_equal(console_options_report("console=ttyS9 console=fb console=x"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_a_word_it_is_the_first_port_and_the_screen, set_up),
        cmocka_unit_test_setup(firmware_chooses_the_port_unless_a_word_does, set_up),
        cmocka_unit_test_setup(words_name_ports_speeds_and_the_screen, set_up),
        cmocka_unit_test_setup(several_words_add_up_and_the_last_port_counts, set_up),
        cmocka_unit_test_setup(words_without_sense_are_passed_over_and_reported, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
