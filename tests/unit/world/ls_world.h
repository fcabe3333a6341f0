/* SPDX-License-Identifier: MIT */
/*
 * A link server's world for unit tests, without its card (ls_ixgbe.h, memory_nic.h), on one of four
 * nodes. The server lives as long as the process, so each test goes on where the one before it
 * stopped.
 */
#pragma once

#include "kernel/base.h"
#include "net/configuration.h"
#include "net/messages.h"

#define OTHER_LS 1

extern struct configuration configuration;

struct test_frame {
    uint8_t bytes[200];
    uint16_t length_bytes;
};

/* What the link server hands to its own node, the last of each and how many. */
extern struct frame *received;
extern unsigned received_count;
/* How many acknowledgements the last one stands for, beside itself. */
extern unsigned last_merged_count;
/* All of them since the count was last set to 0; the first so many. */
#define RECEIVED_MAX 128
extern struct frame *all_received[RECEIVED_MAX];
/* Acknowledgements above it the transport server does not expect. */
extern uint32_t last_byte_sent;
extern struct nic_ready last_ready;
extern unsigned ready_count;

/* How often the node took each interrupt. */
extern uint64_t interrupts[256];

/* Start it on this node, with these roles on the four. Messages wait for a round. */
void start_link_server_on(node_id_t node, const char *roles);
/* The same of so many nodes. */
void start_link_server_among(unsigned node_count, node_id_t node, const char *roles);

/* --- Frames --- */

/* A client's port that steering gives to that transport server. */
uint16_t port_owned_by(node_id_t ts);
struct test_frame tcp_frame(node_id_t owner, uint8_t flags);
/* A test's end: frames that the transport server has got are given back, and none is lost. */
int ls_tear_down(void **state);
/* Rounds until one has nothing to do. */
void settle(void);
