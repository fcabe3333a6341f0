/* SPDX-License-Identifier: MIT */
#include "apps/monitor/state_name.h"

#include "kernel/message/status.h"
#include "net/draining.h"

const char *state_name(node_id_t node)
{
    static const char *const names[] = {
        [NODE_ABSENT] = "absent",
        [NODE_STARTING] = "starting",
        [NODE_RUNNING] = "running",
        [NODE_DEAD] = "dead",
    };
    enum node_state state = status_node_state(node);

    if (status_own_word(node) == NODE_PARKED) {
        return "asleep";
    }
    return state == NODE_RUNNING && draining_report_of(node).draining != DRAINING_NOT
               ? "draining"
               : names[state];
}
