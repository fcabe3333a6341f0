/* SPDX-License-Identifier: MIT */
/*
 * A link server over the 82599's driver and a fake device: node 0 of TS2LS2CM2 httpd:2.
 */
#pragma once

#include "tests/unit/world/ls_world.h"

#define EOP              0x2u
#define TCP_GOOD         0x60u
#define LINKS_REGISTER   0x042A4
#define EIMS_EX_REGISTER 0x00AA0
#define EICR_REGISTER    0x00800

/* Where the device's interrupts go. */
struct msix_entry {
    uint32_t apic_id;
    uint8_t vector;
};
extern struct msix_entry msix_entries[64];
extern unsigned msix_entry_count;

/* A group's set-up. */
int start_link_server(void **state);

/* The device puts a frame into the ring. */
void arrive(const struct test_frame *frame);
/* The same with that status, and a round takes it. */
void receive(const struct test_frame *frame, uint32_t status);
