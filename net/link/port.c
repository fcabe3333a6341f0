/* SPDX-License-Identifier: MIT */
/* Which port is driven. */
#include "net/link/port.h"

#include <errno.h>
#include <string.h>

#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/format.h"
#include "net/link/nic_option.h"

#define REASON_BYTES  128
#define DRIVERS_BYTES 128

/* What there is to choose among. */
static struct {
    struct nic_port list[NIC_PORT_MAX];
    uint8_t macs[NIC_PORT_MAX][6];
    bool has_mac[NIC_PORT_MAX];
    bool has_macs; /* they have been asked for */
    unsigned count;
} ports;

void link_print_mac(char text[LINK_MAC_TEXT_BYTES], const uint8_t mac[6])
{
    (void)format_text(text, LINK_MAC_TEXT_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                      mac[2], mac[3], mac[4], mac[5]);
}

static void find_ports(void)
{
    ports.has_macs = false;
    ports.count = nic_find(ports.list, NIC_PORT_MAX);
    if (ports.count > NIC_PORT_MAX) {
        log_warning("ls", "%u network ports: only the first %u are looked at", ports.count,
                    NIC_PORT_MAX);
        ports.count = NIC_PORT_MAX;
    }
}

/* Only when somebody wants to know: it may take a mapping of the port's registers. */
static void read_macs(void)
{
    for (unsigned i = 0; i < ports.count && !ports.has_macs; i++) {
        ports.has_mac[i] = nic_read_mac(&ports.list[i], ports.macs[i]) == 0;
    }
    ports.has_macs = true;
}

static bool is_asked_for(const struct nic_option *option, unsigned number)
{
    ASSERT(number < ports.count);
    switch (option->choice) {
    case NIC_NUMBER:
        return number == option->number;
    case NIC_NAME:
        return strcmp(ports.list[number].name, option->name) == 0;
    case NIC_MAC:
        ASSERT(ports.has_macs);
        return ports.has_mac[number] && memcmp(ports.macs[number], option->mac, 6) == 0;
    default:
        return true;
    }
}

/* The number of the port that is asked for, or ports.count when it is not there. */
static unsigned choose(const struct nic_option *option)
{
    unsigned number = 0;

    if (option->choice == NIC_MAC) {
        read_macs();
    }
    while (number < ports.count && !is_asked_for(option, number)) {
        number++;
    }
    return number;
}

static void list_ports(void)
{
    read_macs();
    for (unsigned i = 0; i < ports.count; i++) {
        const struct nic_port *port = &ports.list[i];
        char mac[LINK_MAC_TEXT_BYTES] = "";

        if (ports.has_mac[i]) {
            link_print_mac(mac, ports.macs[i]);
        }
        log_info("ls", "port %u: %s, %s%s%s", i, port->name, port->model,
                 ports.has_mac[i] ? ", " : "", mac);
    }
}

int link_port_find(struct nic_port *port)
{
    struct nic_option option;
    char reason[REASON_BYTES];
    unsigned number;

    if (nic_option_parse(&option, platform_command_line(), reason, sizeof(reason)) != 0) {
        log_warning("ls", "%s: the first port is used", reason);
    }
    find_ports();
    number = choose(&option);
    if (ports.count == 0) {
        char drivers[DRIVERS_BYTES];

        nic_list_drivers(drivers, sizeof(drivers));
        log_warning("ls", "no %s: going on without a network", drivers);
        return -ENODEV;
    }
    if (number == ports.count) {
        log_warning("ls", "nic=%s: no network port is that: the first port is used", option.text);
        number = 0;
        list_ports();
    } else if (ports.count > 1 && option.choice == NIC_FIRST) {
        log_info("ls", "of %u network ports the first is used; nic= chooses", ports.count);
        list_ports();
    }
    ASSERT(number < ports.count);
    *port = ports.list[number];
    return 0;
}

bool link_port_folds(void)
{
    return nic_folds_ports();
}
