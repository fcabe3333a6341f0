/* SPDX-License-Identifier: MIT */
/*
 * What descriptor.c tells epoll.c. Called only for descriptors that an epoll watches.
 */
#pragma once

#include "kernel/base.h"

struct descriptor;

/* Some of `events` may have come true: put its items on their ready lists. O(items). */
void epoll_notify(struct descriptor *descriptor, unsigned events);
/* Whether a thread is blocked in the epoll_wait() of an epoll that watches one of `events`. */
bool epoll_is_awaited(const struct descriptor *descriptor, unsigned events);
/* It is being closed: remove it from every epoll. */
void epoll_forget(struct descriptor *descriptor);
