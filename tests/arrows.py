# SPDX-License-Identifier: MIT
"""Who may use whom: what the other checks go by.

    apps -> libc/posix -> net -> drivers/{ixgbe,virtio} -> drivers/iommu -> drivers/pci -> drivers/nic -> kernel -> libc/core
    apps -> drivers/{console,acpi}, drivers/virtio -> drivers/acpi, boot -> kernel

As Linux processes (make host): drivers/hosted -> drivers/{nic,console,acpi}, of which it answers the
last two; and both hosted folders have a part that is compiled as an ordinary program.
"""

GROUND = {"kernel", "libc/core"}

# Each folder may use itself and those named here.
MAY_USE = {
    "libc/core": set(),
    "kernel": {"libc/core"},
    "boot": GROUND,
    "drivers": GROUND,
    "drivers/acpi": {"drivers"} | GROUND,
    "drivers/console": {"drivers", "drivers/acpi"} | GROUND,
    "drivers/clock": {"drivers"} | GROUND,
    "drivers/errors": {"drivers"} | GROUND,
    "drivers/nic": {"drivers"} | GROUND,
    "drivers/pci": {"drivers", "drivers/nic"} | GROUND,
    "kernel/hosted": GROUND,
    "kernel/hosted/linux": {"kernel/hosted"} | GROUND,
    "drivers/hosted": {"drivers", "drivers/nic", "drivers/acpi", "drivers/console", "kernel/hosted"}
                      | GROUND,
    "drivers/hosted/linux": {"drivers/hosted", "drivers/nic", "kernel/hosted", "kernel/hosted/linux"} | GROUND,
    "drivers/iommu": {"drivers", "drivers/nic", "drivers/pci"} | GROUND,
    "drivers/ixgbe": {"drivers", "drivers/nic", "drivers/pci", "drivers/iommu"} | GROUND,
    "drivers/virtio": {"drivers", "drivers/nic", "drivers/pci", "drivers/iommu", "drivers/acpi"} | GROUND,
    "net": {"drivers", "drivers/nic"} | GROUND,
    "net/streams": {"net", "drivers/nic"} | GROUND,
    "net/datagrams": {"net", "drivers/nic"} | GROUND,
    "net/forward": {"net"} | GROUND,
    "net/names": {"net", "drivers/nic"} | GROUND,
    "libc/posix": {"net/streams", "net/datagrams", "net/names", "net", "drivers/nic"} | GROUND,
    "apps": {"libc/posix", "net/forward", "net", "drivers", "drivers/nic", "drivers/acpi", "drivers/console"}
            | GROUND,
}

# The standard headers of libc/core, and those that the compiler brings; the others are libc/posix's,
# for itself and for applications.
STANDARD_HEADERS = {
    "assert.h", "ctype.h", "errno.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h",
    "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdnoreturn.h", "string.h",
    "strings.h",
}


# Not in the image; and those over the machine's own C library, which may include what it likes.
HOSTED = {folder for folder in MAY_USE if "hosted" in folder}
LINUX = {folder for folder in HOSTED if folder.endswith("/linux")}


def folder_of(path):
    """The longest entry of MAY_USE that leads to it, else its first folder."""
    folders = [folder for folder in MAY_USE if path.startswith(folder + "/")]
    return max(folders, key=len, default=path.split("/")[0])
