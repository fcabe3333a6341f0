/* SPDX-License-Identifier: MIT */
/*
 * A card in memory, for unit tests of whoever uses drivers/nic/nic.h: the plainest that nic.h
 * allows. It has one queue (or says that it has more), tells no flows apart, checks and inserts no
 * checksums, cuts no segments, and has no interrupts unless a test gives it some. It is the second
 * driver beside drivers/ixgbe/, and shows that a link server needs nothing else.
 */
#pragma once

#include "kernel/base.h"

#define MEMORY_NIC_PORTS_MAX 4
#define MEMORY_NIC_RING      16u /* frames, in either direction */

/* What there is, and what goes wrong: set by a test after the reset. Errors are negative. */
struct memory_nic_setting {
    unsigned port_count;  /* 1 after a reset; ports are 0000:00:03.0, 0000:00:04.0, ... */
    unsigned near_count;  /* so many of them are found at first sight; all after a reset */
    uint16_t queue_count; /* 1 after a reset */
    uint16_t group_count; /* 0 after a reset; STEERING_GROUP_COUNT is more than it can do */
    bool is_link_down;
    int start_error, open_error, enable_error;
};
extern struct memory_nic_setting memory_nic_setting;

void memory_nic_reset(void);

/* What was asked of it since the reset. */
unsigned memory_nic_started_port(void); /* UINT32_MAX: none, or it was stopped */
unsigned memory_nic_flush_count(void);
unsigned memory_nic_mac_reads(void);

/* The MAC address of port n is 52:54:00:00:00:n. A frame comes; false when the ring is full. */
bool memory_nic_receive(const void *bytes, size_t length_bytes);
/* Frames that nobody has released. */
unsigned memory_nic_frames_held(void);

/* Frames that it was given to send and whose owners have not been told that it has read them. */
unsigned memory_nic_frames_in_flight(void);

/* The card reads the oldest frame that it was told of. False when there is none. */
struct memory_nic_sent {
    uint8_t data[2048];
    size_t length_bytes;
};
bool memory_nic_transmit(struct memory_nic_sent *sent);

/* So many frames are lost for lack of buffers. */
void memory_nic_lose(uint32_t count);

/* All that was logged since the reset, a line each. */
const char *memory_nic_log(void);
