/* SPDX-License-Identifier: MIT */
/*
 * Groups of this application: group.h. When all transport servers that live have answered, each of
 * them loops what it sends to the group, and whoever speaks has told the network. Who has died owes
 * nothing any more; who comes back is told of every group.
 */
#include "net/datagrams/group.h"

#include <errno.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "libc/core/memory.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/messages.h"

struct group {
    struct group *next;
    struct group_member *members;
    uint32_t address;
    uint32_t request_number;
    struct node_set awaited; /* who owes an answer to that request */
    bool is_settled;
};

MEMORY_KIND(group_kind, "group");

static struct group *all; /* no more than sockets have memberships, which are bounded for each */
static uint32_t last_request_number;

static void say(const struct group *group, node_id_t ts, enum join_group_kind kind)
{
    struct join_group *message = message_reserve_posted(ts, JOIN_GROUP, sizeof(*message));

    message->address = group->address;
    message->kind = kind;
    message->request_number = group->request_number;
    message_publish();
}

static void tell_all(struct group *group, enum join_group_kind kind)
{
    const struct configuration *configuration = configuration_current();

    for (unsigned i = 0; i < configuration->ts_count; i++) {
        node_id_t ts = configuration->ts[i];

        if (configuration_is_dead(configuration, ts)) {
            continue;
        }
        if (kind == GROUP_JOIN) {
            node_set_add(&group->awaited, ts);
        }
        say(group, ts, kind);
    }
}

static void forget(struct group *group)
{
    struct group **link = &all;

    while (*link != group) {
        link = &(*link)->next;
    }
    *link = group->next;
    memory_release(&group_kind, group);
}

static void conclude(struct group *group)
{
    if (group->is_settled || !node_set_is_empty(&group->awaited)) {
        return;
    }
    group->is_settled = true;
    for (struct group_member *member = group->members; member != NULL; member = member->next) {
        member->settled(member, 0);
    }
}

/* Of those that have agreed it is taken back. */
static void fail(struct group *group, int error)
{
    tell_all(group, GROUP_LEAVE);
    while (group->members != NULL) {
        struct group_member *member = group->members;

        group->members = member->next;
        member->group = NULL;
        member->settled(member, error);
    }
    forget(group);
}

/* --- Members --- */

static struct group *find(uint32_t address)
{
    struct group *group = all;

    while (group != NULL && group->address != address) {
        group = group->next;
    }
    return group;
}

int group_join(struct group_member *member, uint32_t address)
{
    struct group *group = find(address);

    ASSERT(member->group == NULL);
    if (group == NULL) {
        group = memory_allocate(&group_kind, sizeof(*group));
        if (group == NULL) {
            return -ENOBUFS;
        }
        *group = (struct group){
            .next = all, .address = address, .request_number = ++last_request_number};
        all = group;
        tell_all(group, GROUP_JOIN);
    }
    member->group = group;
    member->next = group->members;
    group->members = member;
    if (group->is_settled) {
        member->settled(member, 0);
    } else {
        conclude(group); /* there may be no server that lives */
    }
    return 0;
}

void group_leave(struct group_member *member)
{
    struct group *group = member->group;
    struct group_member **link = &group->members;

    while (*link != member) {
        link = &(*link)->next;
    }
    *link = member->next;
    member->group = NULL;
    if (group->members == NULL) {
        tell_all(group, GROUP_LEAVE);
        forget(group);
    }
}

/* --- What transport servers say --- */

static void handle_group_joined(node_id_t from, const struct message *message)
{
    const struct group_joined *answer = (const struct group_joined *)message;
    struct group *group = all;

    if (answer->error_number != 0 && answer->error_number != ENOBUFS &&
        answer->error_number != ENOMEM) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    while (group != NULL && group->request_number != answer->request_number) {
        group = group->next;
    }
    if (group == NULL || !node_set_has(&group->awaited, from)) {
        return; /* it was left, or this is who came back and was told */
    }
    node_set_remove(&group->awaited, from);
    if (answer->error_number != 0) {
        fail(group, -(int)answer->error_number);
    } else {
        conclude(group);
    }
}

static void note_node_down(node_id_t node)
{
    for (struct group *group = all; group != NULL; group = group->next) {
        node_set_remove(&group->awaited, node);
        conclude(group);
    }
}

static void note_node_up(node_id_t node)
{
    if (!configuration_has_role(configuration_current(), node, ROLE_TS)) {
        return;
    }
    for (struct group *group = all; group != NULL; group = group->next) {
        say(group, node, GROUP_JOIN);
    }
}

void groups_of_application_start(void)
{
    net_register_message(GROUP_JOINED, handle_group_joined);
    dispatch_register_node_down(note_node_down);
    dispatch_register_node_up(note_node_up);
}
