/* SPDX-License-Identifier: MIT */
/*
 * Counters of known rate, read the same way: ticks that wrap at a mask. What is measured with them
 * is the TSC and the local APIC's timer, never assumed. On a machine with none of the PC's timers
 * the TSC itself is the counter, at the rate that the processor or the hypervisor states.
 */
#include "boot/reference_clock.h"

#include "boot/acpi/acpi.h"
#include "boot/entropy.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"
#include "libc/core/mmio.h"
#include "libc/core/multiply_divide.h"
#include "libc/core/port.h"

/* A rate is known well enough when two readings are off by less than this part of the time between
 * them. Chosen: an HPET takes three to ten milliseconds, and drivers/clock/ goes on from there.
 * Slower counters are measured for so long at most, and their rates are what they are then. */
#define MEASURE_DOUBT_PPB 100000u
#define MEASURE_MAX_US    10000u
#define SAMPLE_TRIES      5
/* Chosen: about a millisecond of port or register reads, in which each of the counters moves often.
 */
#define COUNTING_READS    1000u
/* One that has counted and then shows the same for so many reads has stopped. */
#define STOPPED_READS     100000u

/* The HPET's registers (IA-PC HPET 1.0a, 2.3.1). */
#define HPET_BYTES         0x400
#define HPET_PERIOD_FS     0x004      /* RO of one tick; the capabilities' upper half (2.3.4) */
#define PERIOD_FS_MAX      100000000u /* as 2.3.4 promises */
#define HPET_CONFIGURATION 0x010      /* RW (2.3.5) */
#define HPET_ENABLE        BIT(0)
#define HPET_COUNTER       0x0F0 /* RW (2.3.7) */
#define FS_PER_S           1000000000000000ull

#define LAPIC_TIMER_CURRENT 0x390 /* RO (SDM 3A table 11-1) */

#define PM_TIMER_HZ    3579545u    /* ACPI 4.8.3.3 */
#define PM_TIMER_SHORT BITS(23, 0) /* what it counts in, unless the FADT says 32 bits */

/* The PC's 8254: ports, and what is written to the command port. */
#define PIT_HZ                1193182u
#define PIT_CHANNEL_0         0x40 /* RW count, low byte first */
#define PIT_COMMAND           0x43 /* WO */
#define PIT_LATCH_0           0x00
#define PIT_MODE_2_BOTH_BYTES 0x34
#define PIT_COUNT             BITS(15, 0)

#define CPUID_TSC_RATIO        0x15u /* SDM 2A */
#define CPUID_1_ECX_HYPERVISOR BIT(31)
#define CPUID_HYPERVISOR       0x40000000u
#define CPUID_HYPERVISOR_RATES 0x40000010u
/* Xen's leaves (Xen public/arch-x86/cpuid.h): first, or second after those of another kind. */
#define CPUID_XEN_SECOND       0x40000100u
#define CPUID_XEN_TIME         3u
#define XEN_NAME_EBX           0x566E6558u /* "XenV" */
#define XEN_NAME_ECX           0x65584D4Du /* "MMXe" */
#define XEN_NAME_EDX           0x4D4D566Eu /* "nVMM" */

static struct {
    const char *name;
    enum reference_kind kind;
    uint64_t address;
    uint64_t hz;
    uint64_t mask;
    uint64_t (*read)(void);
} counter;

static void *hpet;
static uint16_t pm_timer_port;

static uint64_t last_reading;
static unsigned still_reads; /* in a row that have shown the same */
static uint64_t elapsed_ticks;
static uint64_t elapsed_us; /* by counters that have stopped since */

/* One moment on all clocks. */
struct sample {
    uint64_t ticks;
    uint64_t tsc;
    uint64_t tsc_width; /* in which the others were read */
    uint32_t lapic_remaining;
};

static struct sample first;

static uint64_t read_hpet(void)
{
    return mmio_read32(hpet, HPET_COUNTER);
}

static uint64_t read_pm_timer(void)
{
    return port_read32(pm_timer_port);
}

static uint64_t read_pit(void)
{
    port_write8(PIT_COMMAND, PIT_LATCH_0);
    uint64_t low = port_read8(PIT_CHANNEL_0);

    return ~(low | (uint64_t)port_read8(PIT_CHANNEL_0) << 8); /* it counts down */
}

/* Whether it moves at all, within so many reads. */
static bool is_counting(uint64_t (*read)(void), uint64_t mask)
{
    uint64_t start = read() & mask;

    for (unsigned i = 0; i < COUNTING_READS; i++) {
        if ((read() & mask) != start) {
            return true;
        }
    }
    return false;
}

static bool use_hpet(const struct acpi *acpi)
{
    if (acpi->hpet_paddr == 0) {
        return false;
    }
    hpet = paging_map_device(acpi->hpet_paddr, HPET_BYTES);
    if (hpet == NULL) {
        return false;
    }
    uint32_t period_fs = mmio_read32(hpet, HPET_PERIOD_FS);

    if (period_fs == 0 || period_fs > PERIOD_FS_MAX) {
        return false;
    }
    mmio_write32(hpet, HPET_CONFIGURATION,
                 mmio_read32(hpet, HPET_CONFIGURATION) | (uint32_t)HPET_ENABLE);
    counter.name = "HPET";
    counter.kind = REFERENCE_HPET;
    counter.address = acpi->hpet_paddr + HPET_COUNTER;
    counter.hz = FS_PER_S / period_fs;
    counter.mask = UINT32_MAX;
    counter.read = read_hpet;
    return is_counting(counter.read, counter.mask);
}

static bool use_pm_timer(const struct acpi *acpi)
{
    if (acpi->pm_timer_port == 0) {
        return false;
    }
    pm_timer_port = acpi->pm_timer_port;
    counter.name = "ACPI PM timer";
    counter.kind = REFERENCE_PM_TIMER;
    counter.address = pm_timer_port;
    counter.hz = PM_TIMER_HZ;
    counter.mask = acpi->pm_timer_is_32bit ? UINT32_MAX : PM_TIMER_SHORT;
    counter.read = read_pm_timer;
    return is_counting(counter.read, counter.mask);
}

static bool use_pit(const struct acpi *acpi)
{
    (void)acpi;
    port_write8(PIT_COMMAND, PIT_MODE_2_BOTH_BYTES);
    port_write8(PIT_CHANNEL_0, 0);
    port_write8(PIT_CHANNEL_0, 0);
    counter.name = "PIT";
    counter.kind = REFERENCE_PIT;
    counter.address = PIT_CHANNEL_0;
    counter.hz = PIT_HZ;
    counter.mask = PIT_COUNT;
    counter.read = read_pit;
    return is_counting(counter.read, counter.mask);
}

static bool is_xen(uint32_t leaf)
{
    struct cpuid name = cpu_id(leaf, 0);

    return name.ebx == XEN_NAME_EBX && name.ecx == XEN_NAME_ECX && name.edx == XEN_NAME_EDX &&
           name.eax >= leaf + CPUID_XEN_TIME;
}

/* In kHz: leaf 40000010H, as VMware and QEMU have it, or Xen's. */
static uint32_t hypervisor_tsc_khz(void)
{
    if (is_xen(CPUID_HYPERVISOR)) {
        return cpu_id(CPUID_HYPERVISOR + CPUID_XEN_TIME, 0).ecx;
    }
    if (is_xen(CPUID_XEN_SECOND)) {
        return cpu_id(CPUID_XEN_SECOND + CPUID_XEN_TIME, 0).ecx;
    }
    return cpu_id(CPUID_HYPERVISOR, 0).eax >= CPUID_HYPERVISOR_RATES
               ? cpu_id(CPUID_HYPERVISOR_RATES, 0).eax
               : 0;
}

/* What the processor says of its TSC, or 0: crystal and ratio (SDM 2A, CPUID 15H); else what a
 * hypervisor says. */
static uint64_t stated_tsc_hz(void)
{
    if (cpu_id(0, 0).eax >= CPUID_TSC_RATIO) {
        struct cpuid ratio = cpu_id(CPUID_TSC_RATIO, 0);

        if (ratio.eax != 0 && ratio.ebx != 0 && ratio.ecx != 0) {
            return (uint64_t)ratio.ecx * ratio.ebx / ratio.eax;
        }
    }
    return (cpu_id(1, 0).ecx & CPUID_1_ECX_HYPERVISOR) != 0 ? hypervisor_tsc_khz() * 1000ull : 0;
}

static bool use_tsc(const struct acpi *acpi)
{
    (void)acpi;
    counter.name = "its own word";
    counter.kind = REFERENCE_NONE;
    counter.hz = stated_tsc_hz();
    counter.mask = UINT64_MAX;
    counter.read = cpu_read_tsc;
    return counter.hz != 0;
}

static bool (*const choices[])(const struct acpi *acpi) = {use_hpet, use_pm_timer, use_pit,
                                                           use_tsc};

static const struct acpi *tables;
static unsigned next_choice;

static void choose_counter(void)
{
    while (next_choice < ARRAY_COUNT(choices)) {
        if (choices[next_choice++](tables)) {
            ASSERT(counter.hz != 0 && counter.mask != 0);
            last_reading = counter.read() & counter.mask;
            still_reads = 0;
            elapsed_ticks = 0;
            return;
        }
    }
    PANIC(
        "no clock: neither HPET, ACPI PM timer nor PIT counts, and the CPU does not know the rate "
        "of its TSC");
}

/* Ticks since this counter was chosen. Called at least once a wrap (54 ms for the PIT), or ticks
 * are missed and a wait becomes longer. False when it has stopped. */
static bool count_ticks(uint64_t *ticks)
{
    uint64_t reading = counter.read() & counter.mask;

    still_reads = reading == last_reading ? still_reads + 1 : 0;
    elapsed_ticks += (reading - last_reading) & counter.mask;
    last_reading = reading;
    *ticks = elapsed_ticks;
    return still_reads < STOPPED_READS;
}

/* The sharpest of a few tries: the one with the least time between the two looks at the TSC. */
static struct sample take_sample(void)
{
    struct sample best = {.tsc_width = UINT64_MAX};

    for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t ticks;
        uint64_t before = cpu_read_tsc();

        (void)count_ticks(&ticks); /* who waits for it to move notices */
        uint32_t remaining = lapic_read(LAPIC_TIMER_CURRENT);
        uint64_t after = cpu_read_tsc();
        const uint64_t reading[] = {before, ticks, remaining, after};

        entropy_add(reading, sizeof(reading));

        if (after - before < best.tsc_width) {
            best = (struct sample){ticks, before + (after - before) / 2, after - before, remaining};
        }
    }
    return best;
}

static void start_measurement(void)
{
    choose_counter();
    lapic_timer_start(UINT32_MAX);
    first = take_sample();
}

void reference_clock_start(const struct acpi *acpi)
{
    tables = acpi;
    next_choice = 0;
    elapsed_us = 0;
    start_measurement();
}

const char *reference_clock_name(void)
{
    return counter.name;
}

uint64_t reference_clock_now_us(void)
{
    uint64_t ticks;
    bool is_moving = count_ticks(&ticks);
    uint64_t now_us = elapsed_us + (ticks - first.ticks) * 1000000 / counter.hz;

    if (!is_moving) {
        const char *stopped = counter.name;

        elapsed_us = now_us;
        start_measurement();
        log_warning("boot", "clock: %s has stopped, going on by %s", stopped, counter.name);
    }
    return now_us;
}

void reference_clock_wait_until_us(uint64_t us)
{
    uint64_t now_us;

    /* Where in its ticks another clock is caught is as good as chance. */
    while ((now_us = reference_clock_now_us()) < us) {
        entropy_add(&now_us, sizeof(now_us));
    }
}

/* Each sample lies somewhere in its width, and its counter somewhere in a tick. */
static uint64_t doubt_ppb(const struct sample *last)
{
    uint64_t tsc_count = last->tsc - first.tsc;
    uint64_t doubt =
        (first.tsc_width + last->tsc_width) / 2 + tsc_count / (last->ticks - first.ticks);

    return doubt < tsc_count ? multiply_divide(doubt, 1000000000, tsc_count) : 1000000000;
}

static void describe_reference(struct reference *reference, const struct sample *last)
{
    *reference = (struct reference){
        .kind = counter.kind,
        .address = counter.address,
        .hz = counter.hz,
        .mask = counter.mask,
        .first = {.count = (last_reading - (elapsed_ticks - first.ticks)) & counter.mask,
                  .tsc = first.tsc,
                  .tsc_width = first.tsc_width},
        .doubt_ppb = doubt_ppb(last),
    };
}

void reference_clock_finish(struct clock *clock, struct reference *reference)
{
    struct sample last;
    uint64_t start_us;

    /* Each look at the time notices a counter that has stopped, and may begin anew with another. */
    do {
        start_us = reference_clock_now_us();
        last = take_sample();
    } while (last.ticks == first.ticks ||
             (doubt_ppb(&last) > MEASURE_DOUBT_PPB && start_us - elapsed_us < MEASURE_MAX_US));
    uint64_t ticks = last.ticks - first.ticks;
    uint64_t tsc_count = last.tsc - first.tsc;

    if (tsc_count == 0) {
        PANIC("the TSC does not count");
    }
    lapic_timer_start(0);
    clock->tsc_hz = multiply_divide(tsc_count, counter.hz, ticks);
    clock->lapic_timer_hz =
        multiply_divide(first.lapic_remaining - last.lapic_remaining, counter.hz, ticks);
    clock->ns_per_tick = multiply_divide(NS_PER_S, 1ull << CLOCK_FRACTION_BITS, clock->tsc_hz);
    clock->has_tsc_deadline = (cpu_id(1, 0).ecx & CPUID_1_ECX_TSC_DEADLINE) != 0;
    if (!clock->has_tsc_deadline && clock->lapic_timer_hz == 0) {
        PANIC("the local APIC's timer does not count");
    }
    describe_reference(reference, &last);
}
