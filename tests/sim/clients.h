/* SPDX-License-Identifier: MIT */
/*
 * The clients: when a connection is opened, and to which transport server its flow leads.
 */
#pragma once

#include "kernel/base.h"

struct simulation;

void clients_start(struct simulation *simulation);
/* One of theirs has been served or refused. */
void clients_connection_ended(struct simulation *simulation);
/* They begin no more connections. */
bool clients_are_done(const struct simulation *simulation);
