/* SPDX-License-Identifier: MIT */
/*
 * A node that boot has built again says so, in its log and to the others, once it runs.
 */
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"

static void tell_that_it_runs(void)
{
    if (node_info.incarnation > 1) {
        unsigned long down_us =
            (unsigned long)((platform_now_ns() - node_info.died_ns) / NS_PER_US);

        log_warning("boot", "came back as incarnation %u after %lu.%03lu ms", node_info.incarnation,
                    down_us / 1000, down_us % 1000);
        status_send_attention();
    }
}

static const struct component came_back_component = {.steps = {[NODE_RUN] = tell_that_it_runs}};
COMPONENT(came_back_component);
