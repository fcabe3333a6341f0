/* SPDX-License-Identifier: MIT */
/*
 * Consistent hashing by a table (Eisenbud and others, "Maglev", NSDI 2016, 3.4): each backend has
 * an order of its own over all slots, and in turn, as often as its weight says, takes the first one
 * of it that is free. Of equal ones each gets the same share to within a slot or so, and when one
 * goes few slots change but its own. The same on all servers: nothing here is secret or random.
 */
#pragma once

#include "kernel/base.h"

struct forward_service;

/* Fill in service->slots. */
void maglev_build(struct forward_service *service);
/* The slot of a client, by its address. */
unsigned maglev_slot(uint32_t client_address);
