/* SPDX-License-Identifier: MIT */
/*
 * A card in memory, for tests and fuzz targets of whoever uses drivers/nic/nic.h: the plainest that
 * nic.h allows. It has one queue (or says that it has more), tells no flows apart, checks and
 * inserts no checksums, cuts no segments and has no interrupts, unless a test says otherwise. It
 * shows that a link server needs no 82599, and checks each frame that it is given to send.
 */
#pragma once

#include "drivers/nic/frame.h"
#include "kernel/base.h"

#define MEMORY_NIC_PORTS_MAX 4
#define MEMORY_NIC_RING      16u                 /* frames, in either direction, after a reset */
#define MEMORY_NIC_KEY       0x6D656D6F72790000u /* first word of the key to each of its queues */

/* What there is, and what goes wrong: set by a test after the reset. Errors are negative. */
struct memory_nic_setting {
    unsigned port_count;  /* 1 after a reset; ports are 0000:00:03.0, 0000:00:04.0, ... */
    uint16_t queue_count; /* 1 after a reset */
    uint16_t group_count; /* 0 after a reset; STEERING_GROUP_COUNT is more than it can do */
    unsigned ring_frames; /* at most RINGS_FRAME_MAX */
    bool is_link_down;
    bool can_segment_tcp;
    bool can_steer;  /* the groups that it tells apart: else to ask for it fails the test */
    bool is_blocked; /* takes no frames to send */
    int start_error, open_error, enable_error;
    int adopt_error; /* -ENODEV after a reset */
    /* The other side's turn, once a round, to take what has been sent. NULL after a reset: the test
     * takes it when it likes. */
    void (*take_turn)(void);
};
extern struct memory_nic_setting memory_nic_setting;

void memory_nic_reset(void);

/* What was asked of it since the reset. */
unsigned memory_nic_started_port(void); /* UINT32_MAX: none, or it was stopped */
unsigned memory_nic_flush_count(void);
unsigned memory_nic_mac_reads(void);
bool memory_nic_is_enabled(void); /* frames may come */

/* The MAC address of port n is 52:54:00:12:34:56 + n. A frame comes; false when the ring is full.
 */
bool memory_nic_receive(const void *bytes, size_t length_bytes);
/* One that lies elsewhere: `release` gives it back to the test. False when the ring is full. */
bool memory_nic_receive_frame(struct frame *frame);
/* Frames that nobody has released. */
unsigned memory_nic_frames_held(void);
/* One of the test's own is released. */
void memory_nic_note_release(void);

/* Frames that it was given to send and whose owners have not been told that it has read them. */
unsigned memory_nic_frames_in_flight(void);

/* The card reads the oldest frame that it was told of. False when there is none. */
struct memory_nic_sent {
    uint8_t data[2048];
    size_t length_bytes;
};
bool memory_nic_transmit(struct memory_nic_sent *sent);
/* The same frame where it lies. NULL: there is none. */
const struct frame_to_send *memory_nic_take(void);

/* So many frames are lost for lack of buffers. */
void memory_nic_lose(uint32_t count);
