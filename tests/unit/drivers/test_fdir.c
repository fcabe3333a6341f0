/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests drivers/ixgbe/fdir.c: the hash that driver and device must agree on, and what is written
 * to the flow director's registers. Hash values were computed from the datasheet's bit-string form
 * of the function, not from the word form that the driver uses.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/ixgbe/ixgbe.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"

#define BUCKET_KEY    0x3DAD14E2u
#define SIGNATURE_KEY 0x174D3614u

#define ADDRESS(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

#define GROUP_COUNT 4096u

static struct ixgbe nic;

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    fake_set_clock_step_ns(NS_PER_US);
    fake_nic_reset();
    nic = (struct ixgbe){
        .registers = fake_nic_registers(), .queue_count = 128, .grouping = {12, 0, false}};
    assert_int_equal(ixgbe_fdir_start(&nic), 0);
    return 0;
}

/* Six bits of either port. */
static int set_up_for_both_ports(void **state)
{
    (void)set_up(state);
    fake_nic_reset();
    nic.grouping = (struct nic_grouping){6, 6, false};
    assert_int_equal(ixgbe_fdir_start(&nic), 0);
    return 0;
}

/* TCP and UDP 192.0.2.1:12345 -> 198.51.100.2:80. */
static void hash_of_whole_tuples_is_the_datasheets(void **state)
{
    struct ixgbe_fdir_tuple tuple = {
        .source_address = ADDRESS(192, 0, 2, 1),
        .destination_address = ADDRESS(198, 51, 100, 2),
        .source_port = 12345,
        .destination_port = 80,
        .flow_type = 2,
    };

    (void)state;
    assert_int_equal(ixgbe_fdir_hash(&tuple, BUCKET_KEY), 0x3E18);
    assert_int_equal(ixgbe_fdir_hash(&tuple, SIGNATURE_KEY), 0x09F2);
    tuple.flow_type = 1;
    assert_int_equal(ixgbe_fdir_hash(&tuple, BUCKET_KEY) & 0x1FFF, 0x1163);
}

/* The same computed a second time, in the datasheet's bit-string form. */
static uint32_t bit_string_hash(const struct ixgbe_fdir_tuple *tuple, uint32_t key)
{
    uint8_t stream[42] = {0};
    uint8_t bits[366]; /* least significant first */
    uint32_t hash = 0;

    for (unsigned i = 0; i < 4; i++) {
        stream[2 + i] = (uint8_t)(tuple->source_address >> (24 - 8 * i));
        stream[18 + i] = (uint8_t)(tuple->destination_address >> (24 - 8 * i));
    }
    stream[34] = (uint8_t)(tuple->source_port >> 8);
    stream[35] = (uint8_t)tuple->source_port;
    stream[36] = (uint8_t)(tuple->destination_port >> 8);
    stream[37] = (uint8_t)tuple->destination_port;
    stream[41] = tuple->flow_type;
    for (unsigned i = 0; i < 366; i++) {
        unsigned bit = (i + 336 - 15) % 336; /* S[14:0] : S : S[335:321] */

        bits[i] = stream[41 - bit / 8] >> bit % 8 & 1;
    }
    for (unsigned i = 0; i < 351; i++) {
        if ((key >> (i + 1) % 32 & 1) == 0) { /* the key again and again, without its first bit 0 */
            continue;
        }
        for (unsigned k = 0; k < 15; k++) {
            hash ^= (uint32_t)bits[i + k] << k;
        }
    }
    return hash;
}

static void both_forms_of_the_hash_agree(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        struct ixgbe_fdir_tuple tuple;

        random = random * 6364136223846793005u + 1442695040888963407u;
        tuple.source_address = (uint32_t)(random >> 32);
        random = random * 6364136223846793005u + 1442695040888963407u;
        tuple.destination_address = (uint32_t)(random >> 32);
        tuple.source_port = (uint16_t)(random >> 16);
        random = random * 6364136223846793005u + 1442695040888963407u;
        tuple.destination_port = (uint16_t)(random >> 16);
        tuple.flow_type = random >> 40 & 7;
        assert_int_equal(ixgbe_fdir_hash(&tuple, BUCKET_KEY), bit_string_hash(&tuple, BUCKET_KEY));
        assert_int_equal(ixgbe_fdir_hash(&tuple, SIGNATURE_KEY),
                         bit_string_hash(&tuple, SIGNATURE_KEY));
        /* And any other: these two have not every bit set that the hash asks for. */
        uint32_t key = (uint32_t)(random >> 13);

        assert_int_equal(ixgbe_fdir_hash(&tuple, key), bit_string_hash(&tuple, key));
    }
}

static void filters_stand_in_the_buckets_of_their_groups(void **state)
{
    static const struct {
        uint16_t group, bucket;
    } expected[] = {{0, 0x0A52},  {1, 0x012A},     {2, 0x1CA3},     {3, 0x17DB},   {4, 0x07B0},
                    {80, 0x03F9}, {0x555, 0x1FD4}, {0xAAA, 0x015F}, {4095, 0x14D9}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(expected); i++) {
        assert_int_equal(ixgbe_fdir_steer(&nic, expected[i].group, 1), 0);
        assert_int_equal(fake_nic_filter(expected[i].group)->hash_register,
                         (uint32_t)expected[i].group << 16 | expected[i].bucket);
    }
}

/* With either grouping: it compares the ports that belong to its group, and stands where the device
 * looks for them. Those of both ports share a bucket by two. */
static void every_group_has_a_filter_in_its_bucket(void **state)
{
    static uint8_t is_taken[8192];
    unsigned source_bits = nic.grouping.source_port_bits;

    (void)state;
    memset(is_taken, 0, sizeof(is_taken));
    for (unsigned group = 0; group < GROUP_COUNT; group++) {
        uint32_t bucket;

        assert_int_equal(ixgbe_fdir_steer(&nic, group, group % 4), 0);
        bucket = fake_nic_filter((uint16_t)group)->hash_register & 0x7FFF;
        struct ixgbe_fdir_tuple tuple = {
            .source_port = (uint16_t)(group & ((1u << source_bits) - 1)),
            .destination_port = (uint16_t)(group >> source_bits),
            .flow_type = 2,
        };

        assert_int_equal(fake_nic_filter((uint16_t)group)->port_register,
                         (uint32_t)tuple.destination_port << 16 | tuple.source_port);
        assert_int_equal(bucket, bit_string_hash(&tuple, BUCKET_KEY) & 0x1FFF);
        assert_true(bucket < sizeof(is_taken));
        assert_true(is_taken[bucket] < (source_bits == 12 ? 1 : 2));
        is_taken[bucket]++;
    }
    assert_int_equal(fake_nic_filter_count(), GROUP_COUNT);
}

static void filter_for_port_80_to_queue_5_is_written_as_the_datasheet_has_it(void **state)
{
    (void)state;
    assert_int_equal(ixgbe_fdir_steer(&nic, 80, 5), 0);
    assert_int_equal(fake_nic_get(0x0EE20), 0x00000050);
    assert_int_equal(fake_nic_filter(80)->hash_register, 0x005003F9);
    assert_int_equal(fake_nic_filter(80)->command_register, 0x00058849);
}

/* UPDATE replaces the queue of a filter that exists: no packet is lost in between. */
static void group_moves_to_another_queue_in_place(void **state)
{
    (void)state;
    assert_int_equal(ixgbe_fdir_steer(&nic, 80, 5), 0);
    assert_int_equal(ixgbe_fdir_steer(&nic, 80, 127), 0);
    assert_int_equal(fake_nic_filter_count(), 1);
    assert_int_equal(fake_nic_filter(80)->hash_register, 0x005003F9);
    assert_int_equal(fake_nic_filter(80)->command_register, 0x007F8849);
}

static void masks_leave_the_low_twelve_bits_of_the_source_port(void **state)
{
    (void)state;
    assert_int_equal(fake_nic_get(0x0EE70), 0x00000037); /* FDIRM */
    assert_int_equal(fake_nic_get(0x0EE3C), UINT32_MAX);
    assert_int_equal(fake_nic_get(0x0EE40), UINT32_MAX);
    assert_int_equal(fake_nic_get(0x0EE44), 0xFFFF000F); /* FDIRTCPM, bit-reversed */
    assert_int_equal(fake_nic_get(0x0EE48), UINT32_MAX);
    assert_int_equal(fake_nic_get(0x0EE74), UINT32_MAX);
    assert_int_equal(fake_nic_get(0x0EE68), BUCKET_KEY);
    assert_int_equal(fake_nic_get(0x0EE6C), SIGNATURE_KEY);
}

static void masks_leave_the_low_six_bits_of_both_ports(void **state)
{
    (void)state;
    assert_int_equal(fake_nic_get(0x0EE70), 0x00000037);
    assert_int_equal(fake_nic_get(0x0EE44), 0x03FF03FF);
}

static void groups_of_more_bits_than_there_are_filters_have_none(void **state)
{
    static const struct {
        uint16_t queue_count;
        struct nic_grouping grouping;
        unsigned group_count;
    } cases[] = {{2, {12, 0, false}, 4096}, {2, {6, 6, false}, 4096}, {2, {0, 12, false}, 4096},
                 {2, {7, 6, false}, 0},     {2, {16, 16, false}, 0},  {1, {12, 0, false}, 0},
                 {2, {3, 1, false}, 16},    {2, {7, 0, true}, 0}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        nic.queue_count = cases[i].queue_count;
        nic.grouping = cases[i].grouping;
        assert_int_equal(ixgbe_fdir_group_count(&nic), cases[i].group_count);
    }
}

static void table_is_initialised_by_one_write_while_receive_is_shut(void **state)
{
    unsigned shut = fake_nic_find_write(0, 0x08D00, 2, 2);
    unsigned start = fake_nic_find_write(0, 0x0EE00, UINT32_MAX, 0x4A067F13);
    unsigned open = fake_nic_find_write(shut, 0x08D00, 2, 0);

    (void)state;
    assert_true(shut < start && start < open && open != UINT32_MAX);
    assert_int_equal(fake_nic_writes_to(0x0EE00), 1);
    /* Ignored fields of all filters are zero. */
    for (uint32_t offset = 0x0EE0C; offset <= 0x0EE1C; offset += 4) {
        assert_int_equal(fake_nic_get(offset), 0);
    }
    assert_int_equal(fake_nic_get(0x0EE24), 0);
}

static void command_that_never_ends_is_reported(void **state)
{
    (void)state;
    fake_nic_stick(0x0EE2C, 3, 1);
    assert_int_equal(ixgbe_fdir_steer(&nic, 7, 1), -ETIMEDOUT);
    assert_non_null(strstr(fake_nic_last_log(), "FDIRCMD"));
}

static void table_that_never_initialises_is_reported(void **state)
{
    (void)state;
    fake_nic_reset();
    fake_nic_stick(0x0EE00, 8, 0);
    assert_int_equal(ixgbe_fdir_start(&nic), -ETIMEDOUT);
    assert_non_null(strstr(fake_nic_last_log(), "FDIRCTRL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(hash_of_whole_tuples_is_the_datasheets, set_up),
        cmocka_unit_test_setup(both_forms_of_the_hash_agree, set_up),
        cmocka_unit_test_setup(filters_stand_in_the_buckets_of_their_groups, set_up),
        cmocka_unit_test_setup(every_group_has_a_filter_in_its_bucket, set_up),
        cmocka_unit_test_setup(every_group_has_a_filter_in_its_bucket, set_up_for_both_ports),
        cmocka_unit_test_setup(masks_leave_the_low_six_bits_of_both_ports, set_up_for_both_ports),
        cmocka_unit_test_setup(groups_of_more_bits_than_there_are_filters_have_none, set_up),
        cmocka_unit_test_setup(filter_for_port_80_to_queue_5_is_written_as_the_datasheet_has_it,
                               set_up),
        cmocka_unit_test_setup(group_moves_to_another_queue_in_place, set_up),
        cmocka_unit_test_setup(masks_leave_the_low_twelve_bits_of_the_source_port, set_up),
        cmocka_unit_test_setup(table_is_initialised_by_one_write_while_receive_is_shut, set_up),
        cmocka_unit_test_setup(command_that_never_ends_is_reported, set_up),
        cmocka_unit_test_setup(table_that_never_initialises_is_reported, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
