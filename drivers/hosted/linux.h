/* SPDX-License-Identifier: MIT */
/*
 * What the cards of a hosted node ask of Linux: kernel/hosted/linux.h for this folder. Errors are
 * negative numbers of errno.h.
 */
#pragma once

#include "drivers/nic/frame.h"
#include "kernel/base.h"

#define LINUX_INTERFACE_NAME_BYTES 16 /* with the zero */

/*
 * Open a TAP device, or one more queue of it; it is made if it is not there, which needs the right
 * to. `mac` becomes an address for our end, made from the other end's.
 *
 * *has_queues: whether to make it a device of several queues; afterwards whether it is one.
 *
 * Returns its file, from which nothing waits, or an error.
 */
MUST_CHECK int linux_tap_open(const char *name, bool *has_queues, uint8_t mac[6]);
/* The next frame: its length, at most `bytes`, to which a longer one is cut. -EAGAIN: there is
 * none. */
MUST_CHECK int linux_tap_read(int file, void *frame, size_t bytes);
/* Send one. Returns 0 or an error: it is lost. */
MUST_CHECK int linux_tap_write(int file, const struct frame_fragment *pieces, unsigned count);

/* Whether a network interface is there and switched on. */
bool linux_interface_is_up(const char *name);
