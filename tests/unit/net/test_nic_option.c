/* SPDX-License-Identifier: MIT */
/* sources: net/link/nic_option.c libc/core/command_line.c libc/core/format.c kernel/log.c */
/* sources: kernel/message/channel.c kernel/message/status.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/link/nic_option.h"

static struct nic_option option;
static char reason[192];

static int parse(const char *line)
{
    reason[0] = '\0';
    return nic_option_parse(&option, line, reason, sizeof(reason));
}

static void without_a_word_the_first_port_is_asked_for(void **state)
{
    (void)state;
    assert_int_equal(parse("net=dhcp -- nic=3"), 0);
    assert_int_equal(option.choice, NIC_FIRST);
}

static void a_number_is_decimal(void **state)
{
    (void)state;
    assert_int_equal(parse("nic=0"), 0);
    assert_int_equal(option.choice, NIC_NUMBER);
    assert_int_equal(option.number, 0);
    assert_int_equal(parse("nic=1 nic=10"), 0);
    assert_int_equal(option.number, 10);
    assert_string_equal(option.text, "10");
}

static void assert_address(const char *name)
{
    assert_int_equal(option.choice, NIC_NAME);
    assert_string_equal(option.name, name);
}

static void an_address_is_hexadecimal_with_or_without_segment(void **state)
{
    (void)state;
    assert_int_equal(parse("nic=5e:00.1"), 0);
    assert_address("0000:5e:00.1");
    assert_int_equal(parse("nic=10000:1f.7"), -EINVAL);
    assert_int_equal(parse("nic=ffff:FF:1f.7"), 0);
    assert_address("ffff:ff:1f.7");
    assert_int_equal(parse("nic=0:3.0"), 0);
    assert_address("0000:00:03.0");
}

static void a_mac_address_is_six_bytes(void **state)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0x00, 0xAB, 0xCD, 0xEF};

    (void)state;
    assert_int_equal(parse("nic=52:54:00:ab:CD:ef"), 0);
    assert_int_equal(option.choice, NIC_MAC);
    assert_memory_equal(option.mac, mac, sizeof(mac));
}

static void what_cannot_be_understood_is_named_and_becomes_the_first_port(void **state)
{
    static const char *const wrong[] = {
        "nic=",
        "nic=eth0",
        "nic=-1",
        "nic=1000",
        "nic=99999999999999999999",
        "nic=0x1",
        "nic=1.0",
        "nic=00:20.0",
        "nic=00:00.8",
        "nic=100:00.0",
        "nic=00:00.0.0",
        "nic=0:0:0:0.0",
        "nic=00:00:00.",
        "nic=52:54:00:ab:cd",
        "nic=52:54:00:ab:cd:ef:01",
        "nic=52:54:00:ab:cd:100",
        "nic=52:54:00:ab:cd:",
        "nic=1 nic=x",
        "nic=0000000000000000000000000000000000000000001",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(parse(wrong[i]), -EINVAL);
        assert_int_equal(option.choice, NIC_FIRST);
        assert_non_null(strstr(reason, "nic="));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_word_the_first_port_is_asked_for),
        cmocka_unit_test(a_number_is_decimal),
        cmocka_unit_test(an_address_is_hexadecimal_with_or_without_segment),
        cmocka_unit_test(a_mac_address_is_six_bytes),
        cmocka_unit_test(what_cannot_be_understood_is_named_and_becomes_the_first_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
