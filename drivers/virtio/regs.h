/* SPDX-License-Identifier: MIT */
/*
 * What a virtio network device and its driver share, after "Virtual I/O Device (VIRTIO)" version
 * 1.2 (below: VIRTIO): registers of the PCI transport, feature bits, rings, headers. All fields are
 * little endian. Registers are accessed by their own width, those of 64 bits as two of 32.
 *
 * RW; RO; the numbers in front are the specification's sections.
 */
#pragma once

#include <stddef.h>

#include "libc/core/base.h"
#include "libc/core/bits.h"

/* --- PCI (4.1) --- */

#define VIRTIO_VENDOR                0x1AF4
#define VIRTIO_DEVICE_NETWORK        0x1041
/* As QEMU shows it on a root bus: with registers for old drivers, too, beside those used here. */
#define VIRTIO_DEVICE_NETWORK_LEGACY 0x1000

/* Capabilities that say where registers are (4.1.4). */
#define CAPABILITY_VENDOR            0x09
#define CAPABILITY_TYPE              0x03 /* RO */
#define TYPE_COMMON                  1
#define TYPE_NOTIFY                  2
#define TYPE_CONFIG                  4
#define CAPABILITY_BAR               0x04 /* RO */
#define CAPABILITY_REGISTERS_OFFSET  0x08 /* RO 32 bits, in the BAR */
#define CAPABILITY_REGISTERS_BYTES   0x0C /* RO 32 bits */
#define CAPABILITY_NOTIFY_MULTIPLIER 0x10 /* RO 32 bits; TYPE_NOTIFY only */

/* Common registers (4.1.4.3), 8 to 32 bits wide: where they are. QUEUE_... are the selected
 * queue's.
 */
#define COMMON_DEVICE_FEATURE_SELECT 0x00 /* RW 32 */
#define COMMON_DEVICE_FEATURE        0x04 /* RO 32 */
#define COMMON_DRIVER_FEATURE_SELECT 0x08 /* RW 32 */
#define COMMON_DRIVER_FEATURE        0x0C /* RW 32 */
#define COMMON_CONFIG_VECTOR         0x10 /* RW 16 */
#define COMMON_QUEUE_COUNT           0x12 /* RO 16 */
#define COMMON_STATUS                0x14 /* RW 8 */
#define COMMON_GENERATION            0x15 /* RO 8 */
#define COMMON_QUEUE_SELECT          0x16 /* RW 16 */
#define COMMON_QUEUE_SIZE            0x18 /* RW 16; reads as the most until written; 0: no such queue */
#define COMMON_QUEUE_VECTOR          0x1A /* RW 16 */
#define COMMON_QUEUE_ENABLE          0x1C /* RW 16 */
#define COMMON_QUEUE_NOTIFY_OFFSET   0x1E /* RO 16 */
#define COMMON_QUEUE_DESCRIPTORS     0x20 /* RW 64, as two of 32 */
#define COMMON_QUEUE_AVAILABLE       0x28 /* RW 64 */
#define COMMON_QUEUE_USED            0x30 /* RW 64 */
#define COMMON_QUEUE_RESET           0x3A /* RW 16, only with VIRTIO_F_RING_RESET */
#define COMMON_BYTES                 0x38u
#define COMMON_BYTES_WITH_RESET      0x3Cu

#define VECTOR_NONE                                                                                \
    0xFFFFu /* of either; reads so when the device could not use what was written                  \
             */

/* --- A device on no bus (4.2.2): 32 bits each; the device's own configuration as on PCI --- */

#define MMIO_MAGIC                  0x000       /* RO */
#define MMIO_MAGIC_VALUE            0x74726976u /* "virt" */
#define MMIO_VERSION                0x004       /* RO */
#define MMIO_VERSION_LEGACY         1
#define MMIO_VERSION_KNOWN          2
#define MMIO_DEVICE                 0x008 /* RO */
#define MMIO_DEVICE_NONE            0
#define MMIO_DEVICE_NETWORK         1
#define MMIO_DEVICE_FEATURE         0x010 /* RO */
#define MMIO_DEVICE_FEATURE_SELECT  0x014 /* WO */
#define MMIO_DRIVER_FEATURE         0x020 /* WO */
#define MMIO_DRIVER_FEATURE_SELECT  0x024 /* WO */
#define MMIO_QUEUE_SELECT           0x030 /* WO */
#define MMIO_QUEUE_SIZE_MAX         0x034 /* RO; 0: no such queue */
#define MMIO_QUEUE_SIZE             0x038 /* WO */
#define MMIO_QUEUE_READY            0x044 /* RW */
#define MMIO_NOTIFY                 0x050 /* WO a queue's number */
#define MMIO_INTERRUPT_STATUS       0x060 /* RO bit 0 a queue, bit 1 the configuration */
#define MMIO_INTERRUPT_ACKNOWLEDGE  0x064 /* WO those bits */
#define MMIO_STATUS                 0x070 /* RW */
#define MMIO_QUEUE_DESCRIPTORS      0x080 /* WO */
#define MMIO_QUEUE_DESCRIPTORS_HIGH 0x084 /* WO */
#define MMIO_QUEUE_AVAILABLE        0x090 /* WO */
#define MMIO_QUEUE_AVAILABLE_HIGH   0x094 /* WO */
#define MMIO_QUEUE_USED             0x0A0 /* WO */
#define MMIO_QUEUE_USED_HIGH        0x0A4 /* WO */
#define MMIO_GENERATION             0x0FC /* RO */
#define MMIO_CONFIG                 0x100

/* Device status (2.1): one bit more at each step. */
#define STATUS_ACKNOWLEDGE 0x01
#define STATUS_DRIVER      0x02
#define STATUS_DRIVER_OK   0x04
#define STATUS_FEATURES_OK 0x08
#define STATUS_NEEDS_RESET 0x40
#define STATUS_FAILED      0x80

/* --- Features (5.1.3, 6) --- */

#define VIRTIO_NET_F_CSUM         BIT(0) /* inserts checksums of TCP and UDP */
#define VIRTIO_NET_F_GUEST_CSUM   BIT(1) /* says that those are good, or leaves them out */
#define VIRTIO_NET_F_MTU          BIT(3)
#define VIRTIO_NET_F_MAC          BIT(5)
#define VIRTIO_NET_F_GUEST_TSO4   BIT(7)  /* hands over TCP over IPv4 that has not been cut */
#define VIRTIO_NET_F_HOST_TSO4    BIT(11) /* cuts TCP over IPv4 */
#define VIRTIO_NET_F_MRG_RXBUF    BIT(15) /* a frame may take several buffers */
#define VIRTIO_NET_F_STATUS       BIT(16) /* tells of the link */
#define VIRTIO_NET_F_CTRL_VQ      BIT(17)
#define VIRTIO_NET_F_CTRL_RX      BIT(18)
#define VIRTIO_NET_F_ANNOUNCE     BIT(21) /* asks for the address to be made known */
#define VIRTIO_NET_F_MQ           BIT(22) /* several queue pairs */
#define VIRTIO_F_EVENT_IDX        BIT(29)
#define VIRTIO_F_VERSION_1        BIT(32)
#define VIRTIO_F_ACCESS_PLATFORM  BIT(33) /* addresses are those that a device uses */
#define VIRTIO_F_RING_RESET       BIT(40) /* one queue can be stopped, and started again */
#define VIRTIO_NET_F_RSS          BIT(60) /* frames go to pairs by a hash with a key of ours */
#define VIRTIO_NET_F_SPEED_DUPLEX BIT(63)

/* --- What the network device says of itself (5.1.4). RO --- */

#define CONFIG_MAC              0x00
#define CONFIG_STATUS           0x06 /* 16 */
#define LINK_UP                 BIT(0)
#define ANNOUNCEMENT_WANTED     BIT(1)
#define CONFIG_PAIRS_MAX        0x08 /* 16; 1 .. PAIRS_LIMIT */
#define PAIRS_LIMIT             0x8000u
#define CONFIG_MTU              0x0A /* 16 */
#define CONFIG_SPEED            0x0C /* 32; Mbit/s */
#define SPEED_UNKNOWN           UINT32_MAX
#define CONFIG_BYTES            0x10u
#define CONFIG_RSS_KEY_BYTES    0x11 /* 8; the longest key that it takes, as the next two */
#define CONFIG_RSS_TABLE_LENGTH 0x12 /* 16 */
#define CONFIG_RSS_HASH_TYPES   0x14 /* 32 */
#define CONFIG_BYTES_WITH_RSS   0x18u

/* --- Split rings (2.7): three areas, the first two written by the driver --- */

struct virtio_descriptor {
    uint64_t bus_addr;
    union {
        struct {
            uint32_t length_bytes;
            uint16_t flags;
            uint16_t next;
        };
        uint64_t rest; /* all three at once */
    };
};
_Static_assert(sizeof(struct virtio_descriptor) == 16, "2.7.5");

#define DESCRIPTOR_REST_NEXT(next)                                                                 \
    (BIT(32) | (uint64_t)(next) << 48) /* goes on there; and length */

#define DESCRIPTOR_NEXT  BIT(0) /* goes on in `next` */
#define DESCRIPTOR_WRITE BIT(1) /* for the device to write */

/* Available: descriptors that the device may use. Its last word is USED_EVENT. */
#define AVAILABLE_FLAGS            0x0
#define AVAILABLE_NO_INTERRUPT     BIT(0)
#define AVAILABLE_INDEX            0x2
#define AVAILABLE_ENTRY(i)         (0x4u + sizeof(uint16_t) * (i)) /* 16 */
#define AVAILABLE_USED_EVENT(size) AVAILABLE_ENTRY(size)
#define AVAILABLE_BYTES(size)      (AVAILABLE_ENTRY(size) + 2u)

/* Used: what it has done with them. Its last word is AVAILABLE_EVENT. */
#define USED_FLAGS                 0x0
#define USED_NO_NOTIFY             BIT(0)
#define USED_INDEX                 0x2
#define USED_ID(i)                 (0x4u + USED_ENTRY_BYTES * (i)) /* 32, and behind it the length, 32 */
#define USED_ENTRY_BYTES           sizeof(uint64_t)
#define USED_AVAILABLE_EVENT(size) USED_ID(size)
#define USED_BYTES(size)           (USED_AVAILABLE_EVENT(size) + 2u)

/* --- The header before each frame (5.1.6) --- */

struct virtio_net_header {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t header_bytes;
    uint16_t segment_bytes;
    uint16_t checksum_start;
    uint16_t checksum_offset;
    uint16_t buffer_count; /* received frames only */
};
_Static_assert(sizeof(struct virtio_net_header) == 12, "5.1.6");

#define HEADER_NEEDS_CHECKSUM BIT(0) /* the field holds the pseudo-header's sum */
#define HEADER_DATA_VALID     BIT(1) /* the checksum of TCP or UDP is good */
#define GSO_NONE              0
#define GSO_TCP4              1

/* --- Commands (5.1.6.5): class and command, data, and the device's answer, of one byte --- */

#define COMMAND_RECEIVE_MODE       0
#define RECEIVE_MODE_PROMISCUOUS   0 /* data: 1 on, 0 off; as below */
#define RECEIVE_MODE_ALL_MULTICAST 1
#define COMMAND_MAC                1
#define MAC_TABLE_SET              0 /* data: struct virtio_mac_table */
#define COMMAND_ANNOUNCEMENT       3
#define ANNOUNCEMENT_DONE          0 /* no data */
#define COMMAND_QUEUE_PAIRS        4
#define QUEUE_PAIRS_SET            0 /* data: how many, 16 bits */
#define QUEUE_PAIRS_RSS            1 /* data: struct virtio_rss_config */
#define ANSWER_GOOD                0

/* Addresses beside the card's own from which frames come in, as many of each as is said; a table
 * takes the place of the one before (5.1.6.5.2). */
#define VIRTIO_MAC_TABLE_GROUPS 64
struct virtio_mac_table {
    uint32_t station_count; /* 0: behind it would stand their addresses */
    uint32_t group_count;
    uint8_t groups[VIRTIO_MAC_TABLE_GROUPS][6];
};
_Static_assert(sizeof(struct virtio_mac_table) == 392, "5.1.6.5.2");

/* --- What RSS goes by (5.1.6.5.7) --- */

#define HASH_TYPE_TCP4   BIT(1)
#define RSS_KEY_BYTES    40u
#define RSS_TABLE_LENGTH 128u

struct virtio_rss_config {
    uint32_t hash_types;
    uint16_t table_mask; /* RSS_TABLE_LENGTH - 1 */
    uint16_t unclassified_pair;
    uint16_t table[RSS_TABLE_LENGTH]; /* pairs, by the hash's low bits */
    uint16_t tx_pair_count;
    uint8_t key_bytes;
    uint8_t key[RSS_KEY_BYTES];
    uint8_t padding; /* not sent */
};
#define RSS_CONFIG_BYTES offsetof(struct virtio_rss_config, padding)
_Static_assert(RSS_CONFIG_BYTES == 307, "5.1.6.5.7, with that key and table");
