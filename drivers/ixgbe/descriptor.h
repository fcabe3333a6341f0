/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of the 82599: advanced receive with one buffer (datasheet 7.1.6) and advanced
 * transmit (7.2.3.2). 16 bytes each, little endian, written by driver and device in turn.
 */
#pragma once

#include "drivers/nic/frame.h"
#include "kernel/base.h"
#include "libc/core/bits.h"

/* To the device: where to put a frame. From the device: what it put there. */
struct ixgbe_rx_descriptor {
    union {
        uint64_t buffer_bus_addr;
        uint64_t packet_info;
    };
    /* 0 when given to the device: the bit of RX_DD is this word's lowest. */
    uint64_t status;
};

#define RX_PACKET_TYPE_UDP BIT(9) /* of packet_info */

/* Of status. */
#define RX_DD                BIT(0)  /* the device is done with it */
#define RX_EOP               BIT(1)  /* the frame ends here */
#define RX_L4I               BIT(5)  /* the TCP or UDP checksum was looked at */
#define RX_IPCS              BIT(6)  /* the IPv4 header checksum was looked at */
#define RX_RXE               BIT(29) /* MAC error */
#define RX_L4E               BIT(30)
#define RX_IPE               BIT(31)
#define RX_LENGTH            BITS(47, 32)
/* Of RX_LENGTH: no frame that is shorter than a buffer has any of these. */
#define RX_LENGTH_IMPOSSIBLE BITS(47, 43)

_Static_assert((RX_LENGTH & ~RX_LENGTH_IMPOSSIBLE) >> 32 < FRAME_BUFFER_BYTES,
               "what is left is below a buffer's size");

/* To the device: a piece of a frame to send, or a context that says where its headers lie. */
struct ixgbe_tx_descriptor {
    union {
        uint64_t buffer_bus_addr;
        uint64_t context_lengths;
    };
    union {
        struct {
            uint32_t command;
            uint32_t status;
        };
        uint64_t words; /* both: status above command */
    };
};

/* Of command, in both kinds. */
#define TX_DTYP      BITS(23, 20)
#define DTYP_CONTEXT 2
#define DTYP_DATA    3
#define TX_EOP       BIT(24) /* the frame ends here */
#define TX_IFCS      BIT(25) /* append the CRC */
#define TX_RS        BIT(27) /* report when done */
#define TX_DEXT      BIT(29) /* advanced */
#define TX_TSE       BIT(31) /* cut into TCP segments; data only */

/* Of a data descriptor's status. */
#define TX_DD     BIT(0)       /* written by the device, on descriptors with RS only */
#define TX_IXSM   BIT(8)       /* insert the IPv4 header checksum */
#define TX_TXSM   BIT(9)       /* insert the TCP or UDP checksum */
#define TX_PAYLEN BITS(31, 14) /* of the whole frame; with TSE without the headers */

/* Of a context descriptor: lengths, what the packet is (in its command), how to cut it (in its
 * status, whose other bits choose the device's slot for it). */
#define TX_CONTEXT_IPLEN  BITS(8, 0)
#define TX_CONTEXT_MACLEN BITS(15, 9)
#define TX_CONTEXT_IPV4   BIT(10)
#define TX_CONTEXT_L4T    BITS(12, 11)
#define L4T_UDP           0
#define L4T_TCP           1
#define TX_CONTEXT_L4LEN  BITS(15, 8)
#define TX_CONTEXT_MSS    BITS(31, 16)

_Static_assert(sizeof(struct ixgbe_rx_descriptor) == 16, "7.1.6");
_Static_assert(sizeof(struct ixgbe_tx_descriptor) == 16, "7.2.3.2");

/* Rings lie at whole multiples of so many bytes, and have as many: eight descriptors. */
#define IXGBE_RING_ALIGNMENT 128u

#define IXGBE_RX_RING_COUNT 512u
#define IXGBE_TX_RING_COUNT 1024u

_Static_assert(IS_POWER_OF_TWO(IXGBE_RX_RING_COUNT) && IS_POWER_OF_TWO(IXGBE_TX_RING_COUNT),
               "free-running indices are masked into the ring");
