/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/memory_nic.c tests/unit/world/kept_log.c net/link/port.c net/link/nic_option.c */
/* sources: libc/core/command_line.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests net/link/port.c: which of several ports nic= chooses, and what is said of it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/x86/interrupt.h"
#include "net/link/port.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/kept_log.h"
#include "tests/unit/world/memory_nic.h"

static struct nic_port port;

uint64_t interrupt_count(uint8_t vector)
{
    (void)vector;
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    memory_nic_reset();
    kept_log_clear();
    memory_nic_setting.port_count = 3;
    port = (struct nic_port){0};
    return 0;
}

static void choose(const char *words, const char *name)
{
    fake_set_command_line(words);
    assert_int_equal(link_port_find(&port), 0);
    assert_string_equal(port.name, name);
    assert_non_null(port.driver);
}

static void a_port_is_chosen_by_number_address_or_mac(void **state)
{
    (void)state;
    choose("nic=0", "0000:00:03.0");
    choose("nic=2", "0000:00:05.0");
    choose("nic=00:04.0", "0000:00:04.0");
    choose("nic=0:5.0", "0000:00:05.0");
    assert_int_equal(memory_nic_mac_reads(), 0); /* ports stay switched off meanwhile */
    choose("nic=52:54:00:12:34:57", "0000:00:04.0");
    assert_string_equal(kept_log(), "");
}

static void the_only_port_needs_no_word(void **state)
{
    (void)state;
    memory_nic_setting.port_count = 1;
    choose("", "0000:00:03.0");
    assert_string_equal(kept_log(), "");
    assert_int_equal(memory_nic_mac_reads(), 0);
}

static void without_a_word_the_first_is_used_and_all_are_listed(void **state)
{
    (void)state;
    choose("", "0000:00:03.0");
    assert_true(is_logged("of 3 network ports the first is used; nic= chooses"));
    assert_true(is_logged("port 0: 0000:00:03.0, memory, 52:54:00:12:34:56\n"));
    assert_true(is_logged("port 2: 0000:00:05.0, memory, 52:54:00:12:34:58\n"));
}

static void a_word_that_names_no_port_means_the_first(void **state)
{
    static const char *const words[] = {"nic=3", "nic=00:06.0", "nic=52:54:00:12:34:59"};

    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        (void)set_up(state);
        choose(words[i], "0000:00:03.0");
        assert_true(is_logged("no network port is that: the first port is used"));
        assert_true(is_logged(words[i]));
        assert_true(is_logged("port 1: "));
    }
}

static void a_word_that_cannot_be_understood_means_the_first(void **state)
{
    (void)state;
    choose("nic=eth0", "0000:00:03.0");
    assert_true(is_logged("nic=eth0 is neither"));
    assert_true(is_logged("port 1: "));
}

static void no_port_at_all_is_said_with_what_was_looked_for(void **state)
{
    (void)state;
    memory_nic_setting.port_count = 0;
    assert_int_equal(link_port_find(&port), -ENODEV);
    assert_true(is_logged("no card in memory: going on without a network"));
}

static void a_mac_is_printed_byte_by_byte(void **state)
{
    static const uint8_t mac[6] = {0x01, 0x23, 0x45, 0xAB, 0xCD, 0xEF};
    char text[LINK_MAC_TEXT_BYTES];

    (void)state;
    link_print_mac(text, mac);
    assert_string_equal(text, "01:23:45:ab:cd:ef");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_port_is_chosen_by_number_address_or_mac, set_up),
        cmocka_unit_test_setup(the_only_port_needs_no_word, set_up),
        cmocka_unit_test_setup(without_a_word_the_first_is_used_and_all_are_listed, set_up),
        cmocka_unit_test_setup(a_word_that_names_no_port_means_the_first, set_up),
        cmocka_unit_test_setup(a_word_that_cannot_be_understood_means_the_first, set_up),
        cmocka_unit_test_setup(no_port_at_all_is_said_with_what_was_looked_for, set_up),
        cmocka_unit_test(a_mac_is_printed_byte_by_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
