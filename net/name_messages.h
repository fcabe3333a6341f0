/* SPDX-License-Identifier: MIT */
/*
 * The messages of names, a part of the table in net/messages.h, which includes this file. An
 * application asks the speaker (net/configuration.h), whose resolver asks the name servers.
 */
#pragma once

#include "kernel/message/message.h"

/* clang-format off: a table */
#define NAME_MESSAGE_TABLE(X)                                                                      \
    X(RESOLVE, resolve, APP, TS)                                                                   \
    X(RESOLVED, resolved, TS, APP)
/* clang-format on */

/* So many addresses of a name are told; those behind them are left out. */
#define RESOLVED_ADDRESS_MAX 16u

/* Name servers that are known: as many as other resolvers ask. */
#define NAME_SERVER_MAX 3u

/* DNS's own numbers (RFC 1035 3.2.2). */
enum resolve_kind {
    RESOLVE_ADDRESSES = 1, /* A: the addresses of a name */
    RESOLVE_NAME = 12,     /* PTR: the name that this one, of in-addr.arpa, points to */
};

/* The name follows the struct, as net/domain_name.h has it. Answer owed: RESOLVED, in bounded time;
 * the same request may be repeated until then, and is one. */
struct resolve {
    struct message_header header;
    uint32_t request_number;
    uint32_t kind; /* enum resolve_kind */
};

enum resolve_result {
    RESOLVED_FOUND = 0,
    RESOLVED_NO_NAME = 1, /* there is no such name */
    RESOLVED_NO_DATA = 2, /* there is, but nothing of this kind */
    RESOLVED_AGAIN = 3,   /* nobody knows, or has answered: later perhaps */
    RESOLVED_LIMIT = RESOLVED_AGAIN,
};

/* What follows: the addresses in network byte order, and then a name: the one that has them, at the
 * end of the aliases; or the one that was asked for. Neither unless it was found. */
struct resolved {
    struct message_header header;
    uint32_t request_number;
    uint8_t result;        /* enum resolve_result */
    uint8_t address_count; /* at most RESOLVED_ADDRESS_MAX */
    uint8_t name_bytes;    /* at most DOMAIN_NAME_MAX_BYTES */
    uint8_t reserved;
};
