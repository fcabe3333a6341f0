/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces of Linux as ports: what cards over them have in common.
 */
#pragma once

#include "drivers/hosted/linux.h"
#include "drivers/nic/nic.h"

/* The one that --card names behind `word` ("tap:"), as a driver's `find` has it. */
unsigned interface_find(const char *word, const char *model, struct nic_port *ports,
                        unsigned port_max);
/* The name that Linux knows it by, of such a port. */
void interface_copy_name(char name[LINUX_INTERFACE_NAME_BYTES], const struct nic_port *port);
struct nic_link interface_check_link(const char *name);
