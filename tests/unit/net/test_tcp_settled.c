/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_tcp.c */
/* library: lwip */
/*
 * Tests net/transport/tcp/receiver.c: which segments of those that it expects give the end of the
 * round something to do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/headers.h"
#include "net/transport/tcp/receiver.h"
#include "tests/unit/world/fake_tcp.h"

#define IRS       1000u
#define ISS       2000u
#define IN_FLIGHT 5000u

static struct tcb tcb;

static int set_up(void **state)
{
    (void)state;
    fake_tcp_reset();
    memset(&tcb, 0, sizeof(tcb));
    fake_tcp_open(&tcb, IRS, ISS);
    fake_tcp_sent(&tcb, IN_FLIGHT);
    fake.unsettled_count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tcb_end(&tcb, 0);
    return 0;
}

static void segment(uint8_t tcp_flags, uint16_t length, uint32_t acknowledged)
{
    fake_tcp_segment(&tcb, (struct fake_segment){.sequence = tcb.rcv_nxt,
                                                 .acknowledgment = ISS + 1 + acknowledged,
                                                 .window = 400,
                                                 .tcp_flags = tcp_flags | TCP_FLAG_ACK,
                                                 .payload_bytes = length});
}

static void an_acknowledgement_from_which_nothing_follows_is_no_work(void **state)
{
    (void)state;
    fake.is_settled = true;
    segment(0, 0, 1000);
    assert_int_equal(fake.acknowledge_count, 1);
    assert_int_equal(fake.unsettled_count, 0);
}

static void one_that_lets_something_go_is(void **state)
{
    (void)state;
    segment(0, 0, 1000);
    assert_int_equal(fake.unsettled_count, 1);
}

/* A window, or a duplicate. */
static void one_that_acknowledges_nothing_is(void **state)
{
    (void)state;
    fake.is_settled = true;
    segment(0, 0, 0);
    assert_int_equal(fake.unsettled_count, 1);
}

/* They are acknowledged. */
static void bytes_and_fin_are(void **state)
{
    (void)state;
    fake.is_settled = true;
    segment(0, 10, 1000);
    assert_int_equal(fake.unsettled_count, 1);
    segment(TCP_FLAG_FIN, 0, 2000);
    assert_int_equal(fake.unsettled_count, 2);
}

/* In FIN-WAIT-2 a period begins. */
static void the_acknowledgement_of_our_fin_is(void **state)
{
    (void)state;
    fake.is_settled = true;
    tcb_close_send(&tcb);
    tcb_settle(&tcb);
    assert_int_equal(tcb.state, TCB_FIN_WAIT_1);
    fake.unsettled_count = 0;
    segment(0, 0, IN_FLIGHT + 1);
    assert_int_equal(tcb.state, TCB_FIN_WAIT_2);
    assert_int_equal(fake.unsettled_count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_acknowledgement_from_which_nothing_follows_is_no_work),
        TEST(one_that_lets_something_go_is),
        TEST(one_that_acknowledges_nothing_is),
        TEST(bytes_and_fin_are),
        TEST(the_acknowledgement_of_our_fin_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
