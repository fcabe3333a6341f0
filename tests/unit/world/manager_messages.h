/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher's part for managers in unit tests: which messages a CM receives, and how long each
 * is.
 */
#pragma once

#include "net/manager/manager.h"

/* 0 for a type that a CM does not receive. */
size_t manager_fixed_bytes(uint16_t type);
/* Fails the test for a message that a dispatcher would not deliver. */
void deliver_to_manager(struct manager *manager, node_id_t from,
                        const struct message_header *message);
