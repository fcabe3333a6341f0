/* SPDX-License-Identifier: MIT */
/*
 * Registers of PCI configuration space, for the files of drivers/pci/: one block a section, offset
 * and access on each line, only what is used. RW, RO; the numbers are PCI 3.0's, and those of
 * PCI-to-PCI bridge 1.2, PCI power management 1.2 and PCI Express 3.0 where named.
 */
#pragma once

#include "libc/core/bits.h"

/* --- Ways to configuration space --- */

/* Ports (PCI 3.0 3.2.2.3.2): a register is named in the one, and read and written in the other. */
#define PCI_ADDRESS_PORT     0xCF8 /* RW 32 bits */
#define PCI_DATA_PORT        0xCFC /* RW 8 to 32 bits */
#define PCI_PORT_SPACE_BYTES 256u  /* of each function, that ports reach */
#define PORT_ENABLE          BIT(31)
#define PORT_BUS             BITS(23, 16)
#define PORT_DEVICE          BITS(15, 11)
#define PORT_FUNCTION        BITS(10, 8)
#define PORT_REGISTER        BITS(7, 2) /* counts 32 bits */

/* Memory (PCI Express 7.2.2): each function has its own 4 KiB in a segment's window. */
#define PCI_ECAM_SPACE_BYTES 4096u
#define ECAM_BUS             BITS(27, 20)
#define ECAM_DEVICE          BITS(19, 15)
#define ECAM_FUNCTION        BITS(14, 12)

#define BUS_MAX      256
#define DEVICE_MAX   32
#define FUNCTION_MAX 8

/* --- Every function (PCI 3.0 6.1, 6.2) --- */

#define PCI_VENDOR           0x00 /* RO */
#define VENDOR_NONE          0xFFFF
#define PCI_DEVICE           0x02 /* RO */
#define PCI_COMMAND          0x04 /* RW */
#define COMMAND_MEMORY       BIT(1)
#define COMMAND_BUS_MASTER   BIT(2)
#define COMMAND_INTX_OFF     BIT(10)
#define PCI_STATUS           0x06 /* RO here */
#define STATUS_CAPABILITIES  BIT(4)
#define PCI_REVISION         0x08 /* RO */
#define PCI_CLASS            0x0A /* RO subclass in the low byte, class in the high one */
#define CLASS_BASE           BITS(15, 8)
#define CLASS_BASE_DISPLAY   0x03
#define CLASS_BASE_BRIDGE    0x06
#define CLASS_BASE_SYSTEM    0x08   /* interrupt and DMA controllers, timers, IOMMUs; */
#define CLASS_SD_HOST        0x0805 /* and also this */
#define CLASS_OLD_VGA        0x0001
#define CLASS_HOST_BRIDGE    0x0600
#define CLASS_USB            0x0C03
#define PCI_HEADER_TYPE      0x0E /* RO */
#define HEADER_TYPE          BITS(6, 0)
#define HEADER_DEVICE        0
#define HEADER_BRIDGE        1
#define HEADER_MULTIFUNCTION BIT(7)
#define PCI_BAR(n)           (0x10 + 4 * (n)) /* RW address, RO the rest (6.2.5.1) */
#define BAR_IO               BIT(0)
#define BAR_TYPE             BITS(2, 1)
#define BAR_TYPE_64BIT       2
#define BAR_PREFETCHABLE     BIT(3)
#define BAR_ADDRESS          BITS(31, 4)
#define PCI_CAPABILITIES     0x34 /* RO offset of the first capability */

/* --- Bridges (PCI-to-PCI bridge 1.2, 3.2.5) --- */

#define BRIDGE_BARS              2    /* of a bridge's own */
#define PCI_BUS_NUMBERS          0x18 /* RW */
#define BUS_PRIMARY              BITS(7, 0)
#define BUS_SECONDARY            BITS(15, 8) /* 0: it has no number, and leads nowhere */
#define BUS_SUBORDINATE          BITS(23, 16)
#define BUS_LATENCY              BITS(31, 24)
/* Windows start and end on multiples of 1 MiB; these hold bits 31:20 of their first and last
 * address. A window that ends before it starts is closed. */
#define PCI_WINDOW_BYTES         0x100000u
#define WINDOW_ADDRESS           BITS(31, 20)
#define PCI_MEMORY_WINDOW        0x20 /* RW */
#define PCI_PREFETCH_WINDOW      0x24 /* RW */
#define WINDOW_BASE              BITS(15, 4)
#define WINDOW_LIMIT             BITS(31, 20)
#define WINDOW_TYPE              BITS(3, 0) /* RO */
#define WINDOW_TYPE_64BIT        1
#define PCI_PREFETCH_BASE_UPPER  0x28 /* RW bits 63:32, of a window of 64 bits */
#define PCI_PREFETCH_LIMIT_UPPER 0x2C /* RW */

/* --- Capabilities (PCI 3.0 6.7): a list; each starts with its id and the next one's offset --- */

#define CAPABILITY_FIRST  0x40 /* none lies below */
#define CAPABILITY_MAX    48   /* as many as fit 256 bytes */
#define CAPABILITY_ID     0x00 /* RO */
#define CAPABILITY_NEXT   0x01 /* RO 0: the last */
#define CAPABILITY_OFFSET BITS(7, 2)

/* Power management (PCI power management 1.2, 3.2) */
#define CAPABILITY_POWER 0x01
#define POWER_CONTROL    0x04       /* RW */
#define POWER_STATE      BITS(1, 0) /* 0: D0, works; 3: D3hot, decodes configuration space only */

/* PCI Express (PCI Express 7.8.2) */
#define CAPABILITY_EXPRESS      0x10
#define EXPRESS_FLAGS           0x02 /* RO */
#define EXPRESS_TYPE            BITS(7, 4)
#define EXPRESS_TYPE_PCI_BRIDGE 7 /* to a bus of PCI's */

/* MSI-X (PCI 3.0 6.8.2) */
#define CAPABILITY_MSIX    0x11
#define MSIX_CONTROL       0x02        /* RW */
#define MSIX_TABLE_SIZE    BITS(10, 0) /* RO entries, less one */
#define MSIX_FUNCTION_MASK BIT(14)
#define MSIX_ENABLE        BIT(15)
#define MSIX_TABLE         0x04 /* RO */
#define MSIX_TABLE_BAR     BITS(2, 0)
#define MSIX_TABLE_OFFSET  BITS(31, 3) /* in place: a multiple of 8 */

/* One entry of the table, in the device's memory (PCI 3.0 6.8.2.6). RW */
#define MSIX_ENTRY_BYTES        16u
#define MSIX_ENTRY_ADDRESS_LOW  0x0
#define MSIX_ENTRY_ADDRESS_HIGH 0x4
#define MSIX_ENTRY_DATA         0x8
#define MSIX_ENTRY_CONTROL      0xC
#define MSIX_ENTRY_MASKED       BIT(0)

/* A message to a local APIC (SDM 3A 10.11): the vector as data, edge triggered, fixed delivery. */
#define MESSAGE_ADDRESS     0xFEE00000u
#define MESSAGE_DESTINATION BITS(19, 12)
