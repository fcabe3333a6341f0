/* SPDX-License-Identifier: MIT */
/*
 * Recording what a link server's queues take in and are given to send (capture=), and telling it to
 * whoever asks (net/capture_messages.h). Without capture= none of it is in a frame's way: a queue
 * that is recorded gets other functions, so those of one that is not are its driver's.
 */
#pragma once

#include "kernel/base.h"

struct configuration;
struct nic_queue;

/* On each link server, before it opens a queue: read the command line. Says in the log if it is on.
 */
void link_capture_start(const struct configuration *configuration);
/* This queue is used from now on. Once for each; NULL: there is none. */
void link_capture_tap(struct nic_queue *queue);
