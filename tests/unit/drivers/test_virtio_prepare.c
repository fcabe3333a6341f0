/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_virtio.c tests/unit/world/virtio_world.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests drivers/virtio on a node that has a queue pair of a card that another node drives.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/nic/nic.h"
#include "kernel/platform.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_virtio.h"
#include "tests/unit/world/virtio_world.h"

#define PAIRS 4
#define OWN   0

static const node_id_t nodes[PAIRS] = {0, 1, 2, 3};
static const struct nic_grouping folded = {7, 0, true};
static const uint8_t bytes[60] = {1, 2, 3};

static int set_up(void **state)
{
    (void)state;
    virtio_world_reset(PAIRS);
    return 0;
}

static struct nic_queue_key key_of_another(unsigned index)
{
    struct nic_queue_key key;

    virtio_world_open(OWN, nodes, PAIRS, folded);
    nic_make_queue_key(nic, index, &key);
    nic_stop(nic);
    nic = NULL;
    return key;
}

/* The first of all tests: what a queue has got it keeps. */
static void a_queue_for_which_memory_was_short_is_prepared_the_next_time(void **state)
{
    struct nic_queue_key key;
    struct nic_queue_report report;
    unsigned failed_count = 0;

    (void)state;
    assert_int_equal(nic_start(&port, nodes, PAIRS, folded, &nic), 0);
    nic_make_queue_key(nic, 2, &key);
    nic_stop(nic);
    nic = NULL;
    for (;;) {
        int result;

        fake_fail_allocations_after(2); /* a buffer's are two */
        result = nic_queue_prepare(&key, &queue, &report);
        fake_fail_allocations_after(-1);
        if (result == 0) {
            break;
        }
        assert_int_equal(result, -ENOMEM);
        assert_in_range(++failed_count, 1, 100);
    }
    fake_virtio_keep(queue);
    assert_true(failed_count >= 3);
    nic_queue_run(queue);
    assert_true(nic_queue_count_buffers(queue).free >= 64);
}

static unsigned done_count;

static void note_done(void *context)
{
    (void)context;
    done_count++;
}

static void a_queue_is_prepared_and_moves_nothing_until_it_is_used(void **state)
{
    struct nic_queue_key key = key_of_another(2);
    struct frame_to_send frame = {.fragments = {{bytes, sizeof(bytes)}},
                                  .fragment_count = 1,
                                  .length_bytes = sizeof(bytes),
                                  .done = note_done,
                                  .context = &done_count};
    struct nic_queue_report report, again;
    struct nic_queue *same;

    (void)state;
    assert_true(nic_queue_is_prepared(&key));
    assert_int_equal(nic_queue_prepare(&key, &queue, &report), 0);
    assert_int_equal(report.words[0] & 0xFFF, 6);
    assert_int_equal(nic_queue_transmit(queue, &frame), -EAGAIN);
    assert_true(nic_queue_is_idle(queue));
    nic_queue_run(queue);
    done_count = 0;
    assert_int_equal(nic_queue_transmit(queue, &frame), 0);
    /* The card is started anew: what was in flight is lost, and its owner may have it back. */
    assert_int_equal(nic_queue_prepare(&key, &same, &again), 0);
    assert_ptr_equal(same, queue);
    assert_memory_equal(&again, &report, sizeof(report));
    assert_int_equal(done_count, 1);
    assert_int_equal(nic_queue_in_flight(queue), 0);
    assert_int_equal(nic_queue_transmit(queue, &frame), -EAGAIN);
}

/* Nobody reaches the card's registers then; of another death who drives it takes care. */
static void when_the_driver_dies_the_card_is_kept_from_memory(void **state)
{
    struct nic_queue_key key = key_of_another(2);
    struct nic_queue_report report;

    (void)state;
    assert_int_equal(nic_queue_prepare(&key, &queue, &report), 0);
    nic_queue_run(queue);
    fake_virtio.is_mastering = true;
    assert_int_equal(nic_queue_stop_other(queue, 1, 1), 0);
    assert_true(fake_virtio.is_mastering);
    assert_int_equal(nic_queue_stop_other(queue, OWN, OWN), -ENODEV);
    assert_false(fake_virtio.is_mastering);
    assert_true(nic_queue_is_idle(queue));
}

/* By then another one may have started it anew: that one takes care. Then this one does, when that
 * one dies, although there may be no queue for it. */
static void a_card_is_kept_from_memory_once_for_each_start_of_it(void **state)
{
    struct nic_queue_key key = key_of_another(2);
    struct nic_queue_report report;

    (void)state;
    assert_int_equal(nic_queue_prepare(&key, &queue, &report), 0);
    assert_int_equal(nic_queue_stop_other(queue, OWN, OWN), -ENODEV);
    fake_virtio.is_mastering = true;
    assert_int_equal(nic_queue_stop_other(queue, OWN, OWN), 0);
    assert_true(fake_virtio.is_mastering);
    key.words[3] = 3ull << 32; /* by node 3, and no ring */
    assert_int_equal(nic_queue_prepare(&key, &queue, &report), -ENOTSUP);
    assert_int_equal(nic_queue_stop_other(queue, 3, 3), -ENODEV);
    assert_false(fake_virtio.is_mastering);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, virtio_world_stop)
    const struct CMUnitTest tests[] = {
        TEST(a_queue_for_which_memory_was_short_is_prepared_the_next_time),
        TEST(a_queue_is_prepared_and_moves_nothing_until_it_is_used),
        TEST(when_the_driver_dies_the_card_is_kept_from_memory),
        TEST(a_card_is_kept_from_memory_once_for_each_start_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
