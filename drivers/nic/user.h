/* SPDX-License-Identifier: MIT */
/*
 * Who uses network cards, as far as that must be known before anybody does: cards are kept from the
 * memory of all other nodes.
 */
#pragma once

#include "kernel/limits.h"
#include "libc/core/linker_set.h"

struct nic_user {
    /* While the machine boots: which of so many nodes will open queues. Returns how many. */
    unsigned (*list_nodes)(unsigned node_count, node_id_t nodes[NODE_MAX]);
};
LINKER_SET_DECLARE(nic_users, struct nic_user);

#define NIC_USER(entry) LINKER_SET_ADD(nic_users, struct nic_user, entry)
