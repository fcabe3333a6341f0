/* SPDX-License-Identifier: MIT */
/*
 * Answers of name servers, kept as long as they say: at most DNS_CACHE_MAX, of which the one that
 * was asked for longest ago makes room.
 */
#pragma once

#include "net/transport/dns/packet.h"

#define DNS_CACHE_MAX 256u

/* Without memory, or when it may not be kept, it is not. */
void dns_cache_put(const struct dns_question *question, const struct dns_answer *answer,
                   uint64_t now_ns);
/* NULL: there is none, or it is too old. */
const struct dns_answer *dns_cache_find(const struct dns_question *question, uint64_t now_ns);
/* Other servers may know other things. */
void dns_cache_empty(void);
