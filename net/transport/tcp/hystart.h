/* SPDX-License-Identifier: MIT */
/*
 * HyStart++ (RFC 9406): slow start that ends when round trips grow longer, before something is
 * lost, by way of some rounds of slower growth (CSS) that find out whether they stay so. Only the
 * first slow start of a connection: the others know where to end.
 */
#pragma once

#include "kernel/base.h"

struct tcb;

void hystart_open(struct tcb *tcb);
/* By how much cwnd, below ssthresh, grows for this; `is_over`: slow start ends with that. As for
 * congestion_on_ack(). snd_una has moved already. */
uint32_t hystart_increase(struct tcb *tcb, uint32_t bytes, unsigned ack_count, uint32_t rtt_us,
                          bool *is_over);
