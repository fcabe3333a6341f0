/* SPDX-License-Identifier: MIT */
/*
 * Everything by registers (VT-d specification 6.5.1): firmware's queue for invalidations is
 * switched off. Interrupt remapping is left as it is found: messages of devices go as before.
 */
#include "drivers/iommu/unit.h"

#include <errno.h>

#include "drivers/iommu/regs.h"
#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/cpu.h"
#include "libc/core/guarded_space.h"
#include "libc/core/mmio.h"

/* Chosen: far beyond what units need, which are microseconds. */
#define TIMEOUT_NS (100 * NS_PER_MS)

#define MESSAGE_ADDRESS     0xFEE00000u /* SDM 3A 10.11 */
#define MESSAGE_DESTINATION BITS(19, 12)

static unsigned fault_place_count(const struct iommu_unit *unit)
{
    return (unsigned)FIELD_GET(CAP_NFR, unit->capability) + 1;
}

int iommu_unit_open(struct iommu_unit *unit, const struct iommu *iommu)
{
    *unit = (struct iommu_unit){.segment = iommu->segment};
    unit->registers = paging_map_device(iommu->paddr, IOMMU_REGISTERS_BYTES);
    if (unit->registers == NULL) {
        return -ENODEV;
    }
    unit->capability = mmio_read64(unit->registers, IOMMU_CAP);
    unit->extended = mmio_read64(unit->registers, IOMMU_ECAP);
    if (mmio_read32(unit->registers, IOMMU_VER) == VER_ABSENT ||
        IOMMU_IOTLB(unit->extended) + sizeof(uint64_t) > IOMMU_REGISTERS_BYTES ||
        IOMMU_FRCD(unit->capability, fault_place_count(unit)) > IOMMU_REGISTERS_BYTES) {
        log_warning("iommu", "the unit at %#lx is not there, or has registers beyond a page",
                    iommu->paddr);
        return -ENODEV;
    }
    return 0;
}

void iommu_unit_close(struct iommu_unit *unit)
{
    guarded_space_unmap(paging_own_space(), (uintptr_t)unit->registers, IOMMU_REGISTERS_BYTES);
    unit->registers = NULL;
}

/* --- Commands --- */

static int wait32(const struct iommu_unit *unit, unsigned offset, uint32_t mask, uint32_t wanted)
{
    uint64_t end_ns = platform_now_ns() + TIMEOUT_NS;
    uint32_t value;

    while (((value = mmio_read32(unit->registers, offset)) & mask) != wanted) {
        if (platform_now_ns() > end_ns) {
            log_error("iommu", "register %#x stays at %#x", offset, value);
            return -ETIMEDOUT;
        }
        cpu_pause();
    }
    return 0;
}

/* The bit of a command falls when it is done. */
static int command64(const struct iommu_unit *unit, unsigned offset, uint64_t value, uint64_t bit)
{
    uint64_t end_ns = platform_now_ns() + TIMEOUT_NS;

    mmio_write64(unit->registers, offset, value | bit);
    while ((mmio_read64(unit->registers, offset) & bit) != 0) {
        if (platform_now_ns() > end_ns) {
            log_error("iommu", "the command in register %#x does not end", offset);
            return -ETIMEDOUT;
        }
        cpu_pause();
    }
    return 0;
}

/* Give one command (11.4.4.1): set a bit or clear it. */
static int command(const struct iommu_unit *unit, uint64_t bit, bool is_set)
{
    uint32_t others = mmio_read32(unit->registers, IOMMU_GSTS) & (uint32_t) ~(GLOBAL_ONCE | bit);
    uint32_t wanted = is_set && bit != GLOBAL_WBF ? (uint32_t)bit : 0;

    mmio_write32(unit->registers, IOMMU_GCMD, others | (is_set ? (uint32_t)bit : 0));
    return wait32(unit, IOMMU_GSTS, (uint32_t)bit, wanted);
}

bool iommu_unit_is_on(const struct iommu_unit *unit)
{
    return (mmio_read32(unit->registers, IOMMU_GSTS) & GLOBAL_TE) != 0;
}

int iommu_unit_invalidate(struct iommu_unit *unit)
{
    uint64_t drain = ((unit->capability & CAP_DWD) != 0 ? IOTLB_DW : 0) |
                     ((unit->capability & CAP_DRD) != 0 ? IOTLB_DR : 0);
    int error = (unit->capability & CAP_RWBF) != 0 ? command(unit, GLOBAL_WBF, true) : 0;

    if (error == 0) {
        error = command64(unit, IOMMU_CCMD, FIELD_PREP(CCMD_CIRG, CIRG_GLOBAL), CCMD_ICC);
    }
    if (error == 0) {
        error = command64(unit, IOMMU_IOTLB(unit->extended),
                          FIELD_PREP(IOTLB_IIRG, IIRG_GLOBAL) | drain, IOTLB_IVT);
    }
    return error;
}

/* Memory that firmware had kept from all DMA until an IOMMU is on. */
static int open_protected_regions(const struct iommu_unit *unit)
{
    if ((unit->capability & (CAP_PLMR | CAP_PHMR)) == 0 ||
        (mmio_read32(unit->registers, IOMMU_PMEN) & PMEN_PRS) == 0) {
        return 0;
    }
    mmio_write32(unit->registers, IOMMU_PMEN, 0);
    return wait32(unit, IOMMU_PMEN, PMEN_PRS, 0);
}

int iommu_unit_turn_on(struct iommu_unit *unit, paddr_t root_table)
{
    struct iommu_fault fault;
    int error = 0;

    mmio_write32(unit->registers, IOMMU_FECTL, FECTL_IM);
    if ((mmio_read32(unit->registers, IOMMU_GSTS) & GLOBAL_QIE) != 0) {
        error = command(unit, GLOBAL_QIE, false);
    }
    if (error == 0) {
        mmio_write64(unit->registers, IOMMU_RTADDR, root_table);
        error = command(unit, GLOBAL_SRTP, true);
    }
    if (error == 0) {
        error = iommu_unit_invalidate(unit);
    }
    /* What firmware's tables have refused. */
    for (unsigned i = 0; i < fault_place_count(unit); i++) {
        (void)iommu_unit_take_fault(unit, &fault);
    }
    (void)iommu_unit_take_overflow(unit);
    if (error == 0 && !iommu_unit_is_on(unit)) {
        error = command(unit, GLOBAL_TE, true);
    }
    return error == 0 ? open_protected_regions(unit) : error;
}

void iommu_unit_turn_off(struct iommu_unit *unit)
{
    (void)command(unit, GLOBAL_TE, false); /* one that does not has been logged */
}

/* --- Faults --- */

void iommu_unit_route_faults(struct iommu_unit *unit, uint32_t apic_id, uint8_t vector)
{
    mmio_write32(unit->registers, IOMMU_FEDATA, vector);
    mmio_write32(unit->registers, IOMMU_FEADDR,
                 MESSAGE_ADDRESS | (uint32_t)FIELD_PREP(MESSAGE_DESTINATION, apic_id));
    mmio_write32(unit->registers, IOMMU_FEUADDR, 0);
    mmio_write32(unit->registers, IOMMU_FECTL, 0);
}

bool iommu_unit_take_fault(struct iommu_unit *unit, struct iommu_fault *fault)
{
    for (unsigned i = 0; i < fault_place_count(unit); i++) {
        unsigned offset = IOMMU_FRCD(unit->capability, i);
        uint64_t high = mmio_read64(unit->registers, offset + FRCD_HIGH);

        if ((high & FRCD_F) == 0) {
            continue;
        }
        *fault = (struct iommu_fault){
            .segment = unit->segment,
            .bus = (uint8_t)FIELD_GET(FRCD_BUS, high),
            .device = (uint8_t)FIELD_GET(FRCD_DEVICE, high),
            .function = (uint8_t)FIELD_GET(FRCD_FUNCTION, high),
            .is_read = (high & FRCD_IS_READ) != 0,
            .reason = (uint8_t)FIELD_GET(FRCD_REASON, high),
            .paddr = mmio_read64(unit->registers, offset) & FRCD_ADDRESS,
        };
        mmio_write64(unit->registers, offset + FRCD_HIGH, FRCD_F);
        return true;
    }
    return false;
}

bool iommu_unit_take_overflow(struct iommu_unit *unit)
{
    if ((mmio_read32(unit->registers, IOMMU_FSTS) & FSTS_PFO) == 0) {
        return false;
    }
    mmio_write32(unit->registers, IOMMU_FSTS, (uint32_t)FSTS_PFO);
    return true;
}
