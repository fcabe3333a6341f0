/* SPDX-License-Identifier: MIT */
/*
 * From this machine to itself, without the card: a segment to our own address goes by FORWARD_FRAME
 * to the transport server that owns its flow, this one or another. It gets here where a neighbour
 * is looked for, since nobody on the link has our address.
 */
#pragma once

#include "kernel/base.h"

struct reference;
struct segment_fields;

/* Whether it is our own. */
bool loopback_is_own(uint32_t address);
/* A segment to ourselves, from `offset` in `first` on, cut if fields->cut_bytes says so. 0;
 * -EAGAIN: no room, nothing happened; else it is lost, as on any wire. */
MUST_CHECK int loopback_send(const struct segment_fields *fields, const struct reference *first,
                             uint32_t offset);
