/* SPDX-License-Identifier: MIT */
/*
 * The local APIC taken over from firmware (SDM 3A table 11-1).
 */
#include "boot/firmware_lapic.h"

#include "kernel/node.h"
#include "libc/core/base.h"
#include "libc/core/bits.h"
#include "libc/core/lapic.h"

#define LAPIC_ID          0x020
#define LAPIC_VERSION     0x030
#define VERSION_LAST_LVT  BITS(23, 16)
#define LAPIC_ISR(n)      (0x100 + 0x10 * (n)) /* vectors 32 n to 32 n + 31 */
#define ISR_COUNT         8u
#define LAPIC_LVT_CMCI    0x2F0
#define LAPIC_LVT_THERMAL 0x330
#define LAPIC_LVT_COUNTER 0x340
#define LVT_MASKED        BIT(16)
#define LVT_DELIVERY      BITS(10, 8)
#define DELIVERY_SMI      2u

uint32_t firmware_lapic_id(void)
{
    return lapic_read(LAPIC_ID) >> (node_info.has_x2apic ? 0 : 24);
}

/* A core has those up to the number of its last one (SDM 3A 11.5.1). What firmware uses for itself,
 * by system management interrupts, stays. */
static void mask_sources(void)
{
    static const struct {
        unsigned offset, number;
    } sources[] = {{LAPIC_LVT_COUNTER, 4}, {LAPIC_LVT_THERMAL, 5}, {LAPIC_LVT_CMCI, 6}};
    uint64_t last = FIELD_GET(VERSION_LAST_LVT, lapic_read(LAPIC_VERSION));

    for (unsigned i = 0; i < ARRAY_COUNT(sources) && sources[i].number <= last; i++) {
        uint32_t entry = lapic_read(sources[i].offset);

        if (FIELD_GET(LVT_DELIVERY, entry) != DELIVERY_SMI) {
            lapic_write(sources[i].offset, entry | (uint32_t)LVT_MASKED);
        }
    }
}

/* One that firmware has taken and not ended would hold back all of lower priority for ever. Each
 * end takes the highest (SDM 3A 11.8.5), so count before the first. */
static void end_interrupts(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ISR_COUNT; i++) {
        for (uint32_t left = lapic_read(LAPIC_ISR(i)); left != 0; left &= left - 1) {
            count++;
        }
    }
    while (count-- > 0) {
        lapic_end_interrupt();
    }
}

void firmware_lapic_take_over(void)
{
    mask_sources();
    end_interrupts();
}
