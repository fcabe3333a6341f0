/* SPDX-License-Identifier: MIT */
/*
 * The flow director in perfect-match mode (datasheet 7.1.2.7, 8.2.3.21): one filter for each
 * group of flows, which is each value of some low bits of the TCP ports, over IPv4. 4096 are those
 * of 12 bits of the source port (PIKA 4.1), or of 6 bits of either.
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

/* Hash keys that spread well; the bucket key also puts 4096 filters of the source port alone in as
 * many buckets, and those of 6 bits of either port two by two. */
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

/* The hash is linear over XOR: that of a group is the one of group 0 and, for each bit set in the
 * group, one of these. Filled in by ixgbe_fdir_prepare(). */
static uint32_t group_0_hash;
static uint32_t group_bit_hash[IXGBE_FDIR_GROUP_BITS_MAX];

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

unsigned ixgbe_fdir_group_count(const struct ixgbe *nic)
{
    unsigned bits = nic->grouping.source_port_bits + nic->grouping.destination_port_bits;

    /* With one queue the filters have no room in the packet buffer. */
    return nic->queue_count > 1 && bits <= IXGBE_FDIR_GROUP_BITS_MAX && !nic->grouping.is_folded
               ? 1u << bits
               : 0;
}

/* The bits of the ports that the filters compare; all others are 0. */
static uint16_t source_port_of(const struct ixgbe *nic, unsigned group)
{
    return (uint16_t)(group & ((1u << nic->grouping.source_port_bits) - 1));
}

static uint16_t destination_port_of(const struct ixgbe *nic, unsigned group)
{
    return (uint16_t)(group >> nic->grouping.source_port_bits);
}

/* By the hash as it is defined. */
static uint32_t compute_hash(const struct ixgbe *nic, unsigned group)
{
    struct ixgbe_fdir_tuple tuple = {.source_port = source_port_of(nic, group),
                                     .destination_port = destination_port_of(nic, group),
                                     .flow_type = FLOW_TYPE_TCP_IPV4};

    return ixgbe_fdir_hash(&tuple, FDIR_BUCKET_KEY) & FDIR_BUCKET_MASK;
}

static uint32_t hash_of_group(unsigned group)
{
    uint32_t hash = group_0_hash;

    for (unsigned bit = 0; bit < IXGBE_FDIR_GROUP_BITS_MAX; bit++) {
        if ((group >> bit & 1) != 0) {
            hash ^= group_bit_hash[bit];
        }
    }
    return hash;
}

void ixgbe_fdir_prepare(const struct ixgbe *nic)
{
    unsigned group_count = ixgbe_fdir_group_count(nic);
    unsigned all_bits = group_count - 1;

    if (group_count == 0) {
        return;
    }
    group_0_hash = compute_hash(nic, 0);
    for (unsigned bit = 0; 1u << bit <= all_bits; bit++) {
        group_bit_hash[bit] = compute_hash(nic, 1u << bit) ^ group_0_hash;
    }
    /* A filter elsewhere never matches. */
    ASSERT(hash_of_group(all_bits) == compute_hash(nic, all_bits));
}

/* The low bits of a port are compared, all others ignored. The device wants the mask bit-reversed:
 * bit k acts on port bit 15 - k. */
static uint32_t port_mask(unsigned compared_bits)
{
    return 0xFFFFu >> compared_bits;
}

int ixgbe_fdir_start(struct ixgbe *nic)
{
    void *registers = nic->registers;
    int result;

    ASSERT(ixgbe_fdir_group_count(nic) != 0);
    ixgbe_fdir_prepare(nic);
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
                FIELD_PREP(FDIRPORT_DESTINATION, port_mask(nic->grouping.destination_port_bits)) |
                    FIELD_PREP(FDIRPORT_SOURCE, port_mask(nic->grouping.source_port_bits)));
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

    ASSERT(group < ixgbe_fdir_group_count(nic));
    ASSERT(queue < nic->queue_count);
    hash = hash_of_group(group);
    ixgbe_write(registers, IXGBE_FDIRPORT,
                FIELD_PREP(FDIRPORT_DESTINATION, destination_port_of(nic, group)) |
                    FIELD_PREP(FDIRPORT_SOURCE, source_port_of(nic, group)));
    /* The group is also the filter's own number. */
    ixgbe_write(registers, IXGBE_FDIRHASH,
                FIELD_PREP(FDIRHASH_SW_INDEX, group) | FIELD_PREP(FDIRHASH_HASH, hash));
    ixgbe_write(registers, IXGBE_FDIRCMD,
                FIELD_PREP(FDIRCMD_CMD, FDIRCMD_ADD) | FDIRCMD_UPDATE |
                    FIELD_PREP(FDIRCMD_L4TYPE, L4TYPE_TCP) | FDIRCMD_LAST | FDIRCMD_QUEUE_EN |
                    FIELD_PREP(FDIRCMD_RX_QUEUE, queue));
    return ixgbe_wait(registers, IXGBE_FDIRCMD, FDIRCMD_CMD, 0, FDIR_COMMAND_TIMEOUT_US);
}
