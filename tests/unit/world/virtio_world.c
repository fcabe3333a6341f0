/* SPDX-License-Identifier: MIT */
/*
 * The virtio card with its driver: see virtio_world.h.
 */
#include "tests/unit/world/virtio_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_virtio.h"

struct nic_port port;
struct nic *nic;
struct nic_queue *queue;

void virtio_world_reset(unsigned pair_count)
{
    fake_platform_reset(0, pair_count == 0 ? 1 : pair_count);
    fake_set_clock_step_ns(NS_PER_US);
    if (pair_count == 0) {
        fake_virtio_reset();
    } else {
        fake_virtio_reset_pairs(pair_count);
    }
    assert_int_equal(nic_find(&port, 1), 1);
    nic = NULL;
}

void virtio_world_open(unsigned own, const node_id_t *nodes, unsigned count,
                       struct nic_grouping grouping)
{
    struct nic_queue_key key;

    assert_int_equal(nic_start(&port, nodes, count, grouping, &nic), 0);
    nic_make_queue_key(nic, own, &key);
    assert_int_equal(nic_queue_open(&key, &queue), 0);
    fake_virtio_keep(queue);
}

void virtio_world_start(uint64_t offered)
{
    static const node_id_t nodes[1] = {0};

    virtio_world_reset(0);
    fake_virtio.offered = offered;
    virtio_world_open(0, nodes, 1, (struct nic_grouping){12, 0, false});
    assert_int_equal(nic_enable_receive(nic), 0);
}

int virtio_world_stop(void **state)
{
    (void)state;
    if (nic != NULL) {
        nic_stop(nic);
        nic = NULL;
    }
    return 0;
}
