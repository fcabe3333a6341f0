/* SPDX-License-Identifier: MIT */
/*
 * Frames that lwIP has made, on their way to a link server: what the NIC is to do with them, and a
 * queue for those that find no room.
 */
#pragma once

#include "kernel/base.h"
#include "lwip/err.h"

struct pbuf;

void output_initialise(void);

/* Send a whole frame, or queue it. The caller keeps its reference. What cannot be sent is lost, as
 * on any wire; ERR_MEM when memory is why. */
err_t output_frame(struct pbuf *packet);
/* Send what the transmit ring had no room for; returns how many frames went. */
unsigned output_send_queued(void);
/* Whether any wait for that. */
bool output_is_queueing(void);
