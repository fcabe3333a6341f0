/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/pinned.c net/transport/share.c tests/unit/world/fake_platform.c */
/* sources: tests/unit/world/fake_memory.c kernel/message/channel.c kernel/message/status.c */
/*
 * Tests net/transport/tcp/pinned.c by itself: what a connection keeps whose address shares its
 * cells with one that keeps too much. Over the transport server: test_transport_pinned.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/transport/share.h"
#include "net/transport/tcp/pinned.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/fake_platform.h"

#define KEPT_EACH       (QUEUE_REFERENCE_WEIGHT * (uint32_t)sizeof(struct reference))
#define REFERENCE_COUNT 4000u
#define HOARDER         1u
/* Several of so many share all cells with the hoarder. */
#define ADDRESS_COUNT   (8u << (SHARE_ROWS * SHARE_CELLS_LOG2))

/* --- Played: net/transport/tcp/queue.c --- */

uint64_t queue_memory_limit_bytes(void)
{
    return REFERENCE_COUNT * KEPT_EACH;
}

/* --- Tests --- */

static struct reference references[REFERENCE_COUNT];

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    pinned_initialise();
    for (unsigned i = 0; i + 1 < REFERENCE_COUNT; i++) {
        references[i].next = &references[i + 1];
    }
    return 0;
}

/* Nothing is left under way: its visit says so, whatever its address seems to have. */
static void who_keeps_nothing_more_is_not_reset(void **state)
{
    struct tcb hoarder = {.flow.remote_address = HOARDER, .queue_head = &references[1]};

    (void)state;
    assert_false(pinned_visit(&hoarder));
    assert_int_equal(hoarder.pinned_bytes, (REFERENCE_COUNT - 1) * KEPT_EACH);
    for (uint32_t address = HOARDER + 1; address < ADDRESS_COUNT; address++) {
        struct tcb tcb = {.flow.remote_address = address,
                          .queue_head = &references[REFERENCE_COUNT - 1]};

        assert_true(pinned_visit(&tcb));
        assert_int_equal(tcb.pinned_bytes, KEPT_EACH);
        tcb.queue_head = NULL;
        assert_true(pinned_visit(&tcb));
        assert_int_equal(tcb.pinned_bytes, 0);
    }
    pinned_forget(&hoarder);
    assert_int_equal(hoarder.pinned_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_keeps_nothing_more_is_not_reset, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
