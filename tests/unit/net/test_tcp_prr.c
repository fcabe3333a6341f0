/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/prr.c tests/unit/world/panic.c */
/*
 * Tests net/transport/tcp/prr.c against the words of RFC 9937: what is sent in a recovery is to
 * what arrives as ssthresh to what was in flight, and never less than what slow start allows below
 * it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/prr.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/scoreboard.h"
#include "net/transport/tcp/tcb.h"

#define MSS 1000u

static struct tcb tcb;
static struct recovery recovery;

void congestion_set_window(struct tcb *of, uint32_t bytes)
{
    of->cwnd = bytes;
}

static void begin(uint32_t flight_segments, uint32_t ssthresh_segments)
{
    memset(&tcb, 0, sizeof(tcb));
    memset(&recovery, 0, sizeof(recovery));
    tcb.mss = MSS;
    tcb.ssthresh = ssthresh_segments * MSS;
    prr_begin(&recovery, flight_segments * MSS);
}

/* One acknowledgement of so many segments; sends whole segments as cwnd allows. Returns how many,
 * and what is in flight then. */
static unsigned acknowledge(uint32_t *pipe, uint32_t delivered_segments, uint32_t lost_segments,
                            bool is_una_moved)
{
    struct delivery delivery = {.delivered_bytes = delivered_segments * MSS,
                                .lost_bytes = lost_segments * MSS,
                                .acknowledged_bytes = is_una_moved ? MSS : 0};
    unsigned sent = 0;

    *pipe -= (delivered_segments + lost_segments) * MSS;
    prr_on_ack(&tcb, &recovery, *pipe, &delivery);
    for (; tcb.cwnd >= *pipe + MSS; *pipe += MSS) {
        prr_on_send(&recovery, MSS);
        sent++;
    }
    return sent;
}

/* 100 in flight, one lost: 70 go while 99 arrive, evenly. */
static void what_goes_is_in_proportion_to_what_comes(void **state)
{
    uint32_t pipe = 100 * MSS;
    unsigned sent;

    (void)state;
    begin(100, 70);
    sent = acknowledge(&pipe, 1, 1, false);
    assert_int_equal(sent, 1); /* the retransmission, at once */
    for (unsigned arrived = 2; arrived < 99; arrived++) {
        sent += acknowledge(&pipe, 1, 0, false);
        if (pipe > tcb.ssthresh) {
            assert_in_range(sent, arrived * 70 / 100, arrived * 70 / 100 + 1);
        }
    }
    assert_in_range(pipe, 69 * MSS, 70 * MSS);
}

/* Half of it is lost: pipe lies below ssthresh, up to which it goes as in slow start. */
static void after_many_losses_it_grows_up_to_ssthresh(void **state)
{
    uint32_t pipe = 100 * MSS;

    (void)state;
    begin(100, 70);
    assert_int_equal(acknowledge(&pipe, 1, 50, false), 1);
    assert_int_equal(acknowledge(&pipe, 1, 0, false), 1); /* it may be lost as well */
    for (unsigned i = 0; i < 20; i++) {
        uint32_t before = pipe;

        assert_int_equal(acknowledge(&pipe, 1, 0, true), 2); /* una moves: all goes well */
        assert_int_equal(pipe, before + MSS);
    }
    assert_int_equal(acknowledge(&pipe, 1, 0, true), 1);
    assert_int_equal(pipe, tcb.ssthresh);
}

static void a_loss_in_the_midst_holds_it_back(void **state)
{
    uint32_t pipe = 100 * MSS;

    (void)state;
    begin(100, 70);
    assert_int_equal(acknowledge(&pipe, 1, 50, false), 1);
    assert_int_equal(acknowledge(&pipe, 1, 1, true), 1);
}

/* Everything else was lost: the first retransmission goes nevertheless. */
static void the_first_retransmission_goes_always(void **state)
{
    uint32_t pipe = 4 * MSS;

    (void)state;
    begin(4, 2);
    assert_int_equal(acknowledge(&pipe, 0, 1, false), 1);
    begin(0, 2); /* no flight: nothing is divided by it */
    pipe = MSS;
    assert_int_equal(acknowledge(&pipe, 0, 0, false), 1);
}

static void large_flights_do_not_overflow(void **state)
{
    uint32_t pipe = 100000 * MSS;
    unsigned sent = 0;

    (void)state;
    begin(100000, 70000);
    for (unsigned i = 0; i < 400; i++) {
        sent += acknowledge(&pipe, 100, 0, false);
    }
    assert_in_range(sent, 27999, 30001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_is_in_proportion_to_what_comes),
        cmocka_unit_test(after_many_losses_it_grows_up_to_ssthresh),
        cmocka_unit_test(a_loss_in_the_midst_holds_it_back),
        cmocka_unit_test(the_first_retransmission_goes_always),
        cmocka_unit_test(large_flights_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
