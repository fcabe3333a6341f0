/* SPDX-License-Identifier: MIT */
/*
 * The vectors of devices' interrupts, in one list so that no two devices share one. The same on
 * every node: whoever sets up a network card gives queue i's interrupt the APIC id of the node that
 * polls that queue, and INTERRUPT_VECTOR_NIC.
 */
#pragma once

#include "kernel/x86/interrupt.h"

enum device_vector {
    INTERRUPT_VECTOR_SERIAL = INTERRUPT_VECTOR_DEVICES,
    INTERRUPT_VECTOR_KEYBOARD,
    INTERRUPT_VECTOR_SCI,                                   /* ACPI's: the power button */
    INTERRUPT_VECTOR_NIC = INTERRUPT_VECTOR_DEVICES + 0x10, /* this node's queue */
    INTERRUPT_VECTOR_NIC_OTHER, /* link state and errors: on the node that has set up the card */
    INTERRUPT_VECTOR_IOMMU,     /* a refused access: likewise */
    DEVICE_VECTOR_END
};

_Static_assert(DEVICE_VECTOR_END <= (int)INTERRUPT_VECTOR_TIMER, "below the kernel's own");
