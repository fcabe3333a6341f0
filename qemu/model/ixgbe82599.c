/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 82599's PCI function: identity, BARs, capabilities, resets and the network backend.
 *
 * The identity is the KX4 backplane variant (8086:10f7): drivers expect neither an optical
 * module nor a PHY behind it. Capabilities stand at the real card's offsets, because drivers
 * address some of them absolutely.
 */
#include "ixgbe82599.h"

#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_aer.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "net/eth.h"
#include "qapi/error.h"
#include "qemu/module.h"

enum {
    BAR_CSR = 0,
    BAR_IO = 2,
    BAR_MSIX = 4,

    BAR_IO_BYTES = 32,
    BAR_MSIX_BYTES = 16 * KiB,

    CAP_POWER = 0x40,
    CAP_MSI = 0x50,
    CAP_MSIX = 0x70,
    CAP_EXPRESS = 0xa0,
    CAP_AER = 0x100,
    CAP_SERIAL = 0x140,

    MSIX_PBA_OFFSET = 0x2000,

    /* Width x8, 5 GT/s, slot clock. */
    LINK_STATUS_X8_5GT = 0x1082,
};

static uint64_t csr_read(void *opaque, hwaddr offset, unsigned bytes)
{
    return ixgbe_core_read(opaque, offset);
}

static void csr_write(void *opaque, hwaddr offset, uint64_t value, unsigned bytes)
{
    ixgbe_core_write(opaque, offset, value);
}

/* 64-bit accesses exist (FDIRHASH with FDIRCMD) and arrive as two halves, the low one first. */
static const MemoryRegionOps csr_ops = {
    .read = csr_read,
    .write = csr_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/* BAR2: IOADDR at 0 names a register, IODATA at 4 accesses it. */
static uint64_t io_read(void *opaque, hwaddr offset, unsigned bytes)
{
    IXGBEState *s = opaque;

    switch (offset) {
    case 0:
        return s->io_address;
    case 4:
        return ixgbe_core_read(s, s->io_address);
    default:
        return 0;
    }
}

static void io_write(void *opaque, hwaddr offset, uint64_t value, unsigned bytes)
{
    IXGBEState *s = opaque;

    if (offset == 0) {
        s->io_address = value;
    } else if (offset == 4) {
        ixgbe_core_write(s, s->io_address, value);
    }
}

static const MemoryRegionOps io_ops = {
    .read = io_read,
    .write = io_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/* In loop-back the receiver hears the transmitter only: what the wire brings is lost. */
static ssize_t receive(NetClientState *nc, const uint8_t *data, size_t bytes)
{
    IXGBEState *s = qemu_get_nic_opaque(nc);
    size_t header_bytes = ixgbe_wire_header_bytes(s);

    if ((ixgbe_get(s, IXGBE_HLREG0) & HLREG0_LOOPBACK) || bytes < header_bytes) {
        return bytes;
    }
    /* 0: not now; the backend tries again. */
    return ixgbe_rx_frame(s, data + header_bytes, bytes - header_bytes) == 0 ? 0 : bytes;
}

static void link_status_changed(NetClientState *nc)
{
    ixgbe_core_update_link(qemu_get_nic_opaque(nc));
}

static NetClientInfo net_client_info = {
    .type = NET_CLIENT_DRIVER_NIC,
    .size = sizeof(NICState),
    .receive = receive,
    .link_status_changed = link_status_changed,
};

static void init_bars(IXGBEState *s)
{
    PCIDevice *pci = PCI_DEVICE(s);
    const uint8_t memory_64bit = PCI_BASE_ADDRESS_SPACE_MEMORY | PCI_BASE_ADDRESS_MEM_TYPE_64;

    memory_region_init_io(&s->csr_region, OBJECT(s), &csr_ops, s, "ixgbe82599-csr",
                          IXGBE_CSR_BYTES);
    pci_register_bar(pci, BAR_CSR, memory_64bit, &s->csr_region);
    memory_region_init_io(&s->io_region, OBJECT(s), &io_ops, s, "ixgbe82599-io", BAR_IO_BYTES);
    pci_register_bar(pci, BAR_IO, PCI_BASE_ADDRESS_SPACE_IO, &s->io_region);
    memory_region_init(&s->msix_region, OBJECT(s), "ixgbe82599-msix", BAR_MSIX_BYTES);
    pci_register_bar(pci, BAR_MSIX, memory_64bit, &s->msix_region);
}

/* The address with ffff in its middle. */
static uint64_t serial_number(const uint8_t *mac)
{
    return (uint64_t)ixgbe_get32(mac) >> 8 << 40 | 0xffffull << 24 |
           (ixgbe_get32(mac + 2) & 0xffffff);
}

/* Each new capability becomes the head of the list, so the last in the list comes first. */
static bool init_capabilities(IXGBEState *s, Error **errp)
{
    PCIDevice *pci = PCI_DEVICE(s);
    uint8_t *config = pci->config;
    int power;

    if (pcie_endpoint_cap_init(pci, CAP_EXPRESS) < 0) {
        error_setg(errp, "ixgbe82599 needs a PCI Express bus");
        return false;
    }
    pcie_cap_flr_init(pci);
    pci_set_word(config + CAP_EXPRESS + PCI_EXP_LNKSTA, LINK_STATUS_X8_5GT);
    if (msix_init(pci, IXGBE_VECTORS, &s->msix_region, BAR_MSIX, 0, &s->msix_region, BAR_MSIX,
                  MSIX_PBA_OFFSET, CAP_MSIX, errp) < 0) {
        return false;
    }
    for (int vector = 0; vector < IXGBE_VECTORS; vector++) {
        msix_vector_use(pci, vector);
    }
    if (msi_init(pci, CAP_MSI, 1, true, true, errp) < 0) {
        return false;
    }
    power = pci_add_capability(pci, PCI_CAP_ID_PM, CAP_POWER, PCI_PM_SIZEOF, errp);
    if (power < 0) {
        return false;
    }
    pci_set_word(config + CAP_POWER + PCI_PM_PMC, 3);
    pci_set_word(pci->wmask + CAP_POWER + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
    if (pcie_aer_init(pci, PCI_ERR_VER, CAP_AER, PCI_ERR_SIZEOF, errp) < 0) {
        return false;
    }
    pcie_dev_ser_num_init(pci, CAP_SERIAL, serial_number(s->conf.macaddr.a));
    return true;
}

static void reset_device(DeviceState *dev)
{
    ixgbe_core_reset(IXGBE82599(dev), true);
}

static void config_write(PCIDevice *pci, uint32_t address, uint32_t value, int bytes)
{
    IXGBEState *s = IXGBE82599(pci);
    const uint8_t *power = pci->config + CAP_POWER + PCI_PM_CTRL;
    uint16_t state = pci_get_word(power) & PCI_PM_CTRL_STATE_MASK;
    bool could_dma = ixgbe_core_can_dma(s);

    pci_default_write_config(pci, address, value, bytes);
    pcie_cap_flr_write_config(pci, address, value, bytes);
    /* No_Soft_Reset is 0: waking up from D3hot resets the function. */
    if (state == 3 && (pci_get_word(power) & PCI_PM_CTRL_STATE_MASK) == 0) {
        ixgbe_core_reset(s, false);
    }
    if (!could_dma && ixgbe_core_can_dma(s)) {
        ixgbe_rx_unblock(s);
        ixgbe_tx_resume(s);
    }
}

/* Undo what realize did, as far as it came. */
static void exit_device(PCIDevice *pci)
{
    IXGBEState *s = IXGBE82599(pci);

    if (s->nic) {
        qemu_del_nic(s->nic);
        ixgbe_core_finalize(s);
    }
    if (pci->exp.aer_cap) {
        pcie_aer_exit(pci);
    }
    if (pci->exp.exp_cap) {
        pcie_cap_exit(pci);
    }
    msix_uninit(pci, &s->msix_region, &s->msix_region);
    msi_uninit(pci);
}

static void realize(PCIDevice *pci, Error **errp)
{
    IXGBEState *s = IXGBE82599(pci);
    DeviceState *dev = DEVICE(pci);

    pci_config_set_interrupt_pin(pci->config, 1);
    pci->config[PCI_CACHE_LINE_SIZE] = 0x10;
    qemu_macaddr_default_if_unset(&s->conf.macaddr);
    if (is_multicast_ether_addr(s->conf.macaddr.a)) {
        error_setg(errp, "mac= must be a unicast address");
        return;
    }
    init_bars(s);
    if (!init_capabilities(s, errp)) {
        exit_device(pci);
        return;
    }
    ixgbe_core_init(s);
    s->nic = qemu_new_nic(&net_client_info, &s->conf, object_get_typename(OBJECT(s)), dev->id, s);
    ixgbe_wire_init(s);
    qemu_format_nic_info_str(qemu_get_queue(s->nic), s->conf.macaddr.a);
}

static bool get_stalled(Object *object, Error **errp)
{
    return IXGBE82599(object)->is_stalled;
}

/* As a card whose DMA hangs: registers answer, frames that come meanwhile are lost. */
static void set_stalled(Object *object, bool is_stalled, Error **errp)
{
    IXGBEState *s = IXGBE82599(object);

    s->is_stalled = is_stalled;
    if (s->nic && ixgbe_core_can_dma(s)) {
        ixgbe_rx_unblock(s);
        ixgbe_tx_resume(s);
    }
}

static const VMStateDescription vmstate = {
    .name = TYPE_IXGBE82599,
    .unmigratable = 1,
};

static Property properties[] = {
    DEFINE_NIC_PROPERTIES(IXGBEState, conf),
    DEFINE_PROP_BOOL("strict-reset", IXGBEState, is_strict_reset, false),
    DEFINE_PROP_END_OF_LIST(),
};

static void init_class(ObjectClass *class, void *data)
{
    DeviceClass *dev = DEVICE_CLASS(class);
    PCIDeviceClass *pci = PCI_DEVICE_CLASS(class);

    pci->realize = realize;
    pci->exit = exit_device;
    pci->config_write = config_write;
    pci->vendor_id = PCI_VENDOR_ID_INTEL;
    pci->device_id = 0x10f7;
    pci->revision = 1;
    pci->class_id = PCI_CLASS_NETWORK_ETHERNET;

    dev->desc = "Intel 82599 10 Gigabit Ethernet";
    dev->reset = reset_device;
    dev->vmsd = &vmstate;
    device_class_set_props(dev, properties);
    object_class_property_add_bool(class, "stalled", get_stalled, set_stalled);
    set_bit(DEVICE_CATEGORY_NETWORK, dev->categories);
}

static const TypeInfo type_info = {
    .name = TYPE_IXGBE82599,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(IXGBEState),
    .class_init = init_class,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_PCIE_DEVICE },
        { }
    },
};

static void register_types(void)
{
    type_register_static(&type_info);
}

type_init(register_types)
