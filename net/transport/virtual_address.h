/* SPDX-License-Identifier: MIT */
/*
 * `vip=ADDRESS[,ADDRESS...]`: addresses for which several machines answer, behind a router that
 * shares connections out (Linux IPVS by direct routing, ECMP). They are received like this
 * machine's own; but nobody is told that they are here: no ARP answers or announces them (RFC 826).
 * What this machine itself opens comes from its own address, and cannot go to one of these.
 *
 * Addresses are in network byte order.
 */
#pragma once

#include "kernel/base.h"

#define VIRTUAL_ADDRESS_MAX 4u

struct virtual_addresses {
    unsigned count;
    uint32_t addresses[VIRTUAL_ADDRESS_MAX];
};

/*
 * What `line` asks for: none if it has no vip= word.
 *
 * Returns 0. -EINVAL when the word cannot be understood, names an address twice or too many:
 * `reason` then says why in one sentence, and there are none.
 */
MUST_CHECK int virtual_addresses_parse(struct virtual_addresses *virtual, const char *line,
                                       char *reason, size_t reason_bytes);

/* From this machine's command line; what is wrong with it the speaker says. */
void virtual_address_initialise(bool is_speaker);
/* Whether the address is one of them. */
bool virtual_address_is_ours(uint32_t address);
