/* SPDX-License-Identifier: MIT */
/*
 * The flow director in perfect-match mode (datasheet 7.1.2.7, 8.2.3.21): one filter for each of
 * the 4096 values of the low 12 bits of the TCP source port, over IPv4 (PIKA 4.1).
 *
 * The device looks a packet up by a hash of its fields under the masks below, which are the same
 * for all filters. Driver and device must compute the same hash: a filter in the wrong bucket
 * never matches.
 */
#include "drivers/ixgbe/ixgbe.h"

#include "drivers/ixgbe/regs.h"
#include "kernel/platform.h"

#define FDIR_INIT_TIMEOUT_US    20000 /* it takes about 55 us at 10 Gbit/s */
#define FDIR_COMMAND_TIMEOUT_US 1000

/* Hash keys that spread well; the bucket key also puts our 4096 filters in as many buckets. */
#define FDIR_BUCKET_KEY    0x3DAD14E2u
#define FDIR_SIGNATURE_KEY 0x174D3614u

#define FDIR_BUCKET_MASK   0x1FFFu /* 8192 buckets with PBALLOC_256_KIB */
#define FDIR_HASH_MASK     0x7FFFu
#define FLOW_TYPE_TCP_IPV4 L4TYPE_TCP

/* No filter drops; the queue for those that would is one that is never started. */
#define FDIR_DROP_QUEUE        127
/* Required in the same write, though the fields that they concern are ignored: flexible bytes,
 * length of a bucket's list in signature mode, room left at which the device complains. As drivers
 * have them. */
#define FDIR_FLEX_OFFSET_WORDS 6
#define FDIR_MAX_LENGTH        10
#define FDIR_FULL_THRESHOLD    4

/* Source port: ignore bits 15..12, compare 11..0. The device wants the mask bit-reversed within
 * its half: bit k acts on port bit 15 - k. */
#define FDIR_IGNORED_SOURCE_BITS_REVERSED 0x000Fu

#define GROUP_BITS 12
_Static_assert(IXGBE_FDIR_GROUP_COUNT == 1u << GROUP_BITS, "a group is the compared port bits");

/* The hash is linear over XOR: that of a group is the one of group 0 and, for each bit set in the
 * group, one of these. Filled in by ixgbe_fdir_prepare(). */
static uint32_t group_0_hash;
static uint32_t port_bit_hash[GROUP_BITS];

uint32_t ixgbe_fdir_hash(const struct ixgbe_fdir_tuple *tuple, uint32_t key)
{
    uint32_t flow = (uint32_t)tuple->flow_type << 16;
    uint32_t high = tuple->destination_address ^ tuple->source_address ^
                    ((uint32_t)tuple->source_port << 16 | tuple->destination_port);
    uint32_t low = high >> 16 | high << 16;
    uint32_t hash = 0;

    high ^= flow ^ flow >> 16;
    if ((key & 1) != 0) {
        hash ^= low;
    }
    if ((key >> 16 & 1) != 0) {
        hash ^= high;
    }
    /* Only after step 0: this keeps the flow's own bits out of the key's lowest bit. */
    low ^= flow ^ flow << 16;
    for (unsigned n = 1; n < 16; n++) {
        if ((key >> n & 1) != 0) {
            hash ^= low >> n;
        }
        if ((key >> (n + 16) & 1) != 0) {
            hash ^= high >> n;
        }
    }
    return hash & FDIR_HASH_MASK;
}

static uint32_t hash_of_port(uint16_t source_port)
{
    struct ixgbe_fdir_tuple tuple = {.source_port = source_port, .flow_type = FLOW_TYPE_TCP_IPV4};

    return ixgbe_fdir_hash(&tuple, FDIR_BUCKET_KEY) & FDIR_BUCKET_MASK;
}

static uint32_t hash_of_group(unsigned group)
{
    uint32_t hash = group_0_hash;

    for (unsigned bit = 0; bit < GROUP_BITS; bit++) {
        if ((group >> bit & 1) != 0) {
            hash ^= port_bit_hash[bit];
        }
    }
    return hash;
}

void ixgbe_fdir_prepare(void)
{
    const uint16_t all_bits = IXGBE_FDIR_GROUP_COUNT - 1;

    group_0_hash = hash_of_port(0);
    for (unsigned bit = 0; bit < GROUP_BITS; bit++) {
        port_bit_hash[bit] = hash_of_port((uint16_t)(1u << bit)) ^ group_0_hash;
    }
    ASSERT(hash_of_group(all_bits) ==
           hash_of_port(all_bits)); /* a filter elsewhere never matches */
}

int ixgbe_fdir_start(struct ixgbe *nic)
{
    void *registers = nic->registers;
    int result;

    ASSERT(nic->queue_count > 1); /* with one the filters have no room in the packet buffer */
    ixgbe_fdir_prepare();
    result = ixgbe_receive_path_close(registers);
    if (result != 0) {
        return result;
    }
    /* The L4 type is compared, and the port bits; all else is ignored. */
    ixgbe_write(registers, IXGBE_FDIRM,
                FDIRM_VLAN_ID | FDIRM_VLAN_PRIORITY | FDIRM_POOL | FDIRM_FLEX |
                    FDIRM_IPV6_DESTINATION);
    ixgbe_write(registers, IXGBE_FDIRSIP4M, UINT32_MAX);
    ixgbe_write(registers, IXGBE_FDIRDIP4M, UINT32_MAX);
    ixgbe_write(registers, IXGBE_FDIRTCPM,
                FIELD_PREP(FDIRPORT_DESTINATION, 0xFFFF) |
                    FIELD_PREP(FDIRPORT_SOURCE, FDIR_IGNORED_SOURCE_BITS_REVERSED));
    ixgbe_write(registers, IXGBE_FDIRUDPM, UINT32_MAX);
    ixgbe_write(registers, IXGBE_FDIRIP6M, UINT32_MAX);
    ixgbe_write(registers, IXGBE_FDIRHKEY, FDIR_BUCKET_KEY);
    ixgbe_write(registers, IXGBE_FDIRSKEY, FDIR_SIGNATURE_KEY);

    /* This single write starts the initialisation. */
    ixgbe_write(registers, IXGBE_FDIRCTRL,
                FIELD_PREP(FDIRCTRL_PBALLOC, PBALLOC_256_KIB) | FDIRCTRL_PERFECT |
                    FIELD_PREP(FDIRCTRL_DROP_QUEUE, FDIR_DROP_QUEUE) |
                    FIELD_PREP(FDIRCTRL_FLEX_OFFSET, FDIR_FLEX_OFFSET_WORDS) |
                    FIELD_PREP(FDIRCTRL_MAX_LENGTH, FDIR_MAX_LENGTH) |
                    FIELD_PREP(FDIRCTRL_FULL_THRESH, FDIR_FULL_THRESHOLD));
    result = ixgbe_wait(registers, IXGBE_FDIRCTRL, FDIRCTRL_INIT_DONE, FDIRCTRL_INIT_DONE,
                        FDIR_INIT_TIMEOUT_US);
    if (result != 0) {
        return result;
    }

    /* Ignored fields of a filter must be zero: written once, good for all. */
    for (unsigned i = 0; i < IXGBE_FDIRSIPV6_COUNT; i++) {
        ixgbe_write(registers, IXGBE_FDIRSIPV6(i), 0);
    }
    ixgbe_write(registers, IXGBE_FDIRIPSA, 0);
    ixgbe_write(registers, IXGBE_FDIRIPDA, 0);
    ixgbe_write(registers, IXGBE_FDIRVLAN, 0);
    ixgbe_receive_path_open(registers);
    return 0;
}

int ixgbe_fdir_steer(struct ixgbe *nic, unsigned group, unsigned queue)
{
    void *registers = nic->registers;
    uint32_t hash;

    ASSERT(group < IXGBE_FDIR_GROUP_COUNT);
    ASSERT(queue < nic->queue_count);
    hash = hash_of_group(group);
    ixgbe_write(registers, IXGBE_FDIRPORT, FIELD_PREP(FDIRPORT_SOURCE, group));
    /* The group is also the filter's own number. */
    ixgbe_write(registers, IXGBE_FDIRHASH,
                FIELD_PREP(FDIRHASH_SW_INDEX, group) | FIELD_PREP(FDIRHASH_HASH, hash));
    ixgbe_write(registers, IXGBE_FDIRCMD,
                FIELD_PREP(FDIRCMD_CMD, FDIRCMD_ADD) | FDIRCMD_UPDATE |
                    FIELD_PREP(FDIRCMD_L4TYPE, L4TYPE_TCP) | FDIRCMD_LAST | FDIRCMD_QUEUE_EN |
                    FIELD_PREP(FDIRCMD_RX_QUEUE, queue));
    return ixgbe_wait(registers, IXGBE_FDIRCMD, FDIRCMD_CMD, 0, FDIR_COMMAND_TIMEOUT_US);
}
