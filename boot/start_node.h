/* SPDX-License-Identifier: MIT */
/*
 * Starting the other cores by INIT and SIPI (SDM 3A 8.4.4.1): each is called and says whether it is
 * there, so that memory is shared out among those that are, and halts; then each builds its node,
 * and when all have, each is sent into it. The waits of all cores overlap.
 *
 * Caller and core talk by words in a table, each written by one of them: the caller gives an order
 * and wakes the core by an NMI, the core answers. Whoever comes late finds the caller's last order:
 * it is the caller that decides whether a core enters, and a core that it has given up halts.
 *
 *   caller                         core
 *   WAIT, then INIT, SIPI
 *                                  PRESENT, or nothing within the time: PARK
 *   MEASURE, then pings            a pong for each, with its TSC
 *   BUILD                          BUILT; without memory, or nothing within the time: PARK
 *   GO                             ENTERED: goes into its node
 *   PARK                           PARKED: halts for good
 *
 * One that is called by INIT and SIPI again, because its node was deaf to all else, finds ENTERED,
 * and goes on as a node that has failed (rejoin.S).
 */
#pragma once

/* The table: a line of the caller's words, and one of the core's. Shared with trampoline.S. */
#define START_CORE_APIC_ID 0
#define START_CORE_ORDER   4
#define START_CORE_STACK   8
#define START_CORE_NODE    16
#define START_CORE_PING    20
#define START_CORE_ANSWER  64
#define START_CORE_PONG    68
#define START_CORE_TSC     72
#define START_CORE_ROOT    80 /* 0: no memory to build it */
#define START_CORE_BYTES   128
#define START_CORE_MAX     1024

#define START_ORDER_WAIT    0
#define START_ORDER_MEASURE 1
#define START_ORDER_BUILD   2
#define START_ORDER_GO      3
#define START_ORDER_PARK    4

#define START_ANSWER_NONE    0
#define START_ANSWER_PRESENT 1
#define START_ANSWER_BUILT   2
#define START_ANSWER_PARKED  3
#define START_ANSWER_ENTERED 4

/* Exceptions, NMI and machine check among them, of a core that is in no node. */
#define START_IDT_GATES 32

#define BOOT_GDT_BYTES 32

/* An IDT for both modes that a started core goes through: up to the gate of an NMI. */
#define START_BOTH_IDT_BYTES 48

#ifndef __ASSEMBLER__

#include "boot/tsc_offset.h"
#include "kernel/base.h"

/* Put the trampoline into a free page, which lies at `paddr` below 1 MiB; and the NMI's entry into
 * the interrupt vectors of real mode, at address 0, for a core that has not come so far. */
void start_node_prepare(void *page, paddr_t paddr, void *vectors);
/* Its number, for who calls a core again. */
uint8_t start_node_page(void);
/* Add a core to those that are called, at most START_CORE_MAX; returns its index. One that is not
 * wanted parks itself when it comes: a machine check reaches it, too, and would reset the machine
 * where it finds a core as firmware has left it. */
unsigned start_node_add(uint32_t apic_id, bool is_wanted);
/* Reset all of them. Returns when they can be called. */
void start_node_reset(void);
/* Call all of them. Returns when all that are wanted have answered, or after a while; the others of
 * them are given up. */
void start_node_call(void);
bool start_node_is_present(unsigned index);
/* Compare the TSC of core `index`, which is present, with this core's. Returns 0, or -ETIMEDOUT
 * when it does not answer. */
MUST_CHECK int start_node_measure_tsc(unsigned index, struct tsc_range *range);
/* What core `index` calls, on the order below: build the node, and return the root of its page
 * tables, or 0 without memory. May be begun again at any moment. */
CALLED_FROM_OUTSIDE paddr_t boot_build_node(uint32_t node);
/* And on the next one, on the same stack: enter it. */
CALLED_FROM_OUTSIDE _Noreturn void boot_enter_node(uint32_t node);
/* Have core `index`, which is present, build its node, on a stack that ends at stack_top. */
void start_node_build(unsigned index, uint32_t node, void *stack_top);
/* Whether it has; waits a while for its word, and gives it up without, or without memory. */
bool start_node_wait_built(unsigned index);
/* Send it, which has built its node, into that. */
void start_node_enter(unsigned index);

#endif
