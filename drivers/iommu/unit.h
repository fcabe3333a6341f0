/* SPDX-License-Identifier: MIT */
/*
 * One VT-d unit: its registers, what it can, switching it on and off, and the faults it has
 * recorded.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/machine.h"

struct iommu_unit {
    void *registers;
    uint16_t segment;
    uint64_t capability; /* CAP and ECAP */
    uint64_t extended;
};

/* A refused access. */
struct iommu_fault {
    uint16_t segment;
    uint8_t bus, device, function; /* who asked, by its own word */
    bool is_read;
    uint8_t reason; /* VT-d specification 7.1.3 */
    paddr_t paddr;  /* of the page */
};

/* Map its registers and look at them. Returns 0; or -ENODEV (logged) when they are not there, or
 * lie beyond the first page. */
MUST_CHECK int iommu_unit_open(struct iommu_unit *unit, const struct iommu *iommu);
/* Take back the mapping: the unit cannot be reached by a stray store. */
void iommu_unit_close(struct iommu_unit *unit);

/* Whether devices' DMA is translated. */
bool iommu_unit_is_on(const struct iommu_unit *unit);
/* Translate by these tables from now on, whatever it did before; faults are recorded, without an
 * interrupt. Returns 0, or -ETIMEDOUT (logged). */
MUST_CHECK int iommu_unit_turn_on(struct iommu_unit *unit, paddr_t root_table);
/* Tables have changed: forget what is cached of them. Returns 0, or -ETIMEDOUT (logged). */
MUST_CHECK int iommu_unit_invalidate(struct iommu_unit *unit);
/* Translate nothing. */
void iommu_unit_turn_off(struct iommu_unit *unit);

/* Interrupt that core, with that vector, when a fault is recorded and none was before. */
void iommu_unit_route_faults(struct iommu_unit *unit, uint32_t apic_id, uint8_t vector);
/* Take one of the faults, in no order; false: there is none. */
bool iommu_unit_take_fault(struct iommu_unit *unit, struct iommu_fault *fault);
/* Whether faults have been lost since the last call, for want of a place to record them. */
bool iommu_unit_take_overflow(struct iommu_unit *unit);
