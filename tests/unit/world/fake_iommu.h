/* SPDX-License-Identifier: MIT */
/*
 * VT-d units for unit tests: their registers by their own numbers, what commands do, and a walk
 * through the tables as a unit makes it. One is mapped where FAKE_IOMMU_PADDR(index) is asked for.
 */
#pragma once

#include "kernel/base.h"

#define FAKE_IOMMU_MAX          2
#define FAKE_IOMMU_PADDR(index) (0xFED90000u + 0x1000u * (index))

/* CAP: tables of three or four levels, large pages, and so many bits of an address. */
#define FAKE_CAP_3_LEVELS  (UINT64_C(1) << 9)
#define FAKE_CAP_4_LEVELS  (UINT64_C(1) << 10)
#define FAKE_CAP_2MIB      (UINT64_C(1) << 34)
#define FAKE_CAP_1GIB      (UINT64_C(1) << 35)
#define FAKE_CAP_WIDTH(n)  ((uint64_t)((n)-1) << 16)
#define FAKE_CAP_REGIONS   (UINT64_C(1) << 5)
#define FAKE_CAP_USUAL     (FAKE_CAP_4_LEVELS | FAKE_CAP_2MIB | FAKE_CAP_1GIB | FAKE_CAP_WIDTH(48))
#define FAKE_ECAP_COHERENT 1u
#define FAKE_FAULTS        2u

struct fake_iommu {
    uint64_t capability, extended; /* but for where registers lie */
    bool is_on, has_queue,
        has_regions;         /* translates; invalidates by a queue; keeps memory from all */
    bool is_stuck;           /* no command ends any more */
    uint64_t new_root, root; /* as written; as it goes by */
    unsigned context_flushes, iotlb_flushes;
    uint32_t fault_control, fault_data, fault_address;
    uint64_t faults[FAKE_FAULTS][2];
    bool has_lost_faults;
    bool is_mapped;
};
extern struct fake_iommu fake_iommus[FAKE_IOMMU_MAX];

/* Units that are off and can what most can; mapped where a test's world asks for registers. */
void fake_iommu_reset(void);
void *fake_iommu_map(paddr_t paddr, size_t bytes);

/* What the unit lets a function do at that address: 1 to read, 2 to write. */
unsigned fake_iommu_rights(unsigned unit, unsigned bus, unsigned device, unsigned function,
                           uint64_t address);
/* The same from the first second-level table on, of so many levels. */
unsigned fake_iommu_walk(const void *table, unsigned levels, uint64_t address);

/* The next tables cannot be had after so many. */
void fake_iommu_limit_tables(unsigned count);
