/* SPDX-License-Identifier: MIT */
/*
 * Every core that can be called is called, also those that no node will run on: a machine check is
 * told to all cores, and resets the machine where it finds one as firmware has left it.
 */
#include "boot/find_cores.h"

#include "boot/boot_memory.h"
#include "boot/firmware_lapic.h"
#include "boot/image.h"
#include "boot/reference_clock.h"
#include "boot/start_node.h"
#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "kernel/x86/interrupt.h"
#include "libc/core/cpu.h"
#include "libc/core/multiply_divide.h"

/* Chosen: hardware takes a few microseconds a core; an emulator on a busy host may take a hundred
 * milliseconds, and there the counters are one. */
#define COMPARE_MAX_US 1000000u

#define CPUID_POWER                   0x80000007u /* SDM 2A */
#define CPUID_POWER_EDX_INVARIANT_TSC BIT(8)

/* The boot core, then those that are to be nodes. */
static BOOT_DATA struct found_core called[NODE_MAX];
static unsigned called_count;

/* Why cores that firmware lists are no nodes: how many for each reason. */
static struct left_out {
    uint64_t node_limit;
    unsigned unwanted;
    unsigned beyond_reach; /* of a local APIC whose ids have eight bits */
    unsigned beyond_limit;
    unsigned without_page; /* for the trampoline */
    unsigned unlisted;
} left_out;

static void call_core(const struct acpi_core *listed)
{
    bool is_wanted = false;

    if (!node_info.has_x2apic && listed->apic_id >= LAPIC_ID_ALL) {
        left_out.beyond_reach++;
        return;
    }
    if (boot_memory_trampoline() == 0) {
        left_out.without_page++;
        return;
    }
    if (called_count >= left_out.node_limit) {
        left_out.unwanted++;
    } else if (called_count == NODE_MAX) {
        left_out.beyond_limit++;
    } else {
        is_wanted = true;
    }
    unsigned index = start_node_add(listed->apic_id, is_wanted);

    if (is_wanted) {
        called[called_count++] = (struct found_core){.listed = *listed, .start_index = index};
    }
}

/* Those whose APIC ids lie in this range, in the MADT's order; but this core is the first of all.
 */
static void call_cores(const struct acpi *acpi, uint32_t first_id, uint32_t last_id)
{
    for (unsigned i = 0; i < acpi->core_count; i++) {
        const struct acpi_core *listed = &acpi->cores[i];

        if (listed->apic_id == called[0].listed.apic_id) {
            called[0].listed = *listed;
        } else if (listed->apic_id >= first_id && listed->apic_id <= last_id) {
            call_core(listed);
        }
    }
}

void find_cores_call(const struct acpi *acpi, uint32_t own_apic_id, uint64_t node_limit)
{
    called[0].listed.apic_id = own_apic_id;
    called_count = 1;
    left_out = (struct left_out){.node_limit = node_limit, .unlisted = acpi->unlisted_core_count};
    if (boot_memory_trampoline() != 0) {
        start_node_prepare((void *)(DIRECT_MAP_BASE + boot_memory_trampoline()),
                           boot_memory_trampoline(), (void *)DIRECT_MAP_BASE);
    }
    call_cores(acpi, 0, INTERRUPT_DEVICE_APIC_ID_MAX);
    call_cores(acpi, INTERRUPT_DEVICE_APIC_ID_MAX + 1, UINT32_MAX);
    start_node_reset();
}

static void log_left_out(void)
{
    if (left_out.unwanted > 0) {
        log_info("boot", "%u cores left out: nodes=%lu", left_out.unwanted, left_out.node_limit);
    }
    if (left_out.beyond_reach > 0) {
        log_warning("boot", "%u cores left out: their APIC ids need an x2APIC",
                    left_out.beyond_reach);
    }
    if (left_out.beyond_limit > 0) {
        log_warning("boot", "%u cores left out: more than %u nodes", left_out.beyond_limit,
                    NODE_MAX);
    }
    if (left_out.without_page > 0) {
        log_warning("boot", "%u cores left out: no free page below 1 MiB", left_out.without_page);
    }
    if (left_out.unlisted > 0) {
        log_warning("boot", "%u cores left out: firmware lists more than %u", left_out.unlisted,
                    ACPI_CORE_MAX);
    }
}

unsigned find_cores_await(struct found_core *cores)
{
    unsigned count = 0, unreached_count = 0;

    start_node_call();
    for (unsigned i = 0; i < called_count; i++) {
        if (i == 0 || start_node_is_present(called[i].start_index)) {
            cores[count++] = called[i];
            unreached_count += called[i].listed.apic_id > INTERRUPT_DEVICE_APIC_ID_MAX;
        } else {
            log_warning("boot", "core with APIC id %u does not answer, left out",
                        called[i].listed.apic_id);
        }
    }
    log_left_out();
    if (unreached_count > 0) {
        log_warning("boot",
                    "%u cores have APIC ids above %u, which no device can interrupt: they are the "
                    "last nodes, without a queue of a NIC",
                    unreached_count, INTERRUPT_DEVICE_APIC_ID_MAX);
    }
    return count;
}

void find_cores_compare_tscs(struct found_core *cores, unsigned count)
{
    bool is_invariant = cpu_id(0x80000000, 0).eax >= CPUID_POWER &&
                        (cpu_id(CPUID_POWER, 0).edx & CPUID_POWER_EDX_INVARIANT_TSC) != 0;
    unsigned corrected = 0;
    unsigned unknown = 0;
    uint64_t doubt = 0;

    uint64_t start_us = reference_clock_now_us();

    for (unsigned i = 1; i < count; i++) {
        struct tsc_range range;

        if (reference_clock_now_us() - start_us >= COMPARE_MAX_US ||
            start_node_measure_tsc(cores[i].start_index, &range) != 0 ||
            tsc_range_is_empty(&range)) {
            unknown++;
            continue;
        }
        cores[i].tsc_offset = tsc_range_offset(&range);
        corrected += cores[i].tsc_offset != 0;
        doubt = tsc_range_doubt(&range) > doubt ? tsc_range_doubt(&range) : doubt;
    }
    uint64_t doubt_ns = multiply_divide(doubt, NS_PER_S, node_info.clock.tsc_hz);

    node_info.clock.doubt_ns = doubt_ns;

    if (corrected > 0 || unknown > 0) {
        log_warning("boot",
                    "TSC: %s; of %u cores %u were apart and are corrected, %u cannot be compared; "
                    "the others agree to within %lu ns",
                    is_invariant ? "invariant" : "not said to be invariant", count, corrected,
                    unknown, doubt_ns);
    } else {
        log_info("boot", "TSC: %s, cores agree to within %lu ns",
                 is_invariant ? "invariant"
                              : "not said to be invariant, so clocks of nodes may drift apart",
                 doubt_ns);
    }
}

struct nmi_line find_nmi_line(const struct found_core *cores, unsigned count, unsigned node)
{
    for (unsigned i = 0; i < count; i++) {
        const struct acpi_core *listed = &cores[i].listed;

        if (listed->has_nmi_line) {
            return (struct nmi_line){i == node, listed->nmi_lint, listed->is_nmi_active_low};
        }
    }
    return (struct nmi_line){node == 0, 1, false};
}
