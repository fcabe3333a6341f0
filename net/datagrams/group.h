/* SPDX-License-Identifier: MIT */
/*
 * Groups (RFC 1112) that this application is in, without descriptors: all transport servers are
 * told of the first member here, and when the last one has left. Addresses are in network byte
 * order.
 */
#pragma once

#include "kernel/base.h"

struct group;

/* What is in a group; part of its owner's memory. */
struct group_member {
    struct group *group; /* NULL: it is in none */
    struct group_member *next;
    /* What is sent to the group comes from now on; or will not (-ENOBUFS, -ENOMEM), and it is in
     * none any more. Once, unless it leaves before; it calls nothing of this file. */
    void (*settled)(struct group_member *member, int error);
};

/* Register what an application receives of groups. On its node, before it is started. */
void groups_of_application_start(void);

/* Ask for that group's. The answer is settled(), perhaps before this returns. 0; or -ENOBUFS, no
 * memory: then it is in none. */
MUST_CHECK int group_join(struct group_member *member, uint32_t address);
/* Whether it is settled or not. */
void group_leave(struct group_member *member);
