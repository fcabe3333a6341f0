/* SPDX-License-Identifier: MIT */
/*
 * Groups and their members: groups.h. Of lwIP's IGMP the speaker alone has a list; it is a list of
 * what is here, less what there was no memory for.
 */
#include "net/transport/groups.h"

#include <errno.h>
#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/core/timer.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/messages.h"
#include "net/transport/lwip/interface.h"

#include "lwip/igmp.h"
#include "lwip/ip.h"

/* lwIP counts its delays in these. */
#define IGMP_TICK_NS (IGMP_TMR_INTERVAL * NS_PER_MS)

struct group {
    uint32_t address;
    bool is_reported; /* in lwIP's list */
    struct node_set members;
};

MEMORY_KIND(groups_kind, "groups");

static struct group *groups; /* room for GROUP_ADDRESS_MAX; NULL: there has never been one */
static unsigned count;
static bool is_speaking;
static bool is_started; /* lwIP's IGMP */
static struct timer tick_timer;

static struct group *find(uint32_t address)
{
    for (unsigned i = 0; i < count; i++) {
        if (groups[i].address == address) {
            return &groups[i];
        }
    }
    return NULL;
}

bool groups_has(uint32_t address)
{
    return address == GROUP_ALL_SYSTEMS || find(address) != NULL;
}

/* --- Link servers --- */

static void tell_link_server(node_id_t node, uint32_t address, bool is_wanted, bool is_first)
{
    struct group_wanted *message = message_reserve_posted(node, GROUP_WANTED, sizeof(*message));

    message->address = address;
    message->is_wanted = is_wanted;
    message->is_first = is_first;
    message_publish();
}

static void tell_link_servers(uint32_t address, bool is_wanted)
{
    const struct configuration *configuration = configuration_current();

    for (unsigned i = 0; i < configuration->ls_count; i++) {
        if (!configuration_is_dead(configuration, configuration->ls[i])) {
            tell_link_server(configuration->ls[i], address, is_wanted, false);
        }
    }
}

static void tell_all_to(node_id_t node)
{
    tell_link_server(node, GROUP_ALL_SYSTEMS, true, true);
    for (unsigned i = 0; i < count; i++) {
        tell_link_server(node, groups[i].address, true, false);
    }
}

void groups_greet_node(node_id_t node)
{
    if (is_speaking && configuration_has_role(configuration_current(), node, ROLE_LS)) {
        tell_all_to(node);
    }
}

/* --- lwIP's IGMP --- */

static bool is_report_due(void)
{
    for (const struct igmp_group *group = netif_igmp_data(interface_netif()); group != NULL;
         group = group->next) {
        if (group->timer > 0) {
            return true;
        }
    }
    return false;
}

static void start_tick(void)
{
    if (is_report_due() && !timer_is_set(&tick_timer) &&
        timer_start(&tick_timer, dispatch_now_ns() + IGMP_TICK_NS) != 0) {
        return; /* no memory for a timer: groups_pass() comes back to it */
    }
}

static void tick(struct timer *timer)
{
    (void)timer;
    igmp_tmr();
    start_tick();
}

/* That of all systems, which is in no report, is lwIP's own. False: no memory. */
static bool report(struct group *group)
{
    const ip4_addr_t address = {.addr = group->address};

    if (!group->is_reported && group->address != GROUP_ALL_SYSTEMS) {
        group->is_reported =
            is_started && igmp_joingroup_netif(interface_netif(), &address) == ERR_OK;
        return group->is_reported;
    }
    return true;
}

static void stop_reporting(const struct group *group)
{
    const ip4_addr_t address = {.addr = group->address};

    if (group->is_reported) {
        (void)igmp_leavegroup_netif(interface_netif(), &address); /* it is there */
    }
}

/* lwIP's list begins with the group of all systems, and without it may not be used. */
static void start_igmp(void)
{
    if (!is_started && igmp_start(interface_netif()) == ERR_OK) {
        is_started = true;
        interface_netif()->flags |= NETIF_FLAG_IGMP;
    }
}

void groups_pass(void)
{
    ASSERT(is_speaking);
    start_igmp();
    for (unsigned i = 0; i < count; i++) {
        (void)report(&groups[i]);
    }
    start_tick();
}

void groups_start_speaking(void)
{
    const struct configuration *configuration = configuration_current();

    ASSERT(!is_speaking);
    is_speaking = true;
    for (unsigned i = 0; i < configuration->ls_count; i++) {
        tell_all_to(configuration->ls[i]);
    }
    groups_pass();
}

void groups_receive(struct pbuf *packet)
{
    igmp_input(packet, interface_netif(), ip4_current_dest_addr());
    start_tick();
}

/* --- Members --- */

/* NULL, and *error is errno. */
static struct group *add(uint32_t address, unsigned *error)
{
    struct group *group;

    *error = ENOMEM;
    if (groups == NULL) {
        groups = memory_allocate(&groups_kind, GROUP_ADDRESS_MAX * sizeof(*groups));
        if (groups == NULL) {
            return NULL;
        }
    }
    if (count == GROUP_ADDRESS_MAX) {
        *error = ENOBUFS;
        return NULL;
    }
    group = &groups[count];
    *group = (struct group){.address = address};
    if (is_speaking && !report(group)) {
        return NULL;
    }
    count++;
    if (is_speaking) {
        tell_link_servers(address, true);
        start_tick();
    }
    return group;
}

static void lose_member(struct group *group, node_id_t node)
{
    uint32_t address = group->address;

    node_set_remove(&group->members, node);
    if (!node_set_is_empty(&group->members)) {
        return;
    }
    stop_reporting(group);
    *group = groups[--count];
    if (is_speaking && address != GROUP_ALL_SYSTEMS) {
        tell_link_servers(address, false);
    }
}

void groups_lose_node(node_id_t node)
{
    for (unsigned i = count; i-- > 0;) { /* one that goes is replaced by one that was looked at */
        if (node_set_has(&groups[i].members, node)) {
            lose_member(&groups[i], node);
        }
    }
}

/* Returns 0 or errno. */
static unsigned join(node_id_t from, uint32_t address)
{
    struct group *group = find(address);
    unsigned error = 0;

    if (group == NULL) {
        group = add(address, &error);
    }
    if (group != NULL) {
        node_set_add(&group->members, from);
        return 0;
    }
    return error;
}

static void handle_join_group(node_id_t from, const struct message *message)
{
    const struct join_group *request = (const struct join_group *)message;
    struct group *group = find(request->address);
    struct group_joined *answer;
    unsigned error;

    if (!group_is_address(request->address) || request->kind > GROUP_LEAVE) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (request->kind == GROUP_LEAVE) {
        if (group != NULL && node_set_has(&group->members, from)) {
            lose_member(group, from);
        }
        return;
    }
    error = join(from, request->address);
    answer = message_reserve_posted(from, GROUP_JOINED, sizeof(*answer));
    answer->request_number = request->request_number;
    answer->error_number = error;
    message_publish();
}

void groups_initialise(void)
{
    timer_initialise(&tick_timer, tick);
    net_register_message(JOIN_GROUP, handle_join_group);
}
