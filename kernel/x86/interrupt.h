/* SPDX-License-Identifier: MIT */
/*
 * Interrupts are taken only in the idle loop (`sti; hlt; cli`), counted and acknowledged: they wake
 * the node, and polling finds the work. So a driver needs no handler, only a vector for its MSI-X
 * table. Vectors are the same on every node: one can program a device that interrupts another.
 */
#pragma once

#include "kernel/base.h"

enum interrupt_vector {
    INTERRUPT_ANY = 0,               /* counted as all together */
    INTERRUPT_VECTOR_FIRST = 0x20,   /* below: exceptions (SDM 3A 6.2) */
    INTERRUPT_VECTOR_DEVICES = 0x30, /* from here on, to the timer's: drivers/vectors.h */
    INTERRUPT_VECTOR_TIMER = 0x50,
    INTERRUPT_VECTOR_DOORBELL = 0xE0,
    INTERRUPT_VECTOR_ATTENTION = 0xE1, /* look at all nodes: one has died or logged */
    INTERRUPT_VECTOR_SPURIOUS = 0xFF,  /* low four bits set, as old local APICs demand */
};

/* Whether an interrupt of this vector may be one that was asked for: another node can send any. */
static inline bool interrupt_is_used(uint64_t vector)
{
    return (vector >= INTERRUPT_VECTOR_DEVICES && vector <= INTERRUPT_VECTOR_TIMER) ||
           vector == INTERRUPT_VECTOR_DOORBELL || vector == INTERRUPT_VECTOR_ATTENTION;
}

/* Switch this core's local APIC on, its page, if it has one, a device's. */
void interrupt_initialise(void);

/* How often this node has taken an interrupt of this vector. Wraps at 2^64. */
uint64_t interrupt_count(uint8_t vector);

/* The local APIC's id of a node's core, for MSI-X messages and doorbells. */
uint32_t interrupt_apic_id(node_id_t node);
/* The highest that devices can name, for want of interrupt remapping; the next means all cores. */
#define INTERRUPT_DEVICE_APIC_ID_MAX 0xFEu
