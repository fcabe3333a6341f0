/* SPDX-License-Identifier: MIT */
/* sources: apps/forward/balance.c apps/forward/proxy_header.c */
/* flags: -D_GNU_SOURCE */
/*
 * Tests which backend forward chooses, when it takes one for dead, and what it tells a backend of
 * its client: apps/forward/balance.c, health.h and proxy_header.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "apps/forward/balance.h"
#include "apps/forward/health.h"
#include "apps/forward/proxy_header.h"

#define CLIENTS 3000u

static struct backend backends[BACKEND_MAX];
static struct service service;
static struct backend_pool pool;

static void start(enum balance balance, unsigned count, const unsigned *weights)
{
    service = (struct service){.balance = balance, .backends = backends, .backend_count = count};
    pool = (struct backend_pool){.service = &service};
    for (unsigned i = 0; i < count; i++) {
        backends[i] = (struct backend){.address.sin_addr.s_addr = htonl(0x0A000001u + i),
                                       .address.sin_port = htons(80),
                                       .weight = weights == NULL ? 1 : weights[i]};
        pool.is_up[i] = true;
    }
}

static void round_robin_takes_turns_by_weight(void **state)
{
    const unsigned weights[] = {2, 1};
    const unsigned expected[] = {0, 1, 0, 0, 1, 0};

    (void)state;
    start(BALANCE_ROUND_ROBIN, 2, weights);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(backend_choose(&pool, i, 0), expected[i]);
    }
}

static void those_that_are_down_or_tried_are_left_out(void **state)
{
    const enum balance ways[] = {BALANCE_ROUND_ROBIN, BALANCE_LEAST, BALANCE_HASH};

    (void)state;
    for (unsigned way = 0; way < 3; way++) {
        start(ways[way], 3, NULL);
        pool.is_up[1] = false;
        for (unsigned i = 0; i < 20; i++) {
            assert_int_equal(backend_choose(&pool, i, 1u << 0), 2);
            assert_int_equal(backend_choose(&pool, i, 1u << 0 | 1u << 2), BACKEND_NONE);
        }
    }
}

static void the_least_loaded_for_its_weight_is_chosen_and_equals_take_turns(void **state)
{
    const unsigned weights[] = {3, 1, 1};

    (void)state;
    start(BALANCE_LEAST, 3, weights);
    pool.active[0] = 2;
    pool.active[1] = 1;
    pool.active[2] = 1;
    assert_int_equal(backend_choose(&pool, 0, 0), 0); /* two thirds */
    pool.active[0] = 4;
    pool.active[1] = 2;
    assert_int_equal(backend_choose(&pool, 0, 0), 2);
    start(BALANCE_LEAST, 3, NULL);
    unsigned chosen = 0;
    for (unsigned i = 0; i < 3; i++) {
        chosen |= 1u << backend_choose(&pool, 0, 0);
    }
    assert_int_equal(chosen, 7);
}

/* The rest keep theirs, and each of the living gets its part of those that move. */
static void by_hash_only_a_dead_ones_clients_move(void **state)
{
    unsigned before[CLIENTS], of[4] = {0}, moved_to[4] = {0};

    (void)state;
    start(BALANCE_HASH, 4, NULL);
    for (uint32_t client = 0; client < CLIENTS; client++) {
        before[client] = backend_choose(&pool, client, 0);
        of[before[client]]++;
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_in_range(of[i], CLIENTS / 5, CLIENTS * 3 / 10);
    }
    pool.is_up[2] = false;
    for (uint32_t client = 0; client < CLIENTS; client++) {
        unsigned now = backend_choose(&pool, client, 0);

        if (before[client] != 2) {
            assert_int_equal(now, before[client]);
        } else {
            moved_to[now]++;
        }
    }
    assert_in_range(moved_to[0], of[2] / 4, of[2] / 2);
    assert_in_range(moved_to[1], of[2] / 4, of[2] / 2);
    assert_in_range(moved_to[3], of[2] / 4, of[2] / 2);
    pool.is_up[2] = true;
    for (uint32_t client = 0; client < CLIENTS; client++) {
        assert_int_equal(backend_choose(&pool, client, 0), before[client]);
    }
}

static void by_hash_weights_are_shares(void **state)
{
    const unsigned weights[] = {3, 1};
    unsigned of_first = 0;

    (void)state;
    start(BALANCE_HASH, 2, weights);
    for (uint32_t client = 0; client < CLIENTS; client++) {
        of_first += backend_choose(&pool, client, 0) == 0;
    }
    assert_in_range(of_first, CLIENTS * 70 / 100, CLIENTS * 80 / 100);
}

static void so_many_in_a_row_change_health(void **state)
{
    struct health health = {.is_up = true};

    (void)state;
    assert_int_equal(health_note(&health, false, 2, 3), HEALTH_STAYS);
    assert_int_equal(health_note(&health, false, 2, 3), HEALTH_STAYS);
    assert_int_equal(health_note(&health, true, 2, 3), HEALTH_STAYS); /* from the beginning */
    assert_int_equal(health_note(&health, false, 2, 3), HEALTH_STAYS);
    assert_int_equal(health_note(&health, false, 2, 3), HEALTH_STAYS);
    assert_int_equal(health_note(&health, false, 2, 3), HEALTH_GOES_DOWN);
    assert_false(health.is_up);
    assert_int_equal(health_note(&health, true, 2, 3), HEALTH_STAYS);
    assert_int_equal(health_note(&health, false, 2, 3), HEALTH_STAYS);
    assert_int_equal(health_note(&health, true, 2, 3), HEALTH_STAYS);
    assert_int_equal(health_note(&health, true, 2, 3), HEALTH_COMES_UP);
    assert_true(health.is_up);
}

static void proxy_headers_are_as_the_protocol_has_them(void **state)
{
    const struct sockaddr_in client = {.sin_addr.s_addr = htonl(0xC0A80001u),
                                       .sin_port = htons(56324)};
    const struct sockaddr_in server = {.sin_addr.s_addr = htonl(0xC0A8000Bu),
                                       .sin_port = htons(443)};
    static const char text[] = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
    static const uint8_t binary[] = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49,
                                     0x54, 0x0A, 0x21, 0x11, 0x00, 0x0C, 192,  168,  0,    1,
                                     192,  168,  0,    11,   0xDC, 0x04, 0x01, 0xBB};
    char header[PROXY_HEADER_MAX];

    (void)state;
    assert_int_equal(proxy_header_write(header, 1, &client, &server), sizeof(text) - 1);
    assert_memory_equal(header, text, sizeof(text) - 1);
    assert_int_equal(proxy_header_write(header, 2, &client, &server), sizeof(binary));
    assert_memory_equal(header, binary, sizeof(binary));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_robin_takes_turns_by_weight),
        cmocka_unit_test(those_that_are_down_or_tried_are_left_out),
        cmocka_unit_test(the_least_loaded_for_its_weight_is_chosen_and_equals_take_turns),
        cmocka_unit_test(by_hash_only_a_dead_ones_clients_move),
        cmocka_unit_test(by_hash_weights_are_shares),
        cmocka_unit_test(so_many_in_a_row_change_health),
        cmocka_unit_test(proxy_headers_are_as_the_protocol_has_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
