/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces of Linux as ports: see interface.h. A port is called as --card says: the
 * driver's word, a colon, and the interface's name.
 */
#include "drivers/hosted/interface.h"

#include <string.h>

#include "kernel/hosted/hosted.h"
#include "kernel/log.h"

/* Chosen: Linux says 10,000 of every interface that has no wire. */
#define MEGABITS 10000

unsigned interface_find(const char *word, const char *model, struct nic_port *ports,
                        unsigned port_max)
{
    size_t length = strlen(linux_node.card);

    if (strncmp(linux_node.card, word, strlen(word)) != 0) {
        return 0;
    }
    if (length == strlen(word) || length >= strlen(word) + LINUX_INTERFACE_NAME_BYTES) {
        log_error("card", "--card %s names no interface", linux_node.card);
        return 0;
    }
    if (port_max > 0) {
        ports[0] = (struct nic_port){0};
        memcpy(ports[0].name, linux_node.card, length + 1);
        memcpy(ports[0].model, model, strlen(model) + 1);
    }
    return 1;
}

void interface_copy_name(char name[LINUX_INTERFACE_NAME_BYTES], const struct nic_port *port)
{
    memcpy(name, strchr(port->name, ':') + 1, LINUX_INTERFACE_NAME_BYTES);
}

struct nic_link interface_check_link(const char *name)
{
    bool is_up = linux_interface_is_up(name);

    return (struct nic_link){.is_up = is_up, .megabits = is_up ? MEGABITS : 0};
}
