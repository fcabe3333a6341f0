/* SPDX-License-Identifier: MIT */
/*
 * What firmware has left in the local APIC of the core that boots. All other cores begin with an
 * INIT, after which their sources are masked and no interrupt is in service (SDM 3A 11.4.7).
 */
#pragma once

#include <stdint.h>

/* Without x2APIC ids have eight bits, and this one means all cores. */
#define LAPIC_ID_ALL 0xFFu

/* This core's id. After interrupt_initialise(), with what that said in node_info. */
uint32_t firmware_lapic_id(void);

/* Mask sources that firmware has opened, and end interrupts that it has not. After
 * interrupt_initialise(). */
void firmware_lapic_take_over(void);
