/* SPDX-License-Identifier: MIT */
/*
 * UDP of applications and their groups, which have no part in the handshake.
 */
#include "net/transport/datagram.h"
#include "net/transport/groups.h"

void datagram_initialise(void)
{
}

void datagram_lose_node(node_id_t node)
{
    (void)node;
}

void groups_initialise(void)
{
}

void groups_lose_node(node_id_t node)
{
    (void)node;
}
