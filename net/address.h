/* SPDX-License-Identifier: MIT */
/*
 * The machine's IPv4 address, as ADDRESS_SET brings it to this node. One node may run a transport
 * server and an application: both observe it here.
 */
#pragma once

#include "net/messages.h"

/* Call `changed` whenever ADDRESS_SET comes, and at once if it has come already. The first call
 * registers the message. */
void address_observe(void (*changed)(const struct address_set *address));
