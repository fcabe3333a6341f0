/* SPDX-License-Identifier: MIT */
/*
 * The messages of groups, whose members get what is sent to an address of theirs (RFC 1112), a part
 * of the table in net/messages.h, which includes this file. An application tells all TSs which
 * groups it is in: whichever sends to one knows whether some here are in it, and whoever speaks
 * next knows all. The speaker tells the network, by IGMP, and the link servers.
 *
 * Addresses are in network byte order.
 */
#pragma once

#include "kernel/message/message.h"

/* clang-format off: a table */
#define GROUP_MESSAGE_TABLE(X)                                                                     \
    X(JOIN_GROUP, join_group, APP, TS)                                                             \
    X(GROUP_JOINED, group_joined, TS, APP)                                                         \
    X(GROUP_WANTED, group_wanted, TS, LS)
/* clang-format on */

/* Groups with members on the whole machine. Chosen: a card's filter of 4,096 bits still sorts out
 * 15 of 16 frames to others. */
#define GROUP_ADDRESS_MAX 256u

enum join_group_kind {
    GROUP_JOIN = 0,  /* answer owed: GROUP_JOINED */
    GROUP_LEAVE = 1, /* no answer */
};

struct join_group {
    struct message_header header;
    uint32_t address; /* a group's */
    uint32_t kind;    /* enum join_group_kind */
    uint32_t request_number;
    uint32_t reserved;
};

/* error_number as errno: ENOBUFS, there are GROUP_ADDRESS_MAX; ENOMEM; 0: what is sent to it comes.
 */
struct group_joined {
    struct message_header header;
    uint32_t request_number; /* as in the question */
    uint32_t error_number;
};

/* From the speaker, to all link servers: frames to this group are wanted, or no longer. No answer.
 * With is_first, whatever was said before, by another speaker perhaps, is void. */
struct group_wanted {
    struct message_header header;
    uint32_t address;
    uint16_t is_wanted;
    uint16_t is_first;
};

/* Whether it is a group's (RFC 1112 4): the first four bits are 1110. */
static inline bool group_is_address(uint32_t address)
{
    return ((uint8_t)address & 0xF0) == 0xE0;
}

/* The group of all hosts, 224.0.0.1: every host is in it, and says so to nobody (RFC 2236 6). */
#define GROUP_ALL_SYSTEMS 0x010000E0u

/* The last 23 bits of a group's address, which are the last of its Ethernet address, too (RFC 1112
 * 6.4), in the machine's order. */
static inline uint32_t group_low_bits(uint32_t address)
{
    return __builtin_bswap32(address) & 0x7FFFFF;
}
