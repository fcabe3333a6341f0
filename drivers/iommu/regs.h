/* SPDX-License-Identifier: MIT */
/*
 * Registers and tables of a VT-d unit, for the files of drivers/iommu/: only what is used. Numbers
 * are those of Intel's VT-d specification. RW; RO; WO; W1C: a one clears, a zero does nothing.
 */
#pragma once

#include "libc/core/bits.h"

/* --- Registers (11.4), in one page --- */

#define IOMMU_REGISTERS_BYTES 4096u

#define IOMMU_VER  0x00 /* RO 32 bits */
#define VER_ABSENT 0xFFFFFFFFu
#define IOMMU_CAP  0x08         /* RO 64 bits */
#define CAP_RWBF   BIT(4)       /* what was written must be flushed out of its buffers */
#define CAP_PLMR   BIT(5)       /* has protected regions below 4 GiB, */
#define CAP_PHMR   BIT(6)       /* and above */
#define CAP_SAGAW  BITS(12, 8)  /* which depths of tables it takes: bit n, n + 2 levels */
#define CAP_MGAW   BITS(21, 16) /* bits of an address, less one */
#define CAP_FRO    BITS(33, 24) /* where IOMMU_FRCD lies, in 16 bytes */
#define CAP_SLLPS  BITS(37, 34) /* bit 0: an entry may map 2 MiB; 1: 1 GiB, too */
#define CAP_NFR    BITS(47, 40) /* how many of those, less one */
#define CAP_DWD    BIT(54)      /* can drain writes, */
#define CAP_DRD    BIT(55)      /* and reads */
#define IOMMU_ECAP 0x10         /* RO 64 bits */
#define ECAP_C     BIT(0)       /* sees what is in the cores' caches */
#define ECAP_IRO   BITS(17, 8)  /* where IOMMU_IVA lies, in 16 bytes */

/* Commands, one at a time; the others' bits as in the status, but for those that do something once.
 */
#define IOMMU_GCMD  0x18 /* WO 32 bits */
#define IOMMU_GSTS  0x1C /* RO 32 bits */
#define GLOBAL_TE   BIT(31)
#define GLOBAL_SRTP BIT(30) /* once */
#define GLOBAL_WBF  BIT(27) /* once; its status is 0 when that is done */
#define GLOBAL_QIE  BIT(26)
#define GLOBAL_ONCE (BIT(30) | BIT(29) | BIT(27) | BIT(24))

#define IOMMU_RTADDR 0x20 /* RW 64 bits: the root table, in legacy mode */
#define IOMMU_CCMD   0x28 /* RW 64 bits */
#define CCMD_ICC     BIT(63)
#define CCMD_CIRG    BITS(62, 61)
#define CIRG_GLOBAL  1

#define IOMMU_IOTLB(ecap) (16u * (unsigned)FIELD_GET(ECAP_IRO, ecap) + 8) /* RW 64 bits */
#define IOTLB_IVT         BIT(63)
#define IOTLB_IIRG        BITS(61, 60)
#define IIRG_GLOBAL       1
#define IOTLB_DR          BIT(49)
#define IOTLB_DW          BIT(48)

#define IOMMU_FSTS    0x34   /* 32 bits */
#define FSTS_PFO      BIT(0) /* W1C: faults have been lost for want of a register */
#define IOMMU_FECTL   0x38   /* RW 32 bits */
#define FECTL_IM      BIT(31)
#define IOMMU_FEDATA  0x3C    /* RW 32 bits, as MSI's data and address */
#define IOMMU_FEADDR  0x40    /* RW 32 bits */
#define IOMMU_FEUADDR 0x44    /* RW 32 bits */
#define IOMMU_PMEN    0x64    /* 32 bits: regions that no DMA reaches */
#define PMEN_EPM      BIT(31) /* RW */
#define PMEN_PRS      BIT(0)  /* RO */

/* Fault recording (11.4.14): a place of 128 bits for each of some faults. */
#define IOMMU_FRCD(cap, index) (16u * ((unsigned)FIELD_GET(CAP_FRO, cap) + (index)))
#define FRCD_HIGH              8            /* from there, the upper 64 bits */
#define FRCD_ADDRESS           BITS(63, 12) /* of the lower 64; here and below RO */
#define FRCD_F                 BIT(63)      /* of the upper: W1C, there is one */
#define FRCD_IS_READ           BIT(62)
#define FRCD_REASON            BITS(39, 32)
#define FRCD_BUS               BITS(15, 8)
#define FRCD_DEVICE            BITS(7, 3)
#define FRCD_FUNCTION          BITS(2, 0)

/* --- Tables (9.1, 9.3, 9.8): pages of 64-bit words, entries of two but for the last kind --- */

#define TABLE_WORDS 512

/* Root table, an entry for each bus; context table, for each device and function of one bus. */
#define ENTRY_PRESENT BIT(0)
#define ENTRY_ADDRESS BITS(63, 12) /* of the context table, or of the first second-level table */
#define CONTEXT_AW    BITS(2, 0)   /* second word: levels of those, less two */
#define CONTEXT_DID   BITS(23, 8)  /* second word: the domain's number, other than 0 */

/* Second-level tables: level 1 maps pages of 4 KiB, each one above 512 times as much. */
#define SECOND_READ    BIT(0)
#define SECOND_WRITE   BIT(1)
#define SECOND_LARGE   BIT(7) /* above level 1: maps memory, not a table */
#define SECOND_ADDRESS BITS(51, 12)
