/* SPDX-License-Identifier: MIT */
/*
 * Counts are small, because the number of states grows by a factor with each thing that may happen.
 * What one scenario leaves out, another one has: each has what its mutants (mutants.py) need.
 */
#include "tests/proof/scenarios.h"

#include <string.h>

#include "net/configuration.h"

/* Nodes: servers from 0 on, then two applications. The scheme draws nothing by chance. */
#define APPLICATIONS " app=httpd:2 balance=least"

/* 0 is the TS, 1 the CM of both applications; in the other, 1 and 2 are the CMs of one each. */
#define ONE_MANAGER  "pika=TS1LS1+CM1" APPLICATIONS
#define TWO_MANAGERS "pika=TS1LS1+CM2" APPLICATIONS
/* TS and CM share a node, and so a round. */
#define ONE_SERVER   "pika=TS1LS1CM1" APPLICATIONS
#define TWO_SERVERS  "pika=TS2LS2CM2" APPLICATIONS

const struct scenario scenarios[] = {
    {
        .name = "claims",
        .what = "claims in time, too late, and after the place was asked for again",
        .configuration = ONE_MANAGER,
        .node_count = 4,
        .client_count = 2,
        .backlog = 2,
        .accept_max = 2,
        .timer_max = 1,
        .syn_max = 1,
        .is_closing = true,
    },
    {
        .name = "given-up",
        .what = "claims that come too late until the connection is given up",
        .configuration = ONE_SERVER,
        .node_count = 3,
        .client_count = 2,
        .backlog = 2,
        .accept_max = 2,
        .timer_max = 3,
        .syn_max = 1,
    },
    {
        .name = "resets",
        .what = "clients that give up at any time, and full backlogs",
        .configuration = ONE_SERVER,
        .node_count = 3,
        .client_count = 2,
        .backlog = 1,
        .accept_max = 1,
        .timer_max = 1,
        .reset_max = 2,
        .syn_max = 1,
    },
    {
        .name = "repeated-syns",
        .what = "clients that send their SYN twice",
        .configuration = ONE_MANAGER,
        .node_count = 4,
        .client_count = 2,
        .backlog = 2,
        .accept_max = 1,
        .syn_max = 2,
    },
    {
        .name = "data",
        .what = "bytes that come before the claim, with it and behind it",
        .configuration = "pika=TS1LS1CM1 app=httpd:1 balance=least",
        .node_count = 2,
        .client_count = 2,
        .backlog = 2,
        .accept_max = 2,
        .timer_max = 2,
        .syn_max = 1,
        .is_sending = true,
    },
    {
        .name = "reuse",
        .what = "connections in the places of others, whose messages are still under way",
        .configuration = "pika=TS1LS1CM1 app=httpd:1 balance=least",
        .node_count = 2,
        .client_count = 3,
        .backlog = 2,
        .accept_max = 2,
        .timer_max = 1,
        .reset_max = 1,
        .syn_max = 1,
        .is_closing = true,
    },
    {
        .name = "managers",
        .what = "applications of different CMs, which offer them to each other",
        .configuration = TWO_MANAGERS,
        .node_count = 5,
        .client_count = 2,
        .backlog = 2,
        .accept_max = 1,
        .timer_max = 1,
        .syn_max = 1,
        .is_closing = true,
    },
    {
        .name = "late-offers",
        .what = "offers that wait until their period is over",
        .configuration = TWO_MANAGERS,
        .node_count = 5,
        .client_count = 2,
        .backlog = 2,
        .accept_max = 1,
        .timer_max = 1,
        .syn_max = 1,
        .has_late_offers = true,
    },
    {
        .name = "tournament",
        .what = "the scheme that is the default, and its draws, the same in each run",
        .configuration = "pika=TS1LS1+CM2 app=httpd:2 balance=tournament:2",
        .node_count = 5,
        .client_count = 2,
        .backlog = 2,
        .accept_max = 1,
        .timer_max = 1,
        .syn_max = 1,
    },
    {
        .name = "serving",
        .what = "applications that always wait for the next connection, and backlogs of one",
        .configuration = TWO_MANAGERS,
        .node_count = 5,
        .client_count = 3,
        .backlog = 1,
        .application_kind = APPLICATION_SERVES,
        .accept_max = 1,
        .syn_max = 1,
    },
    {
        .name = "listening",
        .what = "LISTEN on its way, listeners closed and opened again",
        .configuration = TWO_MANAGERS,
        .node_count = 5,
        .client_count = 1,
        .backlog = 1,
        .accept_max = 1,
        .timer_max = 1,
        .syn_max = 1,
        .unlisten_max = 1,
        .is_from_scratch = true,
    },
    {
        .name = "unlistening",
        .what = "listeners closed while two connections are under way",
        .configuration = ONE_SERVER,
        .node_count = 3,
        .client_count = 2,
        .backlog = 1,
        .accept_max = 1,
        .timer_max = 1,
        .syn_max = 1,
        .unlisten_max = 1,
    },
    {
        .name = "no-room",
        .what = "a channel to an application that takes one message at a time",
        .configuration = ONE_SERVER,
        .node_count = 3,
        .client_count = 2,
        .backlog = 2,
        .accept_max = 2,
        .timer_max = 2,
        .syn_max = 1,
        .room = 1,
    },
    {
        .name = "manager-dies",
        .what = "one of two CMs dies",
        .configuration = TWO_MANAGERS,
        .node_count = 5,
        .client_count = 2,
        .backlog = 2,
        .accept_max = 1,
        .syn_max = 1,
        .death_max = 1,
        .mortal_roles = ROLE_CM,
    },
    {
        .name = "application-dies",
        .what = "one of two applications dies",
        .configuration = TWO_MANAGERS,
        .node_count = 5,
        .client_count = 2,
        .backlog = 2,
        .accept_max = 1,
        .syn_max = 1,
        .death_max = 1,
        .mortal_roles = ROLE_APPLICATION,
    },
    {
        .name = "server-dies",
        .what = "one of two TSs dies",
        .configuration = "pika=TS2LS2+CM1" APPLICATIONS,
        .node_count = 5,
        .client_count = 2,
        .backlog = 2,
        .accept_max = 1,
        .syn_max = 1,
        .death_max = 1,
        .mortal_roles = ROLE_TS,
    },
    {
        .name = "composite-dies",
        .what = "one of two nodes dies that are TS and CM, or an application",
        .configuration = TWO_SERVERS,
        .node_count = 4,
        .client_count = 2,
        .backlog = 2,
        .accept_max = 1,
        .syn_max = 1,
        .death_max = 1,
        .mortal_roles = ROLE_TS | ROLE_APPLICATION,
    },
    {
        .name = "server-dies-with-timers",
        .what = "one of two TSs dies, and claims come too late",
        .configuration = "pika=TS2LS2+CM1" APPLICATIONS,
        .node_count = 5,
        .client_count = 1,
        .backlog = 2,
        .accept_max = 2,
        .timer_max = 2,
        .syn_max = 1,
        .death_max = 1,
        .mortal_roles = ROLE_TS,
    },
    {
        .name = "application-dies-with-timers",
        .what = "one of two applications dies, and claims come too late",
        .configuration = TWO_MANAGERS,
        .node_count = 5,
        .client_count = 1,
        .backlog = 2,
        .accept_max = 2,
        .timer_max = 2,
        .syn_max = 1,
        .death_max = 1,
        .mortal_roles = ROLE_APPLICATION,
    },
    {
        .name = "manager-dies-with-timers",
        .what = "one of two CMs dies, claims come too late, and SYNs twice",
        .configuration = TWO_MANAGERS,
        .node_count = 5,
        .client_count = 1,
        .backlog = 2,
        .accept_max = 2,
        .timer_max = 2,
        .syn_max = 2,
        .death_max = 1,
        .mortal_roles = ROLE_CM,
    },
};
const unsigned scenario_count = ARRAY_COUNT(scenarios);

const struct scenario *scenario_find(const char *name)
{
    for (unsigned i = 0; i < scenario_count; i++) {
        if (strcmp(scenarios[i].name, name) == 0) {
            return &scenarios[i];
        }
    }
    return NULL;
}
