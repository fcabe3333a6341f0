/* SPDX-License-Identifier: MIT */
/*
 * What is spent on strangers, who may be many and nobody: how many SYNs are looked at in a round,
 * when SYN cookies stand for entries, and how many segments are checked for being such a cookie.
 * What is beyond that is dropped and counted. (How many resets strangers get: segment_out.h.)
 */
#pragma once

#include "kernel/base.h"
#include "net/transport/tcp/half_open.h"

/* Of a round. Chosen: work of less than 0.1 ms each. */
#define FLOOD_SYNS_A_ROUND   256u
#define FLOOD_CHECKS_A_ROUND 256u

/* Cookies stand for entries from so many on... */
#define FLOOD_COOKIES_FROM  (HALF_OPEN_MAX / 4 * 3)
/* ...until there are less than so many, and so long less than so many have gone that did not come
 * back: that is what entries would have had to hold. */
#define FLOOD_COOKIES_UNTIL (HALF_OPEN_MAX / 4)
#define FLOOD_QUIET_NS      (2 * NS_PER_S)

void flood_initialise(void);
/* The round is over: the next one has its own budget. */
void flood_end_round(void);

/* Whether one more SYN is looked at in this round; counts it if not. */
MUST_CHECK bool flood_take_syn(void);
/* Whether one more segment of no flow is checked in this round for being a cookie; counts it if
 * not. */
MUST_CHECK bool flood_take_check(void);

/* A SYN has come while so many entries are in use: switch cookies on or off. Returns whether they
 * stand for entries now. */
MUST_CHECK bool flood_switch_cookies(uint32_t half_open_count, uint64_t now_ns);
void flood_note_cookie_sent(uint64_t now_ns);
void flood_note_cookie_returned(void);
