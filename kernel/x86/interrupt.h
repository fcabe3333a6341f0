/* SPDX-License-Identifier: MIT */
/*
 * Interrupts of this node. They are taken only in the idle loop (`sti; hlt; cli`), and a handler
 * does no more than count and acknowledge: waking the node is the whole point, polling finds the
 * work. So a device driver needs no handler, only a vector to put into its MSI-X table.
 *
 * Vectors are the same on every node. That lets the first link server program the NIC for all:
 * the entry of queue i gets the APIC id of link server i's node and INTERRUPT_VECTOR_NIC.
 */
#pragma once

#include "kernel/base.h"

enum interrupt_vector {
    INTERRUPT_VECTOR_FIRST = 0x20, /* below: exceptions (SDM 3A 6.2) */
    INTERRUPT_VECTOR_SERIAL = 0x30,
    INTERRUPT_VECTOR_KEYBOARD = 0x31,
    INTERRUPT_VECTOR_NIC = 0x40,       /* this node's queue */
    INTERRUPT_VECTOR_NIC_OTHER = 0x41, /* link state and errors: the first link server's node */
    INTERRUPT_VECTOR_TIMER = 0x50,
    INTERRUPT_VECTOR_DOORBELL = 0xE0,
    INTERRUPT_VECTOR_NEWS = 0xE1,     /* a node has died or written log lines */
    INTERRUPT_VECTOR_SPURIOUS = 0xFF, /* low four bits set, as old local APICs demand */
};

/* How often this node has taken an interrupt of this vector. Wraps at 2^64. */
uint64_t interrupt_count(uint8_t vector);

/* The local APIC's id of a node's core, for MSI-X messages and doorbells. */
uint32_t interrupt_apic_id(node_id_t node);
