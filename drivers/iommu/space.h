/* SPDX-License-Identifier: MIT */
/*
 * What a device reaches: second-level page tables (VT-d specification 3.7), as data. An address is
 * the same for the device as in memory; what is not mapped it does not reach.
 */
#pragma once

#include "kernel/base.h"

enum iommu_rights {
    IOMMU_READ = 1 << 0,
    IOMMU_WRITE = 1 << 1,
};

struct iommu_space {
    uint64_t *root; /* NULL: nothing is mapped yet */
    unsigned levels;
    unsigned map_level; /* up to which an entry may map memory: 1 for 4 KiB, 2 for 2 MiB, 3 */
    bool is_coherent;   /* else tables are written back to memory */
};

/* What so many levels of tables reach. */
#define SPACE_ADDRESS_BITS(levels) (12u + 9u * (levels))

/*
 * Map [paddr, paddr + bytes), page-aligned, with these rights beside those that are there.
 *
 * Returns 0; -ENOMEM without a page for a table, -ERANGE beyond what the levels reach: part of it
 * may be mapped; -EEXIST when a part of a large page would need rights of its own.
 */
MUST_CHECK int iommu_space_map(struct iommu_space *space, paddr_t paddr, uint64_t bytes,
                               unsigned rights);

/* A zeroed page for a table, or NULL. Tables are never given back. */
uint64_t *iommu_new_table(bool is_coherent);
/* Its entry of so many words is complete. */
void iommu_write_back(const void *entry, size_t bytes, bool is_coherent);
