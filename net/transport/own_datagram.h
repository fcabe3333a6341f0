/* SPDX-License-Identifier: MIT */
/*
 * UDP datagrams of the machine's own, from the speaker: out only, without an application.
 */
#pragma once

#include "kernel/base.h"

/*
 * Send one from a port of lwIP's choice.
 *
 * address  network byte order; port: the machine's
 * bytes    at most what a frame takes: fragments are not made
 *
 * Returns 0: it has been sent, or is lost as on any wire. What is to be tried again later:
 * -ENETDOWN, there is no card, link or address yet; -ENETUNREACH, nothing leads there;
 * -EHOSTUNREACH, the neighbour has not answered yet, and is asked; -ENOMEM.
 */
MUST_CHECK int transport_send_own_datagram(uint32_t address, uint16_t port, const void *bytes,
                                           size_t count);
