/* SPDX-License-Identifier: MIT */
/* This link server's queue: attach.c. */
#pragma once

struct configuration;

/* Get one, in time; and drive the NIC as a whole when it is this link server's turn. */
void link_attach_start(const struct configuration *configuration);
