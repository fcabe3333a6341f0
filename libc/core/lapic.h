/* SPDX-License-Identifier: MIT */
/*
 * This core's local APIC (SDM 3A 11): interrupts between cores, the one-shot timer.
 */
#pragma once

#include "libc/core/base.h"

/* The counter runs at the bus clock divided by this. Chosen: at 1 GHz the 32 bits last 68 s. */
#define LAPIC_TIMER_DIVISOR 16

/* Whether this core's can be an x2APIC, which has no page. */
bool lapic_has_x2apic(void);
/* The physical address of its page. */
uint64_t lapic_page(void);
/* Switch it on, its sources masked: its timer and what is spurious will come with these vectors.
 * `page`: where its registers are mapped; NULL for an x2APIC. */
void lapic_initialise(void *page, uint8_t timer, uint8_t spurious);
void lapic_end_interrupt(void);
/* Whether one of this vector has been taken and not ended. */
bool lapic_is_in_service(uint8_t vector);
/* A register, by its offset in the page, for who knows that this core has it. */
uint32_t lapic_read(unsigned offset);
void lapic_write(unsigned offset, uint32_t value);

/* Commands (SDM 3A 11.6.1). A core that is started begins in real mode at `page` * 4096. */
#define LAPIC_INTERRUPT(vector) (0x4000u | (vector))
#define LAPIC_NMI               0x4400u
#define LAPIC_INIT              0x4500u
#define LAPIC_STARTUP(page)     (0x4600u | (page))

/* Send one to that core. Waits, but never for ever, until the previous one has left. */
void lapic_send(uint32_t apic_id, uint32_t command);

/* One interrupt of the timer's vector after so many counts; 0 stops the timer. */
void lapic_timer_start(uint32_t counts);
/* Make the timer wait for the TSC to reach MSR_TSC_DEADLINE instead of counting. */
void lapic_timer_use_deadline(void);
