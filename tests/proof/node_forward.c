/* SPDX-License-Identifier: MIT */
/*
 * Nothing is forwarded here, and the machine has one address: neither has a part in the handshake
 * of its own connections.
 */
#include "net/transport/forward/flow.h"
#include "net/transport/forward/rules.h"
#include "net/transport/virtual_address.h"

void forward_rules_initialise(void)
{
}

void forward_rules_lose_node(node_id_t node)
{
    (void)node;
}

void forward_rules_close(void)
{
}

void forward_flows_initialise(void)
{
}

void forward_flow_publish_counts(void)
{
}

uint32_t forward_flow_count_live(void)
{
    return 0;
}

void forward_flow_end_all(void)
{
}

void virtual_address_initialise(bool is_speaker)
{
    (void)is_speaker;
}
