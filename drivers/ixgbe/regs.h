/* SPDX-License-Identifier: MIT */
/*
 * The registers of the Intel 82599 that this driver uses, by section of its datasheet (chapter 8
 * unless said otherwise), with their fields. Offsets are bytes from BAR0; registers are 32 bits.
 * RW; RO; RC: clears when read; W1S, W1C: a one sets or clears, a zero does nothing; SC: clears
 * itself. Queue numbers are 0..127.
 */
#pragma once

#include "libc/core/bits.h"

#define IXGBE_QUEUE_MAX 128u

/* --- General control (8.2.3.1) --- */

#define IXGBE_CTRL          0x00000 /* RW */
#define CTRL_MASTER_DISABLE BIT(2)
#define CTRL_LRST           BIT(3)  /* SC link reset */
#define CTRL_RST            BIT(26) /* SC device reset */

#define IXGBE_STATUS         0x00008 /* RO; all ones: the device does not answer */
#define STATUS_MASTER_ENABLE BIT(19) /* DMA may still be going on */

#define IXGBE_CTRL_EXT    0x00018 /* RW */
#define CTRL_EXT_NS_DIS   BIT(16) /* no PCIe no-snoop: our rings are cached memory */
#define CTRL_EXT_DRV_LOAD BIT(28) /* tells the firmware that a driver is in charge */

#define IXGBE_ESDP          0x00020 /* RW software-definable pins */
#define ESDP_SDP3_LASER_OFF BIT(3)  /* level of pin 3, which is so wired on SFP+ cards */
#define ESDP_SDP3_OUTPUT    BIT(11) /* direction of pin 3 */

/* --- NVM (8.2.3.2) --- */

#define IXGBE_EEC   0x10010 /* RW */
#define EEC_EE_PRES BIT(8)
#define EEC_AUTO_RD BIT(9) /* the NVM has been read after reset */

/* --- Interrupts (8.2.3.5). Causes 0..15 are MSI-X vectors 0..15; those above have none --- */

#define IXGBE_EICR       0x00800             /* RC W1C causes */
#define IXGBE_EICS       0x00808             /* W1S; reads as EICR, clearing nothing */
#define IXGBE_EIAC       0x00810             /* RW causes that clear when their message is sent */
#define IXGBE_EIMS       0x00880             /* W1S */
#define IXGBE_EIMC       0x00888             /* W1C */
#define IXGBE_GPIE       0x00898             /* RW */
#define IXGBE_EIMS_EX(i) (0x00AA0 + 4 * (i)) /* W1S by MSI-X vector, 32 in each */
#define IXGBE_EIMC_EX(i) (0x00AB0 + 4 * (i)) /* W1C */
#define IXGBE_EIAM_EX(i) (0x00AD0 + 4 * (i)) /* RW vectors that mask themselves when sent */
/* RW throttle of vector v. */
#define IXGBE_EITR(v)    ((v) < 24 ? 0x00820 + 4 * (v) : 0x12300 + 4 * ((v)-24))
#define IXGBE_IVAR(i)    (0x00900 + 4 * (i)) /* RW queues 2i and 2i + 1: to which vectors */
#define IXGBE_IVAR_MISC  0x00A00             /* RW */

#define IXGBE_VECTOR_COUNT  64u
#define EICR_QUEUE_CAUSES   16u
#define EICR_LSC            BIT(20) /* link status change */
#define EIMC_ALL            0x7FFFFFFFu
#define GPIE_MULTIPLE_MSIX  BIT(4)
#define GPIE_EIAME          BIT(30)         /* heed EIAM */
#define GPIE_PBA_SUPPORT    BIT(31)         /* unmasking clears the pending bit */
#define IVAR_QUEUE_SHIFT(n) (16u * ((n)&1)) /* of queue n in its register */
#define IVAR_QUEUE          BITS(15, 0)     /* entries of one queue: receive, transmit */
#define IVAR_VALID          BIT(7)
#define IVAR_MISC_OTHER     BITS(15, 8)

_Static_assert(IXGBE_EITR(23) == 0x0087C && IXGBE_EITR(24) == 0x12300, "8.2.3.5.12, both banks");

/* --- Flow control (8.2.3.3, 8.2.3.7, 8.2.3.22) --- */

#define IXGBE_FCRTH(i) (0x03260 + 4 * (i)) /* RW high water of packet buffer i, bytes */
#define IXGBE_FCCFG    0x03D00             /* RW */
#define IXGBE_MFLCN    0x04294             /* RW */
#define MFLCN_DPF      BIT(1)              /* drop pause frames, obeyed or not */

/* --- Receive: packet buffer, DMA and queues (8.2.3.8) --- */

#define IXGBE_PACKET_BUFFER_COUNT 8                   /* of either direction */
#define IXGBE_RXPBSIZE(i)         (0x03C00 + 4 * (i)) /* RW bytes, a multiple of 1 KiB */
#define IXGBE_RDRXCTL             0x02F00             /* RW */
#define RDRXCTL_CRCSTRIP          BIT(1)              /* must agree with HLREG0_RXCRCSTRP */
#define RDRXCTL_DMAIDONE          BIT(3)              /* RO */
#define RDRXCTL_RSCFRSTSIZE       BITS(21, 17)
#define RDRXCTL_RSCACKC           BIT(25)
#define RDRXCTL_FCOE_WRFIX        BIT(26)

#define IXGBE_RXCTRL 0x03000 /* RW */
#define RXCTRL_RXEN  BIT(0)

#define IXGBE_RXQ(n)        ((n) < 64 ? 0x01000 + 0x40 * (n) : 0x0D000 + 0x40 * ((n)-64))
#define IXGBE_RDBAL(n)      (IXGBE_RXQ(n) + 0x00) /* RW ring's bus address, 128-byte aligned */
#define IXGBE_RDBAH(n)      (IXGBE_RXQ(n) + 0x04) /* RW */
#define IXGBE_RDLEN(n)      (IXGBE_RXQ(n) + 0x08) /* RW bytes, a multiple of 128 */
#define IXGBE_DCA_RXCTRL(n) (IXGBE_RXQ(n) + 0x0C) /* RW */
#define IXGBE_RDH(n)        (IXGBE_RXQ(n) + 0x10) /* RW head */
#define IXGBE_SRRCTL(n)     (IXGBE_RXQ(n) + 0x14) /* RW buffer size and descriptor type */
#define IXGBE_RDT(n)        (IXGBE_RXQ(n) + 0x18) /* RW tail: one past the last descriptor given */
#define IXGBE_RXDCTL(n)     (IXGBE_RXQ(n) + 0x28) /* RW */

#define DCA_RXCTRL_MUST_CLEAR        BIT(12)    /* set by reset, "must be written 0" (8.2.3.11.1) */
#define SRRCTL_BSIZEPACKET           BITS(4, 0) /* KiB */
#define SRRCTL_DESCTYPE              BITS(27, 25)
#define DESCTYPE_ADVANCED_ONE_BUFFER 1
#define SRRCTL_DROP_EN               BIT(28) /* a queue without descriptors loses only its own frames */
#define RXDCTL_ENABLE                BIT(25)

_Static_assert(IXGBE_RDT(63) == 0x01FD8 && IXGBE_RDT(64) == 0x0D018, "8.2.3.8.5, both banks");

/* --- Security block (8.2.3.12, .13): gate of the receive path --- */

#define IXGBE_SECRXCTRL  0x08D00 /* RW */
#define SECRXCTRL_RX_DIS BIT(1)
#define IXGBE_SECRXSTAT  0x08D04 /* RO */
#define SECRXSTAT_RDY    BIT(0)

/* --- Receive filters and offload (8.2.3.7) --- */

#define IXGBE_RXCSUM     0x05000 /* RW */
#define RXCSUM_PCSD      BIT(13) /* descriptors report the RSS hash, not a fragment checksum */
#define IXGBE_RFCTL      0x05008 /* RW */
#define RFCTL_RSC_DIS    BIT(5)
#define RFCTL_NFSW_DIS   BIT(6)
#define RFCTL_NFSR_DIS   BIT(7)
#define IXGBE_FCTRL      0x05080             /* RW */
#define FCTRL_BAM        BIT(10)             /* accept broadcast */
#define IXGBE_VLNCTRL    0x05088             /* RW */
#define VLNCTRL_VET      0x8100u             /* the EtherType of a tag; filtering off */
#define IXGBE_MCSTCTRL   0x05090             /* RW */
#define MCSTCTRL_MO      BITS(1, 0)          /* which bits of an address MTA goes by; 0: 47:36 */
#define MCSTCTRL_MFE     BIT(2)              /* MTA counts */
#define IXGBE_RAL(i)     (0x0A200 + 8 * (i)) /* RW MAC address i, bytes 0..3, byte 0 low; 128 */
#define IXGBE_RAH(i)     (0x0A204 + 8 * (i)) /* RW bytes 4 and 5 */
#define RAH_AV           BIT(31)
#define IXGBE_RAR_COUNT  128
#define MAC_LOW_BYTES    4 /* of an address in RAL; the others are in RAH */
#define RAH_HIGH_BYTES   BITS(15, 0)
#define IXGBE_PSRTYPE(i) (0x0EA00 + 4 * (i)) /* RW */

/* Tables that are undefined after reset. */
#define IXGBE_MTA(i)  (0x05200 + 4 * (i)) /* RW multicast, a bit for 12 of the address' */
#define IXGBE_VFTA(i) (0x0A000 + 4 * (i)) /* RW VLAN */
#define IXGBE_MPSAR(i)                                                                             \
    (0x0A600 + 4 * (i)) /* RW pools, a bit each, two words for each MAC address */
#define IXGBE_VLVF(i)  (0x0F100 + 4 * (i)) /* RW pools' VLANs */
#define IXGBE_VLVFB(i) (0x0F200 + 4 * (i)) /* RW their pools */
#define IXGBE_PFUTA(i) (0x0F400 + 4 * (i)) /* RW unicast */
#define IXGBE_FTQF(i)  (0x0E600 + 4 * (i)) /* RW 5-tuple filters */
#define IXGBE_ETQF(i)  (0x05128 + 4 * (i)) /* RW EtherType filters */
#define ETQF_ETYPE     BITS(15, 0)
#define ETHERTYPE_ARP  0x0806u
#define ETQF_FILTER_EN BIT(31)
#define IXGBE_ETQS(i)  (0x0EC00 + 4 * (i)) /* RW their queues */
#define ETQS_RX_QUEUE  BITS(22, 16)
#define ETQS_QUEUE_EN  BIT(31)
#define IXGBE_SYNQF    0x0EC30 /* RW TCP segments with SYN */
#define SYNQF_ENABLE   BIT(0)
#define SYNQF_RX_QUEUE BITS(7, 1)
#define SYNQF_FIRST    BIT(31) /* before the 5-tuple filters */

#define IXGBE_MTA_COUNT   128
#define IXGBE_VFTA_COUNT  128
#define IXGBE_MPSAR_COUNT 256
#define MPSAR_POOL_0      BIT(0)
#define IXGBE_VLVF_COUNT  64
#define IXGBE_VLVFB_COUNT 128
#define IXGBE_PFUTA_COUNT 128
#define IXGBE_FTQF_COUNT  128
#define IXGBE_ETQF_COUNT  8

/* --- RSS (7.1.2.8, 8.2.3.7) --- */

#define IXGBE_MRQC             0x0EC80 /* RW; the mode changes only while receive is off */
#define MRQC_MRQE              BITS(3, 0)
#define MRQE_OFF               0
#define MRQE_RSS               1
#define MRQC_TCP_IPV4          BIT(16)
#define MRQC_IPV4              BIT(17)
#define MRQC_IPV6              BIT(20)
#define MRQC_TCP_IPV6          BIT(21)
#define IXGBE_RSSRK(i)         (0x0EB80 + 4 * (i)) /* RW key bytes 4i .. 4i + 3, the first low */
#define IXGBE_RSSRK_COUNT      10
#define IXGBE_RETA(i)          (0x0EB00 + 4 * (i)) /* RW four entries of a byte each, the first low */
#define RETA_ENTRIES           4
#define IXGBE_RETA_ENTRY_COUNT 128
#define IXGBE_RSS_QUEUE_MAX    16u /* an entry has four bits */

/* --- Flow director (8.2.3.21) --- */

#define IXGBE_FDIRCTRL       0x0EE00 /* RW, in one write */
#define FDIRCTRL_PBALLOC     BITS(1, 0)
#define PBALLOC_256_KIB      3      /* room for 8190 perfect filters in 8192 buckets */
#define FDIRCTRL_INIT_DONE   BIT(3) /* RO */
#define FDIRCTRL_PERFECT     BIT(4)
#define FDIRCTRL_DROP_QUEUE  BITS(14, 8)
#define FDIRCTRL_FLEX_OFFSET BITS(20, 16) /* 16-bit words from the start of the frame */
#define FDIRCTRL_MAX_LENGTH  BITS(27, 24)
#define FDIRCTRL_FULL_THRESH BITS(31, 28) /* x 16 filters */

#define IXGBE_FDIRSIPV6(i)    (0x0EE0C + 4 * (i)) /* RW */
#define IXGBE_FDIRSIPV6_COUNT 3
#define IXGBE_FDIRIPSA        0x0EE18 /* RW */
#define IXGBE_FDIRIPDA        0x0EE1C /* RW */
#define IXGBE_FDIRPORT        0x0EE20 /* RW */
#define FDIRPORT_SOURCE       BITS(15, 0)
#define FDIRPORT_DESTINATION  BITS(31, 16)
#define IXGBE_FDIRVLAN        0x0EE24 /* RW */
#define IXGBE_FDIRHASH        0x0EE28 /* RW */
#define FDIRHASH_HASH         BITS(14, 0)
#define FDIRHASH_SW_INDEX     BITS(28, 16) /* perfect mode */
#define IXGBE_FDIRCMD         0x0EE2C      /* RW; the command runs when this is written */
#define FDIRCMD_CMD           BITS(1, 0)   /* SC */
#define FDIRCMD_ADD           1
#define FDIRCMD_UPDATE        BIT(3) /* of a filter that exists, replace the queue */
#define FDIRCMD_L4TYPE        BITS(6, 5)
#define L4TYPE_TCP            2
#define FDIRCMD_LAST          BIT(11)
#define FDIRCMD_QUEUE_EN      BIT(15)
#define FDIRCMD_RX_QUEUE      BITS(22, 16)

/* Masks: a one ignores. Port masks are bit-reversed: bit k acts on port bit 15 - k. */
#define IXGBE_FDIRDIP4M        0x0EE3C /* RW */
#define IXGBE_FDIRSIP4M        0x0EE40 /* RW */
#define IXGBE_FDIRTCPM         0x0EE44 /* RW source port low, destination port high */
#define IXGBE_FDIRUDPM         0x0EE48 /* RW */
#define IXGBE_FDIRHKEY         0x0EE68 /* RW bucket hash key */
#define IXGBE_FDIRSKEY         0x0EE6C /* RW signature hash key */
#define IXGBE_FDIRM            0x0EE70 /* RW */
#define FDIRM_VLAN_ID          BIT(0)
#define FDIRM_VLAN_PRIORITY    BIT(1)
#define FDIRM_POOL             BIT(2)
#define FDIRM_FLEX             BIT(4)
#define FDIRM_IPV6_DESTINATION BIT(5)
#define IXGBE_FDIRIP6M         0x0EE74 /* RW a bit for each address byte */

/* --- Transmit (8.2.3.9, 8.2.3.10) --- */

#define IXGBE_RTTDCS          0x04900 /* RW */
#define RTTDCS_ARBDIS         BIT(6)  /* must be set while MTQC and buffer sizes change */
#define IXGBE_TXPBTHRESH(i)   (0x04950 + 4 * (i)) /* RW KiB in the buffer that stop the fetching */
#define IXGBE_TXPBSIZE(i)     (0x0CC00 + 4 * (i)) /* RW bytes, a multiple of 1 KiB */
#define IXGBE_DTXMXSZRQ       0x08100             /* RW outstanding reads, 256-byte units */
#define DTXMXSZRQ_WITHOUT_DCB 0xFFFu
#define IXGBE_MTQC            0x08120 /* RW 0: 128 queues, one packet buffer */
#define IXGBE_DMATXCTL        0x04A80 /* RW */
#define DMATXCTL_TE           BIT(0)

#define IXGBE_TXQ(n)    (0x06000 + 0x40 * (n))
#define IXGBE_TDBAL(n)  (IXGBE_TXQ(n) + 0x00)
#define IXGBE_TDBAH(n)  (IXGBE_TXQ(n) + 0x04)
#define IXGBE_TDLEN(n)  (IXGBE_TXQ(n) + 0x08)
#define IXGBE_TDH(n)    (IXGBE_TXQ(n) + 0x10) /* RW only while the queue is off */
#define IXGBE_TDT(n)    (IXGBE_TXQ(n) + 0x18) /* RW one past the last descriptor to send */
#define IXGBE_TXDCTL(n) (IXGBE_TXQ(n) + 0x28)
#define TXDCTL_PTHRESH  BITS(6, 0)  /* prefetch when fewer descriptors than this are on chip... */
#define TXDCTL_HTHRESH  BITS(14, 8) /* ...and at least this many are ready in memory */
#define TXDCTL_ENABLE   BIT(25)
#define TXDCTL_SWFLSH   BIT(26) /* SC drop the descriptors on the chip */

/* --- MAC and link (8.2.3.22) --- */

#define IXGBE_AUTOC      0x042A0 /* RW */
#define AUTOC_RESTART_AN BIT(12) /* SC */
#define IXGBE_LINKS      0x042A4 /* RO */
#define LINKS_SPEED      BITS(29, 28)
#define LINKS_SPEED_10G  3
#define LINKS_SPEED_1G   2
#define LINKS_SPEED_100M 1
#define LINKS_UP         BIT(30)

/* --- Statistics (8.2.3.23): all RC; they stop at all ones --- */

#define IXGBE_MPC(i)            (0x03FA0 + 4 * (i)) /* RC 8: missed, packet buffer i full */
#define IXGBE_QPRC(c)           (0x01030 + 0x40 * (c)) /* RC 16: received by the queues of counter set c */
#define IXGBE_QPRDC(c)          (0x01430 + 0x40 * (c)) /* RC 16: dropped for lack of a descriptor */
#define IXGBE_QPTC(c)           (0x06030 + 0x40 * (c)) /* RC 16: sent */
#define IXGBE_RQSMR(i)          (0x02300 + 4 * (i)) /* RW 32: four queues' counter sets, a byte each */
#define IXGBE_TQSM(i)           (0x08600 + 4 * (i)) /* RW 32 */
#define IXGBE_COUNTER_SET_COUNT 16u
