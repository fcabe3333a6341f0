/* SPDX-License-Identifier: MIT */
/*
 * I/O APICs (82093AA): legacy interrupt lines to a core. Devices with MSI-X do not come this way.
 * All lines are masked while the machine boots.
 */
#pragma once

#include "kernel/base.h"

struct irq_route;

/* Send a line to one core as that vector. False when no I/O APIC has the line, or keeps what it is
 * told (logged), or the core's id does not fit its eight bits. Nodes may route lines of their own
 * at a time. */
bool ioapic_route(const struct irq_route *route, uint32_t apic_id, uint8_t vector);
/* Send it to nobody again. */
void ioapic_mask(const struct irq_route *route);
