/* SPDX-License-Identifier: MIT */
/* sources: apps/syslog/sender.c apps/syslog/queue.c apps/syslog/line.c apps/syslog/message.c apps/syslog/collector.c net/address.c libc/core/address.c libc/core/numbers.c */
/* sources: net/handlers.c net/messages.c net/configuration.c net/current_configuration.c net/placement.c net/returning.c net/draining.c net/steering.c tests/unit/world/fake_park.c tests/unit/world/fake_return.c */
/* sources: kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c */
/* sources: kernel/log.c kernel/thread/thread.c kernel/thread/switch.S libc/core/timer.c libc/core/command_line.c libc/core/format.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * The world of a node that sends its log: see syslog_world.h.
 */
#include "tests/unit/world/syslog_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apps/syslog/sender.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "net/configuration.h"
#include "net/returning.h"
#include "net/transport/own_datagram.h"
#include "net/wall_clock.h"
#include "tests/unit/world/fake_platform.h"

int syslog_send_result;
char syslog_sent[SYSLOG_SENT_MAX][300];
unsigned syslog_sent_count;

int transport_send_own_datagram(uint32_t address, uint16_t port, const void *bytes, size_t count)
{
    assert_memory_equal(&address, "\300\0\2\11", 4);
    assert_int_equal(port, 514);
    if (syslog_send_result == 0) {
        assert_true(syslog_sent_count < SYSLOG_SENT_MAX && count < sizeof(syslog_sent[0]));
        memcpy(syslog_sent[syslog_sent_count], bytes, count);
        syslog_sent[syslog_sent_count++][count] = '\0';
    }
    return syslog_send_result;
}

/* Boot was at the start of 2000. */
uint64_t wall_clock_at(uint64_t now_ns)
{
    return WALL_CLOCK_MIN_NS + now_ns;
}

void syslog_pass_ms(unsigned ms)
{
    for (unsigned i = 0; i < ms; i += 5) {
        fake_advance_ns(5 * NS_PER_MS);
        while (dispatch_round() > 0) {
        }
    }
}

void syslog_write_as(node_id_t node, const char *text)
{
    struct status_page *own = status_own_page;

    status_own_page = fake_status_page(node);
    (void)status_log_append(text, strlen(text), 0);
    status_own_page = own;
}

void syslog_expect(unsigned number, const char *wanted)
{
    assert_true(number < syslog_sent_count);
    assert_string_equal(syslog_sent[number], wanted);
}

void syslog_start_on(node_id_t node)
{
    static struct configuration configuration;
    char reason[128];

    fake_platform_reset(node, 4);
    fake_set_command_line("syslog=192.0.2.9");
    dispatch_initialise();
    assert_int_equal(configuration_parse(&configuration, "pika=TS2LS2CM2 app=httpd:2", 4, reason,
                                         sizeof(reason)),
                     0);
    configuration_set_current(&configuration);
    returning_start();
    syslog_sender_start();
    syslog_sent_count = 0;
}
