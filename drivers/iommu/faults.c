/* SPDX-License-Identifier: MIT */
/*
 * Refused accesses, on the node that drives the card: an interrupt wakes it, and before it sleeps
 * again it looks. Only then are the units' registers mapped.
 */
#include "drivers/iommu/iommu.h"
#include "drivers/iommu/unit.h"
#include "drivers/nic/counters.h"
#include "drivers/vectors.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/platform.h"

/* A device that goes wild may do so for ever: after so many the log has no more of them. */
#define LOGGED_MAX 16u
/* At a look, of one unit: the next look takes the rest. */
#define TAKEN_MAX  64u

static uint64_t interrupts_seen;
static unsigned logged_count;

static void note(const struct iommu_fault *fault)
{
    counter_increment(fault->is_read ? COUNTER_DMA_REFUSED_READ : COUNTER_DMA_REFUSED_WRITE);
    if (logged_count++ < LOGGED_MAX) {
        log_error("iommu", "%04x:%02x:%02x.%u may not %s %#lx: refused, reason %u%s",
                  fault->segment, fault->bus, fault->device, fault->function,
                  fault->is_read ? "read" : "write to", fault->paddr, fault->reason,
                  logged_count == LOGGED_MAX ? "; no more of these are logged" : "");
    }
}

static void take_faults(struct iommu_unit *unit)
{
    struct iommu_fault fault;

    for (unsigned i = 0; i < TAKEN_MAX && iommu_unit_take_fault(unit, &fault); i++) {
        note(&fault);
    }
    if (iommu_unit_take_overflow(unit)) {
        counter_increment(COUNTER_DMA_REFUSED_UNRECORDED);
    }
}

static void look(bool is_first)
{
    const struct machine *machine = &node_info.machine;
    struct iommu_unit unit;

    for (unsigned i = 0; i < machine->iommu_count; i++) {
        if (iommu_unit_open(&unit, &machine->iommus[i]) != 0) {
            continue;
        }
        if (is_first && interrupt_apic_id(platform_node()) <= INTERRUPT_DEVICE_APIC_ID_MAX) {
            iommu_unit_route_faults(&unit, interrupt_apic_id(platform_node()),
                                    INTERRUPT_VECTOR_IOMMU);
        }
        take_faults(&unit);
        iommu_unit_close(&unit);
    }
}

static bool look_before_sleep(void *context)
{
    uint64_t interrupts = interrupt_count(INTERRUPT_VECTOR_IOMMU);

    (void)context;
    if (interrupts != interrupts_seen) {
        interrupts_seen = interrupts;
        look(false);
    }
    return false;
}

static struct dispatch_source source = {.prepare_sleep = look_before_sleep};

void iommu_watch_faults(void)
{
    static bool is_watching;

    if (node_info.machine.dma_bytes == 0 || is_watching) {
        return;
    }
    is_watching = true;
    interrupts_seen = interrupt_count(INTERRUPT_VECTOR_IOMMU);
    look(true);
    dispatch_register_source(&source);
}
