/* SPDX-License-Identifier: MIT */
/*
 * The cards of the 82599's family that this driver knows, by their PCI device ids.
 */
#include "drivers/ixgbe/ixgbe.h"

#define VENDOR_INTEL 0x8086

/* clang-format off: a table */
/*    device  SFP+ */
#define DEVICE_TABLE(X)                                                                            \
    X(0x10F7, false) /* KX4 backplane: what the QEMU model is */                                   \
    X(0x10FB, true)  /* the common X520 */                                                         \
    X(0x1514, false) /* KX4 mezzanine */                                                           \
    X(0x1517, false) /* KR */                                                                      \
    X(0x10F8, false) /* combined backplane */                                                      \
    X(0x10FC, false) /* XAUI */                                                                    \
    X(0x10F9, false) /* CX4 */                                                                     \
    X(0x1507, true)                                                                                \
    X(0x1529, true)                                                                                \
    X(0x154A, true)                                                                                \
    X(0x154D, true)                                                                                \
    X(0x1557, true)
/* clang-format on */

const struct pci_id ixgbe_ids[] = {
#define X(device, has_optics) {VENDOR_INTEL, device},
    DEVICE_TABLE(X)
#undef X
};
const size_t ixgbe_id_count = ARRAY_COUNT(ixgbe_ids);

bool ixgbe_has_optics(uint16_t device_id)
{
    switch (device_id) {
#define X(device, has_optics)                                                                      \
    case device:                                                                                   \
        return has_optics;
        DEVICE_TABLE(X)
#undef X
    default:
        return false;
    }
}
