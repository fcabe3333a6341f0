/* SPDX-License-Identifier: MIT */
/* sources: net/messages.c net/configuration.c net/placement.c tests/unit/world/panic.c */
/*
 * Tests net/messages.h: the form that all nodes rely on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/messages.h"

static void every_message_has_its_own_type_above_the_kernels(void **state)
{
    const uint16_t types[] = {
#define X(type, name, from, to) type,
        MESSAGE_TABLE(X)
#undef X
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        assert_int_equal(types[i], MESSAGE_TYPE_FIRST_FREE + i);
        assert_true(types[i] < MESSAGE_TYPE_MAX);
    }
}

static void every_message_begins_with_its_header(void **state)
{
    (void)state;
#define X(type, name, from, to) assert_int_equal(offsetof(struct name, header), 0);
    MESSAGE_TABLE(X)
#undef X
}

/* The column `from`, as the dispatcher holds every sender to it. */
static void only_nodes_with_the_tables_role_may_send(void **state)
{
    struct configuration configuration;
    char reason[64];

    (void)state;
    assert_int_equal(configuration_parse(&configuration, "pika=TS1+LS1+CM1 app=httpd:2", 6, reason,
                                         sizeof(reason)),
                     0);
    /* Node 0 is the TS, 1 the LS, 2 the CM, 3 and 4 applications, 5 nothing. */
    assert_int_equal(net_message_senders(&configuration, LISTEN).words[0], 0x18);
    assert_int_equal(net_message_senders(&configuration, SEND).words[0], 0x18);
    assert_int_equal(net_message_senders(&configuration, DECLINE_CONNECTION).words[0], 0x18);
    assert_int_equal(net_message_senders(&configuration, SYN_ARRIVED).words[0], 0x01);
    assert_int_equal(net_message_senders(&configuration, ASSIGN_CONNECTION).words[0], 0x04);
    assert_int_equal(net_message_senders(&configuration, PORTS_SERVED).words[0], 0x04);
    assert_int_equal(net_message_senders(&configuration, ADDRESS_SET).words[0], 0x01);
    assert_int_equal(net_message_senders(&configuration, FORWARD_FRAME).words[0], 0x03);
    assert_int_equal(net_message_senders(&configuration, OFFER).words[0], 0x04);
    assert_int_equal(net_message_senders(&configuration, DHCP_LEASE).words[0], 0x01);
    assert_int_equal(net_message_bytes(LISTEN), sizeof(struct listen));
    assert_int_equal(net_message_bytes(DHCP_LEASE), sizeof(struct dhcp_lease));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_nodes_with_the_tables_role_may_send),
        cmocka_unit_test(every_message_has_its_own_type_above_the_kernels),
        cmocka_unit_test(every_message_begins_with_its_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
