/* SPDX-License-Identifier: MIT */
/* sources: net/transport/network_options.c libc/core/address.c libc/core/command_line.c libc/core/format.c kernel/log.c */
/* sources: kernel/message/channel.c kernel/message/status.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/address.h"
#include "net/transport/network_options.h"

static struct network_options options;
static char reason[192];

static int parse(const char *line)
{
    reason[0] = '\0';
    return network_options_parse(&options, line, reason, sizeof(reason));
}

static void without_a_word_or_with_dhcp_it_is_dhcp(void **state)
{
    (void)state;
    assert_int_equal(parse(""), 0);
    assert_true(options.is_dhcp);
    assert_int_equal(parse("net=dhcp pika=TS1LS1CM1"), 0);
    assert_true(options.is_dhcp);
}

static void a_static_address_brings_its_netmask_gateway_and_name_server(void **state)
{
    char text[ADDRESS_IPV4_TEXT_BYTES];

    (void)state;
    assert_int_equal(parse("net=192.0.2.10/24,gw=192.0.2.1,dns=198.51.100.255"), 0);
    assert_false(options.is_dhcp);
    address_print_ipv4(options.address, text);
    assert_string_equal(text, "192.0.2.10");
    address_print_ipv4(options.netmask, text);
    assert_string_equal(text, "255.255.255.0");
    address_print_ipv4(options.gateway, text);
    assert_string_equal(text, "192.0.2.1");
    address_print_ipv4(options.name_servers[0], text);
    assert_string_equal(text, "198.51.100.255");
    assert_int_equal(options.name_servers[1], 0);
    assert_int_equal(parse("net=10.1.2.3/32"), 0);
    assert_int_equal(options.netmask, UINT32_MAX);
    assert_int_equal(options.gateway, 0);
    assert_int_equal(parse("net=10.1.2.3/1,dns=1.2.3.4"), 0);
    assert_int_equal(options.netmask, 0x80);
}

static void up_to_three_name_servers_are_asked_in_their_order(void **state)
{
    (void)state;
    assert_int_equal(parse("net=10.1.2.3/8,dns=1.0.0.0,gw=10.1.1.1,dns=2.0.0.0,dns=3.0.0.0"), 0);
    assert_int_equal(options.name_servers[0], 1);
    assert_int_equal(options.name_servers[1], 2);
    assert_int_equal(options.name_servers[2], 3);
    assert_int_equal(parse("net=10.1.2.3/8,dns=1.0.0.0,dns=2.0.0.0,dns=3.0.0.0,dns=4.0.0.0"),
                     -EINVAL);
}

static void what_cannot_be_understood_is_named_and_becomes_dhcp(void **state)
{
    const char *const wrong[] = {
        "net=",
        "net=dhcpx",
        "net=10.0.0.1",
        "net=10.0.0.1/",
        "net=10.0.0.1/33",
        "net=10.0.0.1/0",
        "net=10.0.0/24",
        "net=10.0.0.256/24",
        "net=010.0.0.1/24",
        "net=10.0.0.99999999999/24",
        "net=10.0.0.1/24,",
        "net=10.0.0.1/24,gw",
        "net=10.0.0.1/24,gw=",
        "net=10.0.0.1/24,gw=10.0.0.2x",
        "net=10.0.0.1/24,gw=10.0.1.2",
        "net=10.0.0.1/24,mtu=9000",
        "net=0.0.0.0/24",
        "net=127.0.0.1/8",
        "net=224.0.0.1/24",
        "net=10.0.0.1/24 net=x",
        "net=1111111111111111111111111111111111111111111111111111111111111111111111111111111111111"
        "1111111111111111111111111111111111111111111111111111111111111111111111111111111111111",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(parse(wrong[i]), -EINVAL);
        assert_true(options.is_dhcp);
        assert_non_null(strstr(reason, "net="));
    }
}

static void each_complaint_names_its_cause(void **state)
{
    static const struct {
        const char *line, *reason;
    } cases[] = {
        {"net=", "net= is neither dhcp nor ADDRESS/LENGTH[,gw=ADDRESS][,dns=ADDRESS]"},
        {"net=x", "net=x is neither dhcp nor"},
        {"net=10.0.0.1/24,x", "is neither dhcp nor"},
        {"net=10.0.0.1/33", "has no prefix length from 1 to 32"},
        {"net=10.0.0.1/0", "is not the address of a host on a network"},
        {"net=224.0.0.1/24", "is not the address of a host on a network"},
        {"net=10.0.0.1/24,gw=10.0.1.2", "has a gateway outside its own network"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(parse(cases[i].line), -EINVAL);
        assert_non_null(strstr(reason, cases[i].reason));
    }
    /* The last addresses that are a host's, and the first gateway that is on its network. */
    assert_int_equal(parse("net=223.255.255.254/24,gw=223.255.255.1"), 0);
    assert_int_equal(parse("net=1.0.0.0/32"), 0);
}

static void a_short_place_for_the_reason_is_not_overrun(void **state)
{
    char little[8] = "1234567";

    (void)state;
    assert_int_equal(network_options_parse(&options, "net=x", little, 4), -EINVAL);
    assert_string_equal(little, "net");
    assert_string_equal(little + 4, "567");
}

static void the_server_for_the_date_is_an_address_or_the_leases(void **state)
{
    static const char *const wrong[] = {"ntp=",        "ntp=pool.ntp.org", "ntp=192.0.2.1,",
                                        "ntp=0.0.0.0", "ntp=224.0.1.1",    "ntp=DHCP"};
    struct ntp_options ntp;

    (void)state;
    assert_int_equal(ntp_options_parse(&ntp, "net=dhcp", reason, sizeof(reason)), 0);
    assert_false(ntp.is_dhcp);
    assert_int_equal(ntp.server, 0);
    assert_int_equal(ntp_options_parse(&ntp, "ntp=dhcp", reason, sizeof(reason)), 0);
    assert_true(ntp.is_dhcp);
    assert_int_equal(ntp_options_parse(&ntp, "ntp=192.0.2.1 x", reason, sizeof(reason)), 0);
    assert_false(ntp.is_dhcp);
    assert_int_equal(ntp.server, 0x010200C0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        reason[0] = '\0';
        assert_int_equal(ntp_options_parse(&ntp, wrong[i], reason, sizeof(reason)), -EINVAL);
        assert_ptr_equal(strstr(reason, wrong[i]), reason); /* it names the word */
        assert_non_null(strstr(reason, " is neither dhcp nor the address of a host"));
        assert_false(ntp.is_dhcp);
        assert_int_equal(ntp.server, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_word_or_with_dhcp_it_is_dhcp),
        cmocka_unit_test(a_static_address_brings_its_netmask_gateway_and_name_server),
        cmocka_unit_test(up_to_three_name_servers_are_asked_in_their_order),
        cmocka_unit_test(what_cannot_be_understood_is_named_and_becomes_dhcp),
        cmocka_unit_test(each_complaint_names_its_cause),
        cmocka_unit_test(a_short_place_for_the_reason_is_not_overrun),
        cmocka_unit_test(the_server_for_the_date_is_an_address_or_the_leases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
