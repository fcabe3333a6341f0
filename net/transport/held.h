/* SPDX-License-Identifier: MIT */
/*
 * Received bytes that have to wait: for others that come before them, or for an application that
 * does not take them. They wait in copies of ours, so that a frame's buffer is free again after the
 * round in which it came, whatever peers and applications do. Small ones share a copy: a segment of
 * one byte costs little more than that byte.
 *
 * All copies together are bounded, and so is what one remote address has of them (share.h). At the
 * bound, connections that make bytes wait lose their segments as on any wire, and the others go on.
 */
#pragma once

#include "kernel/base.h"

struct pbuf;

/* What a transport server holds at most: this part of its node's memory. Chosen: four windows of
 * TCP_WND in the smallest node that README.md speaks of, and far from what else it needs. */
#define HELD_PART_OF_MEMORY 8u

void held_initialise(void);
/* Whether the bound is reached: for all, or for this address. */
bool held_is_full(void);
bool held_is_full_for(uint32_t remote_address);
/* In all copies, with what they need themselves. */
uint64_t held_bytes(void);

/* So many bytes of this address in one piece, for the caller to write. NULL without memory. */
struct pbuf *held_allocate(uint32_t remote_address, uint32_t length_bytes);

/*
 * Move the bytes of `packets`, linked by `next` alone, behind those of `tail`: as much as it has
 * room for into `tail` itself, if that is one of ours; NULL: nowhere. Takes the packets. They, and
 * the tail, are of a connection of this address.
 *
 * Returns what now follows the tail, linked likewise; NULL if it has taken all. Without memory that
 * is the packets themselves.
 */
struct pbuf *held_pack(uint32_t remote_address, struct pbuf *tail, struct pbuf *packets);
