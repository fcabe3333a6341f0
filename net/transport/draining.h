/* SPDX-License-Identifier: MIT */
/*
 * A transport server's part in net/draining.h.
 */
#pragma once

void transport_draining_start(void);
