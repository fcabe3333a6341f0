/* SPDX-License-Identifier: MIT */
/*
 * The resolver: asks name servers what applications want to know (RESOLVE, RESOLVED). It runs on
 * every transport server, and asks on the speaker. Addresses in network byte order.
 *
 * It is not lwIP's, whose question goes on with the same number and port when it is repeated, whose
 * answer is the first address of whatever name, from any port, and of which nobody learns whether
 * there is no such name or no server; but its packets go by lwIP's UDP.
 */
#pragma once

#include "kernel/base.h"
#include "net/name_messages.h"

void dns_resolver_initialise(void);
/* These servers from now on, 0 for none; the first one is asked first. */
void dns_resolver_set_servers(const uint32_t servers[NAME_SERVER_MAX]);
/* Whether there may be others soon: without any a question waits for them. */
void dns_resolver_expect_servers(bool is_expecting);
/* On the speaker, now and then, at least once a second: repeats questions, and gives them up. */
void dns_resolver_pass(void);
