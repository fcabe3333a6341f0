/* SPDX-License-Identifier: MIT */
/*
 * Which NIC port is driven. Further than firmware's numbers lead it is looked for only when the
 * port is not found otherwise: that takes time, and touches bridges.
 */
#include "net/link/port.h"

#include <errno.h>
#include <string.h>

#include "drivers/ixgbe/ixgbe.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/format.h"
#include "net/link/nic_option.h"

#define PORT_MAX     16 /* that can be chosen among */
#define REASON_BYTES 128
#define MAC_BYTES    24 /* as text */

struct ports {
    struct pci_device list[PORT_MAX];
    unsigned count;
};

int link_port_map(const struct pci_device *port, struct pci_bar bars[PCI_BAR_COUNT],
                  void **registers)
{
    int result = pci_assign(port, bars);

    if (result != 0) {
        return result;
    }
    if (bars[0].bytes < IXGBE_REGISTERS_BYTES) {
        log_error("ls", "the NIC's BAR 0 is missing or too small");
        return -ENODEV;
    }
    pci_enable(port);
    *registers = paging_map_device(bars[0].paddr, IXGBE_REGISTERS_BYTES);
    return *registers == NULL ? -ENOMEM : 0;
}

/* A port's MAC address. It is switched on for it, and off again. */
static int read_mac(const struct pci_device *port, uint8_t mac[6])
{
    struct pci_bar bars[PCI_BAR_COUNT];
    void *registers;
    int result = link_port_map(port, bars, &registers);

    if (result == 0) {
        result = ixgbe_read_mac(registers, mac);
    }
    pci_disable(port);
    return result;
}

static bool is_asked_for(const struct nic_option *option, const struct pci_device *port,
                         unsigned number)
{
    const struct pci_address *address = &port->address;
    uint8_t mac[6];

    switch (option->choice) {
    case NIC_NUMBER:
        return number == option->number;
    case NIC_ADDRESS:
        return address->segment == option->address.segment && address->bus == option->address.bus &&
               address->device == option->address.device &&
               address->function == option->address.function;
    case NIC_MAC:
        return read_mac(port, mac) == 0 && memcmp(mac, option->mac, sizeof(mac)) == 0;
    default:
        return true;
    }
}

/* The number of the port that is asked for, or ports->count when it is not there. */
static unsigned choose(const struct nic_option *option, const struct ports *ports)
{
    unsigned number = 0;

    while (number < ports->count && !is_asked_for(option, &ports->list[number], number)) {
        number++;
    }
    return number;
}

static void list_ports(const struct ports *ports)
{
    for (unsigned i = 0; i < ports->count; i++) {
        const struct pci_device *port = &ports->list[i];
        const struct pci_address *address = &port->address;
        char text[MAC_BYTES] = "";
        uint8_t mac[6];

        if (read_mac(port, mac) == 0) {
            (void)format_text(text, sizeof(text), ", %02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                              mac[2], mac[3], mac[4], mac[5]);
        }
        log_info("ls", "port %u: %04x:%02x:%02x.%u, %04x:%04x%s", i, address->segment, address->bus,
                 address->device, address->function, port->id.vendor, port->id.device, text);
    }
}

static void find_ports(struct ports *ports, enum pci_reach reach)
{
    ports->count = pci_find(ixgbe_ids, ixgbe_id_count, reach, ports->list, PORT_MAX);
    if (ports->count > PORT_MAX) {
        log_warning("ls", "%u ports of 82599s: only the first %u are looked at", ports->count,
                    PORT_MAX);
        ports->count = PORT_MAX;
    }
}

int link_port_find(struct pci_device *port)
{
    struct nic_option option;
    struct ports ports;
    char reason[REASON_BYTES];
    unsigned number;

    if (nic_option_parse(&option, platform_command_line(), reason, sizeof(reason)) != 0) {
        log_warning("ls", "%s: the first port is used", reason);
    }
    find_ports(&ports, PCI_REACH_NUMBERED);
    number = choose(&option, &ports);
    if (number == ports.count) {
        find_ports(&ports, PCI_REACH_ALL);
        number = choose(&option, &ports);
    }
    if (ports.count == 0) {
        log_warning("ls", "no Intel 82599 on the PCI bus: going on without a network");
        return -ENODEV;
    }
    if (number == ports.count) {
        log_warning("ls", "nic=%s: no 82599 is that: the first port is used", option.text);
        number = 0;
        list_ports(&ports);
    } else if (ports.count > 1 && option.choice == NIC_FIRST) {
        log_info("ls", "of %u ports of 82599s the first is used; nic= chooses", ports.count);
        list_ports(&ports);
    }
    *port = ports.list[number];
    return 0;
}
