/* SPDX-License-Identifier: MIT */
/*
 * The set of ports that are forwarded, as an application has told it last (FORWARD_RULE), and which
 * backend a new flow goes to. Each transport server has its own copy and counts its own flows.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

/* Of the table by which a client's address names a backend: a prime (maglev.h). */
#define FORWARD_SLOT_COUNT 1021u

/* A backend of one port. */
struct forward_target {
    struct forward_backend backend;
    uint32_t id;         /* never used again */
    uint32_t flow_count; /* those that are not over */
    int32_t turn;        /* in turn: how far it is ahead */
};

struct forward_service {
    uint16_t port; /* the machine's order */
    uint8_t algorithm;
    uint8_t target_count;
    uint8_t next; /* where the search for the one with fewest flows begins */
    /* By hash of a client's address, with that algorithm alone: FORWARD_BACKEND_MAX: nobody. */
    uint8_t slots[FORWARD_SLOT_COUNT];
    struct forward_target targets[FORWARD_BACKEND_MAX];
};

void forward_rules_initialise(void);
/* NULL: the port is not forwarded. */
struct forward_service *forward_rules_find(uint16_t port);
/* Whose turn it is. NULL: no backend takes any. Its flows are the caller's to count. */
struct forward_target *forward_rules_choose(struct forward_service *service,
                                            uint32_t client_address);
/* A flow of that one's is over, if it is among the rules still. */
void forward_rules_note_over(uint32_t target_id);
/* No port is forwarded any more, whatever comes: the machine is about to end. */
void forward_rules_close(void);
/* The node has died: its rules hold until somebody tells others, but half a set is nobody's. */
void forward_rules_lose_node(node_id_t node);
