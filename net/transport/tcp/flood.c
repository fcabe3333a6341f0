/* SPDX-License-Identifier: MIT */
/*
 * What is spent on strangers: see flood.h.
 */
#include "net/transport/tcp/flood.h"

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/transport/counters.h"
#include "net/transport/overload.h"

static struct {
    uint32_t syns_left, checks_left;
} this_round;

static struct {
    bool are_wanted;
    uint64_t since_ns;         /* when this period of FLOOD_QUIET_NS began */
    uint64_t last_ns;          /* when the last one went */
    uint32_t unanswered_count; /* that have gone in this period and not come back */
} cookies;

bool flood_take_syn(void)
{
    if (UNLIKELY(this_round.syns_left == 0)) {
        counter_increment(COUNTER_DROP_SYN_LIMIT);
        overload_note(OVERLOAD_SYNS, FLOOD_SYNS_A_ROUND);
        return false;
    }
    this_round.syns_left--;
    return true;
}

bool flood_take_check(void)
{
    if (UNLIKELY(this_round.checks_left == 0)) {
        counter_increment(COUNTER_COOKIES_UNCHECKED);
        return false;
    }
    this_round.checks_left--;
    return true;
}

static void begin_period(uint64_t now_ns)
{
    cookies.since_ns = now_ns;
    cookies.unanswered_count = 0;
}

bool flood_switch_cookies(uint32_t half_open_count, uint64_t now_ns)
{
    if (!cookies.are_wanted) {
        if (half_open_count < FLOOD_COOKIES_FROM) {
            return false;
        }
        cookies.are_wanted = true;
        begin_period(now_ns);
    } else if (now_ns - cookies.since_ns >= FLOOD_QUIET_NS) {
        if (now_ns - cookies.last_ns >= FLOOD_QUIET_NS) {
            cookies.unanswered_count = 0; /* they are of an earlier time */
        }
        if (half_open_count < FLOOD_COOKIES_UNTIL &&
            cookies.unanswered_count < FLOOD_COOKIES_UNTIL) {
            cookies.are_wanted = false;
            return false;
        }
        begin_period(now_ns);
    }
    overload_note(OVERLOAD_COOKIES, half_open_count);
    return true;
}

void flood_note_cookie_sent(uint64_t now_ns)
{
    counter_increment(COUNTER_COOKIES_SENT);
    cookies.last_ns = now_ns;
    cookies.unanswered_count++;
}

void flood_note_cookie_returned(void)
{
    counter_increment(COUNTER_COOKIES_RETURNED);
    cookies.unanswered_count -= cookies.unanswered_count > 0; /* or it went in an earlier period */
}

void flood_end_round(void)
{
    this_round.syns_left = FLOOD_SYNS_A_ROUND;
    this_round.checks_left = FLOOD_CHECKS_A_ROUND;
}

void flood_initialise(void)
{
    flood_end_round();
    cookies.are_wanted = false;
    cookies.last_ns = 0;
    begin_period(0);
}
