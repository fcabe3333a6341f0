/* SPDX-License-Identifier: MIT */
/*
 * Clients that are waited for: a list for each reason, in the order in which their time is over.
 * The fields wait, deadline_ms, next and previous of a struct client are this file's.
 */
#pragma once

#include "apps/httpd/client.h"

/* How long clients may be idle; before any other call. */
void waiting_start(unsigned idle_s);
/* The time from here on. */
void waiting_set_time(uint64_t now_ms);

/* It stands on no list: put it on that one, with its whole time. */
void waiting_join(struct client *client, enum client_wait wait);
/* It may stand on none. */
void waiting_leave(struct client *client);
/* Whether it stands on the list of idle ones, and may be idle as long as if it joined it now. */
bool waiting_is_idle(const struct client *client);

/* Have those given up whose time is over, each of which leaves its list or joins another anew.
 * Milliseconds until the next one's is, or -1. */
int waiting_expire(void (*give_up)(struct client *client, enum client_wait wait));
