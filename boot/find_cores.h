/* SPDX-License-Identifier: MIT */
/*
 * Which cores there are for nodes: what firmware's tables list, as far as it answers; how far their
 * TSCs are apart, and which of them takes the chipset's NMIs.
 */
#pragma once

#include "boot/acpi/acpi.h"
#include "kernel/node.h"

/* A core that has answered: the node of the same index. */
struct found_core {
    struct acpi_core listed; /* as the MADT has it */
    unsigned start_index;    /* in start_node.c's table; node 0 has none */
    int64_t tsc_offset;      /* ticks that its TSC is ahead of node 0's */
};

/* Call all cores but this one, so many of which are to be nodes; the others park themselves.
 * Returns when they have had time to reset. Cores that devices can interrupt come first, for
 * servers run on the first nodes. */
void find_cores_call(const struct acpi *acpi, uint32_t own_apic_id, uint64_t node_limit);
/* Wait for their answers. Fills in cores[NODE_MAX], this core first; returns how many. Why others
 * are left out is logged. */
unsigned find_cores_await(struct found_core *cores);
/* Measure each core's tsc_offset: nodes compare times, so their clocks are to agree. Logs one line.
 * node_info.clock has the TSC's rate. */
void find_cores_compare_tscs(struct found_core *cores, unsigned count);

/* What node `node` has of the chipset's NMI line. One node takes it, for each that does ends by one
 * NMI: the first that has it. Where firmware says nothing, node 0 has it at LINT1, as in PCs. */
struct nmi_line find_nmi_line(const struct found_core *cores, unsigned count, unsigned node);
