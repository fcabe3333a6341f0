/* SPDX-License-Identifier: MIT */
#include "tests/unit/world/fake_return.h"

#include <string.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "tests/unit/world/fake_platform.h"

void fake_build_again(node_id_t node)
{
    struct status_page *page = fake_status_page(node);
    uint32_t incarnation = page->incarnation + 1;

    fake_close_ring(node);
    memset(page, 0, STATUS_PAGE_BYTES(platform_node_count()));
    page->incarnation = incarnation;
    fake_open_ring(node);
    fake_set_node_state(node, NODE_RUNNING);
    fake_send_attention();
}
