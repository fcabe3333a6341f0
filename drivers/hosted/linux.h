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

/* --- AF_XDP: a network interface that is this program's alone, in rings shared with Linux --- */

/* Frames lie in chunks of one piece of memory, and go by their offsets there. */
#define LINUX_XDP_CHUNK_BYTES 2048u
#define LINUX_XDP_RING_FRAMES 1024u /* each of the four rings */

/*
 * Take over the first queue of an interface; Linux gives it back when the process ends. `memory` is
 * page-aligned. `mac` becomes the interface's address. Returns a file, for sleep only, or an error.
 */
MUST_CHECK int linux_xdp_open(const char *name, void *memory, size_t bytes, uint8_t mac[6]);
struct linux_xdp_frame {
    uint64_t offset;
    uint32_t length_bytes;
};
/* Frames that have come, at most so many; their chunks are ours until they are given again. */
unsigned linux_xdp_receive(struct linux_xdp_frame *frames, unsigned frame_max);
/* Give chunks for frames to come. No more than a ring at a time may be Linux's. */
void linux_xdp_give(uint64_t offset);
/* Send a chunk's frame. No more than a ring at a time. Linux looks at the next flush. */
void linux_xdp_send(const struct linux_xdp_frame *frame);
void linux_xdp_flush(void);
/* The offset of a chunk that Linux has sent, or -EAGAIN. */
int64_t linux_xdp_take_sent(void);

/* Whether a network interface is there and switched on. */
bool linux_interface_is_up(const char *name);
/* Its hardware address. Returns 0 or an error. */
MUST_CHECK int linux_interface_mac(const char *name, uint8_t mac[6]);
