/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/timewait.c net/transport/hash.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests net/transport/tcp/timewait.c with one client that uses its ports again and again, faster
 * than TIME-WAIT ends. Without timestamps a higher sequence number has to do (RFC 6191).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/status.h"
#include "net/transport/counters.h"
#include "net/transport/hash.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/timewait.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"

#define SYN        0x02
#define PORT_FIRST 32768u /* as Linux draws them */
#define PORT_COUNT 28000u
#define PER_S      10000u
#define SECONDS    60u
#define SENT_BYTES 500u /* by the client, on each connection */
/* Of its initial numbers in the 2.8 s between two uses of a port (RFC 6528). */
#define RISE       700000u

static unsigned challenge_count;

void segment_out_send_bare(const struct bare_segment *segment)
{
    (void)segment;
    challenge_count++;
}

static struct flow flow_of(uint32_t port)
{
    return (struct flow){.remote_address = 0x0100000A,
                         .local_address = 0x0200000A,
                         .remote_port = (uint16_t)(PORT_FIRST + port),
                         .local_port = 0x5000};
}

static uint64_t counted(unsigned counter)
{
    return fake_status_page(0)->counters[counter];
}

/* Every connection is opened at once, none has more than one entry, and there are never more than
 * the client has ports. */
static void a_client_opens_its_ports_again_for_a_minute(void **state)
{
    uint64_t now_ns = 5 * NS_PER_S;

    (void)state;
    fake_platform_reset(0, 1);
    fake_status_page(0)->memory_bytes = 64 * MIB;
    flow_hash_initialise();
    timewait_initialise();
    for (uint32_t i = 0; i < PER_S * SECONDS; i++) {
        struct flow flow = flow_of(i % PORT_COUNT);
        uint32_t isn = 0xFFFF0000u + i / PORT_COUNT * RISE; /* it wraps meanwhile */
        struct packet syn = {.flow = flow, .sequence = isn, .tcp_flags = SYN, .kind = PACKET_SYN};
        uint32_t least_iss = 0;
        enum timewait_verdict verdict = timewait_segment(
            &(struct segment){.packet = &syn, .flow_hash = flow_hash(&flow)}, now_ns, &least_iss);

        assert_int_equal(verdict, i < PORT_COUNT ? TIMEWAIT_UNKNOWN : TIMEWAIT_REOPEN);
        timewait_add(&flow, (struct timewait_numbers){isn + SENT_BYTES + 2, isn ^ i, false},
                     now_ns);
        now_ns += NS_PER_S / PER_S;
    }
    assert_int_equal(timewait_count(), PORT_COUNT);
    assert_int_equal(challenge_count, 0);
    assert_int_equal(counted(COUNTER_TIME_WAIT_REOPENED), PER_S * SECONDS - PORT_COUNT);
    assert_int_equal(counted(COUNTER_TIME_WAIT_OVERWRITTEN), 0);
    assert_int_equal(counted(COUNTER_TIME_WAIT_NO_MEMORY), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_opens_its_ports_again_for_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
