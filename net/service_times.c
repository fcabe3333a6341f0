/* SPDX-License-Identifier: MIT */
#include "net/service_times.h"

#include "kernel/message/mailbox.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"

#define UNIT_NS 16
#define MAX_NS  (60 * NS_PER_S)

_Static_assert(MAX_NS / UNIT_NS <= UINT32_MAX, "it fits the page's word");

void service_times_publish(node_id_t node, uint64_t service_ns)
{
    uint64_t rounded_ns = service_ns < MAX_NS ? service_ns + UNIT_NS - 1 : MAX_NS;

    ASSERT(node < platform_node_count());
    mailbox_store(&status_own_page->for_nodes[node].note, (uint32_t)(rounded_ns / UNIT_NS));
}

uint64_t service_times_look(node_id_t node)
{
    const struct configuration *configuration = configuration_current();
    node_id_t cm = configuration_own_cm(configuration, node);

    if (!configuration_has_role(configuration, node, ROLE_APPLICATION) ||
        !configuration_has_role(configuration, cm, ROLE_CM)) {
        return 0;
    }
    return (uint64_t)mailbox_load(&platform_status_page(cm)->for_nodes[node].note) * UNIT_NS;
}
