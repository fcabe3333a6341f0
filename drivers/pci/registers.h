/* SPDX-License-Identifier: MIT */
/*
 * Registers of PCI configuration space (PCI 3.0 chapter 6, PCI-to-PCI bridge 1.2 chapter 3), for
 * the files of kernel/pci*.c.
 */
#pragma once

#include "libc/core/bits.h"

#define PCI_VENDOR           0x00
#define VENDOR_NONE          0xFFFF
#define PCI_DEVICE           0x02
#define PCI_COMMAND          0x04
#define COMMAND_MEMORY       BIT(1)
#define COMMAND_BUS_MASTER   BIT(2)
#define COMMAND_INTX_OFF     BIT(10)
#define PCI_STATUS           0x06
#define STATUS_CAPABILITIES  BIT(4)
#define PCI_REVISION         0x08
#define PCI_CLASS            0x0A /* subclass in the low byte, class in the high one */
#define CLASS_HOST_BRIDGE    0x0600
#define PCI_HEADER_TYPE      0x0E
#define HEADER_TYPE          BITS(6, 0)
#define HEADER_DEVICE        0
#define HEADER_BRIDGE        1
#define HEADER_MULTIFUNCTION BIT(7)
#define PCI_BAR(n)           (0x10 + 4 * (n))
#define BAR_IO               BIT(0)
#define BAR_TYPE             BITS(2, 1)
#define BAR_TYPE_64BIT       2
#define BAR_PREFETCHABLE     BIT(3)
#define BAR_ADDRESS          BITS(31, 4)
#define PCI_CAPABILITIES     0x34

/* Bridges: bus numbers and windows. A window starts and ends on multiples of 1 MiB, its registers
 * hold bits 31:20 of both in 15:4; it is closed when it ends before it starts. */
#define PCI_BUS_NUMBERS          0x18
#define BUS_PRIMARY              BITS(7, 0)
#define BUS_SECONDARY            BITS(15, 8)
#define BUS_SUBORDINATE          BITS(23, 16)
#define PCI_MEMORY_WINDOW        0x20 /* base in the low half, limit in the high one */
#define PCI_PREFETCH_WINDOW      0x24
#define WINDOW_BASE              BITS(15, 4)
#define WINDOW_LIMIT             BITS(31, 20)
#define WINDOW_TYPE              BITS(3, 0)
#define WINDOW_TYPE_64BIT        1
#define PCI_PREFETCH_BASE_UPPER  0x28
#define PCI_PREFETCH_LIMIT_UPPER 0x2C

#define BUS_MAX      256
#define DEVICE_MAX   32
#define FUNCTION_MAX 8
#define BRIDGE_BARS  2 /* of a bridge's own */
