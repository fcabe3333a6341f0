/* SPDX-License-Identifier: MIT */
/*
 * The machine's IPv4 address, as ADDRESS_SET brings it to this node. One node may run a transport
 * server and an application: both observe it here.
 */
#pragma once

#include "net/messages.h"

/* Keep what comes from here on. Called by all who may observe later; the first call registers the
 * message. Before the first dispatch round, or an early ADDRESS_SET is lost. */
void address_start(void);
/* Call `changed` whenever ADDRESS_SET comes, and at once if it has come already. */
void address_observe(void (*changed)(const struct address_set *address));
/* What came last; all zero before. For who asks when it needs it. */
const struct address_set *address_current(void);
