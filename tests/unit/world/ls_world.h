/* SPDX-License-Identifier: MIT */
/*
 * A link server's world for unit tests: node 0 of TS2LS2CM2 httpd:2 is the first link server, over
 * the driver and a fake device. The server lives as long as the process, so each test goes on
 * where the one before it stopped.
 */
#pragma once

#include "kernel/base.h"
#include "net/configuration.h"
#include "net/messages.h"

#define OTHER_LS         1
#define EOP              0x2u
#define TCP_GOOD         0x60u
#define LINKS_REGISTER   0x042A4
#define EIMS_EX_REGISTER 0x00AA0
#define EICR_REGISTER    0x00800

struct msix_entry {
    uint32_t apic_id;
    uint8_t vector;
};

extern struct configuration configuration;

/* What the link server hands to its own node, the last of each and how many. */
extern struct frame *received;
extern unsigned received_count;
extern struct syn_arrived last_syn;
extern unsigned syn_count;
extern struct nic_ready last_ready;
extern unsigned ready_count;

/* How often the node took each interrupt, and where the device's go. */
extern uint64_t interrupts[256];
extern struct msix_entry msix_entries[64];
extern unsigned msix_entry_count;

/* A group's set-up. */
int start_link_server(void **state);

/* --- Frames --- */

struct test_frame {
    uint8_t bytes[200];
    uint16_t length_bytes;
};

/* A client's port that steering gives to that transport server. */
uint16_t port_owned_by(node_id_t ts);
struct test_frame tcp_frame(node_id_t owner, uint8_t flags);
/* The device puts it into the ring. */
void arrive(const struct test_frame *frame);
/* The same with that status, and a round takes it. */
void receive(const struct test_frame *frame, uint32_t status);
/* Rounds until one has nothing to do. */
void settle(void);
