/* SPDX-License-Identifier: MIT */
/*
 * Intel's IOMMUs (VT-d): which memory devices reach. Switched on while one core runs, before any
 * device may master the bus again, by tables that no node maps and nothing changes afterwards.
 *
 * Requests carry the PCI function's number and nothing of its queues, so a card has one set of
 * tables for all of them: of each node that drives one of its queues it reads all memory, because
 * frames are sent from where they lie, and writes only a part that is set aside for that; and it
 * reads the boot archive. Devices of firmware's reach what firmware has reserved for them; all
 * others reach nothing.
 */
#pragma once

#include "kernel/node.h"
#include "libc/core/memory.h"

/* What devices may write to of a node's memory: nothing without an IOMMU, or when it has little. */
struct memory_range iommu_writable_range(const struct node_place *place);

/* As memory_allocate_pages(), of this node's memory that devices may write to. Pages are never
 * given back. */
void *iommu_allocate_pages(const struct memory_kind *kind, size_t page_count);

/* Whether a device that was told of this address would reach this node's memory. */
bool iommu_is_memory_of(node_id_t node, bus_addr_t address);

/* Log and count the accesses that are refused from now on: on the node that drives the card. */
void iommu_watch_faults(void);
