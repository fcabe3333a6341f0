/* SPDX-License-Identifier: MIT */
/*
 * UDP of applications, which has no part in the handshake.
 */
#include "net/transport/datagram.h"

void datagram_initialise(void)
{
}

void datagram_lose_node(node_id_t node)
{
    (void)node;
}
