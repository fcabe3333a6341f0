# The devices of Talus' QEMU: a q35 machine and what the project's runs and tests plug into it.
# What this list and its dependencies leave out is not compiled.
CONFIG_Q35=y
CONFIG_HPET=y
# Exit status from inside the guest, and a way to report a panic.
CONFIG_ISA_DEBUG=y
CONFIG_PVPANIC_ISA=y
# The network cards: ours, and the one with which it is compared.
CONFIG_IXGBE82599=y
CONFIG_E1000E_PCI_EXPRESS=y
# A framebuffer for boots through GRUB and UEFI, and disks and sticks to boot from.
CONFIG_VGA_PCI=y
CONFIG_USB_XHCI_PCI=y
CONFIG_USB_STORAGE_CORE=y
CONFIG_USB_STORAGE_CLASSIC=y
# Bridges, switches and further root buses; the interrupt remapping that more than 255 cores need;
# and virtio for test guests.
CONFIG_PCIE_PORT=y
CONFIG_XIO3130=y
CONFIG_PXB=y
# Not wanted for itself: the source of further root buses refers to it.
CONFIG_CXL=y
CONFIG_CXL_MEM_DEVICE=y
CONFIG_VTD=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_RNG=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_NET=y
# Other machines to boot on: the older PC, and the small one without legacy devices.
CONFIG_I440FX=y
CONFIG_MICROVM=y
