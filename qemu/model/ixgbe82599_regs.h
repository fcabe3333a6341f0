/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers and descriptor fields of the 82599, by their datasheet names: those that the model
 * acts upon. Registers that only store a value appear in the rules of ixgbe82599_core.c.
 *
 * The driver in drivers/ixgbe has a table of its own. Do not share them: a slip in a shared
 * table would agree with itself.
 */
#pragma once

#include "qemu/bitops.h"

#define IXGBE_CSR_BYTES 0x20000
#define IXGBE_QUEUES 128
#define IXGBE_VECTORS 64
#define IXGBE_STAT_SETS 16
#define IXGBE_RARS 128

/* General, NVM and semaphores. */
#define IXGBE_CTRL 0x00000
#define   CTRL_MASTER_DISABLE BIT(2)
#define   CTRL_LRST BIT(3)
#define   CTRL_RST BIT(26)
#define IXGBE_STATUS 0x00008
#define   STATUS_LINK_UP BIT(7)
#define   STATUS_MASTER_ENABLE BIT(19)
#define IXGBE_CTRL_EXT 0x00018
#define   CTRL_EXT_EXTENDED_VLAN BIT(26)
#define IXGBE_EEC 0x10010
#define IXGBE_EERD 0x10014
#define IXGBE_EEWR 0x10018
#define   EERD_START BIT(0)
#define   EERD_DONE BIT(1)
#define IXGBE_SWSM 0x10140
#define   SWSM_SMBI BIT(0)
#define IXGBE_FWSM 0x10148
#define IXGBE_GSSR 0x10160

/* MAC and link. */
#define IXGBE_HLREG0 0x04240
#define   HLREG0_RX_CRC_STRIP BIT(1)
#define   HLREG0_JUMBO BIT(2)
#define   HLREG0_TX_PAD BIT(10)
#define   HLREG0_LOOPBACK BIT(15)
#define IXGBE_MSCA 0x0425c
#define   MSCA_COMMAND BIT(30)
#define IXGBE_MSRWD 0x04260
#define IXGBE_MAXFRS 0x04268
#define IXGBE_MFLCN 0x04294
#define   MFLCN_PASS_MAC_CONTROL BIT(0)
#define IXGBE_AUTOC 0x042a0
#define   AUTOC_RESTART_AN BIT(12)
#define IXGBE_LINKS 0x042a4
#define   LINKS_NO_DROP BIT(7)
#define   LINKS_10G_PARALLEL BIT(26)
#define   LINKS_SPEED_10G (3u << 28)
#define   LINKS_UP BIT(30)
#define IXGBE_ANLP1 0x042b0

/* Interrupts. */
#define IXGBE_EICR 0x00800
#define   EICR_FLOW_DIRECTOR BIT(16)
#define   EICR_LSC BIT(20)
#define   EICR_TCP_TIMER BIT(30)
#define IXGBE_EICS 0x00808
#define IXGBE_EIAC 0x00810
#define IXGBE_EITR(n) ((n) < 24 ? 0x00820 + 4 * (n) : 0x12300 + 4 * ((n) - 24))
#define   EITR_INTERVAL_SHIFT 3
#define   EITR_INTERVAL_LENGTH 9
#define   EITR_COUNTER_SHIFT 21
#define   EITR_COUNTER_LENGTH 7
#define   EITR_KEEP_COUNTER BIT(31)
#define IXGBE_EIMS 0x00880
#define IXGBE_EIMC 0x00888
#define IXGBE_EIAM 0x00890
#define IXGBE_GPIE 0x00898
#define   GPIE_MSIX BIT(4)
#define   GPIE_OCD BIT(5)
#define   GPIE_EIMEN BIT(6)
#define   GPIE_EIAME BIT(30)
#define   GPIE_PBA BIT(31)
#define IXGBE_IVAR(n) (0x00900 + 4 * (n))
#define   IVAR_VALID 0x80
#define   IVAR_VECTOR 0x3f
#define IXGBE_IVAR_MISC 0x00a00
#define IXGBE_PBACL(n) (0x110c0 + 4 * (n))

/* A queue's ring, at the same places in receive and transmit queues. */
#define QUEUE_BAL 0x00
#define QUEUE_BAH 0x04
#define QUEUE_LEN 0x08
#define QUEUE_HEAD 0x10
#define QUEUE_TAIL 0x18

/* Receive: queues, then what holds for all of them. */
#define IXGBE_RXQ(n) ((n) < 64 ? 0x01000 + 0x40 * (n) : 0x0d000 + 0x40 * ((n) - 64))
#define IXGBE_RDH(n) (IXGBE_RXQ(n) + QUEUE_HEAD)
#define IXGBE_SRRCTL(n) (IXGBE_RXQ(n) + 0x14)
#define   SRRCTL_DESCTYPE_SHIFT 25
#define   SRRCTL_DESCTYPE_LENGTH 3
#define   DESCTYPE_LEGACY 0
#define   DESCTYPE_ADVANCED_ONE_BUFFER 1
#define   SRRCTL_BUFFER_KB 0x1f
#define   SRRCTL_DROP_EN BIT(28)
#define IXGBE_RXDCTL(n) (IXGBE_RXQ(n) + 0x28)
#define   XXDCTL_ENABLE BIT(25)
#define   XXDCTL_SWFLSH BIT(26)
#define   RXDCTL_VME BIT(30)
#define IXGBE_PFQDE 0x02f04
#define IXGBE_RXCTRL 0x03000
#define   RXCTRL_RXEN BIT(0)
#define IXGBE_RXCSUM 0x05000
#define   RXCSUM_IPPCSE BIT(12)
#define   RXCSUM_PCSD BIT(13)

/* Layer 2 filters. */
#define IXGBE_EXVET 0x05078
#define IXGBE_FCTRL 0x05080
#define   FCTRL_MULTICAST_PROMISCUOUS BIT(8)
#define   FCTRL_UNICAST_PROMISCUOUS BIT(9)
#define   FCTRL_BROADCAST_ACCEPT BIT(10)
#define IXGBE_VLNCTRL 0x05088
#define   VLNCTRL_CFI BIT(28)
#define   VLNCTRL_CFI_CHECK BIT(29)
#define   VLNCTRL_FILTER BIT(30)
#define IXGBE_MCSTCTRL 0x05090
#define   MCSTCTRL_ENABLE BIT(2)
#define IXGBE_MTA(n) (0x05200 + 4 * (n))
#define IXGBE_VFTA(n) (0x0a000 + 4 * (n))
#define IXGBE_RAL(n) (0x0a200 + 8 * (n))
#define IXGBE_RAH(n) (0x0a204 + 8 * (n))
#define   RAH_VALID BIT(31)

/* Steering: EtherType, 5-tuple and SYN filters, RSS. */
#define IXGBE_ETQF(n) (0x05128 + 4 * (n))
#define   ETQF_ENABLE BIT(31)
#define IXGBE_ETQS(n) (0x0ec00 + 4 * (n))
#define   ETQS_QUEUE_ENABLE BIT(31)
#define IXGBE_SAQF(n) (0x0e000 + 4 * (n))
#define IXGBE_DAQF(n) (0x0e200 + 4 * (n))
#define IXGBE_SDPQF(n) (0x0e400 + 4 * (n))
#define IXGBE_FTQF(n) (0x0e600 + 4 * (n))
#define   FTQF_IGNORE_SOURCE BIT(25)
#define   FTQF_IGNORE_DESTINATION BIT(26)
#define   FTQF_IGNORE_SOURCE_PORT BIT(27)
#define   FTQF_IGNORE_DESTINATION_PORT BIT(28)
#define   FTQF_IGNORE_PROTOCOL BIT(29)
#define   FTQF_ENABLE BIT(31)
#define IXGBE_L34TIMIR(n) (0x0e800 + 4 * (n))
#define IXGBE_SYNQF 0x0ec30
#define   SYNQF_ENABLE BIT(0)
#define   SYNQF_FIRST BIT(31)
#define IXGBE_RETA(n) (0x0eb00 + 4 * (n))
#define IXGBE_RSSRK(n) (0x0eb80 + 4 * (n))
#define IXGBE_MRQC 0x0ec80
#define   MRQC_TCP_IPV4 BIT(16)
#define   MRQC_IPV4 BIT(17)
#define   MRQC_IPV6 BIT(20)
#define   MRQC_TCP_IPV6 BIT(21)
#define   MRQC_UDP_IPV4 BIT(22)
#define   MRQC_UDP_IPV6 BIT(23)

/* Flow director. */
#define IXGBE_FDIRCTRL 0x0ee00
#define   FDIRCTRL_PBALLOC 3
#define   FDIRCTRL_INIT_DONE BIT(3)
#define   FDIRCTRL_PERFECT BIT(4)
#define   FDIRCTRL_REPORT_STATUS BIT(5)
#define   FDIRCTRL_REPORT_ALWAYS BIT(7)
#define IXGBE_FDIRSIPV6(n) (0x0ee0c + 4 * (n))
#define IXGBE_FDIRIPSA 0x0ee18
#define IXGBE_FDIRIPDA 0x0ee1c
#define IXGBE_FDIRPORT 0x0ee20
#define IXGBE_FDIRVLAN 0x0ee24
#define IXGBE_FDIRHASH 0x0ee28
#define   FDIRHASH_BUCKET 0x7fff
#define IXGBE_FDIRCMD 0x0ee2c
#define   FDIRCMD_COMMAND 3
#define   FDIRCMD_VALID BIT(2)
#define   FDIRCMD_UPDATE BIT(3)
#define   FDIRCMD_IPV6_DESTINATION BIT(4)
#define   FDIRCMD_IPV6 BIT(7)
#define   FDIRCMD_CLEARHT BIT(8)
#define   FDIRCMD_DROP BIT(9)
#define   FDIRCMD_COLLISION BIT(12)
#define   FDIRCMD_QUEUE_ENABLE BIT(15)
#define IXGBE_FDIRFREE 0x0ee38
#define IXGBE_FDIRDIP4M 0x0ee3c
#define IXGBE_FDIRSIP4M 0x0ee40
#define IXGBE_FDIRTCPM 0x0ee44
#define IXGBE_FDIRUDPM 0x0ee48
#define IXGBE_FDIRLEN 0x0ee4c
#define IXGBE_FDIRUSTAT 0x0ee50
#define IXGBE_FDIRFSTAT 0x0ee54
#define IXGBE_FDIRMATCH 0x0ee58
#define IXGBE_FDIRMISS 0x0ee5c
#define IXGBE_FDIRHKEY 0x0ee68
#define IXGBE_FDIRSKEY 0x0ee6c
#define IXGBE_FDIRM 0x0ee70
#define   FDIRM_VLAN_ID BIT(0)
#define   FDIRM_VLAN_PRIORITY BIT(1)
#define   FDIRM_L4 BIT(3)
#define   FDIRM_FLEX BIT(4)
#define IXGBE_FDIRIP6M 0x0ee74

/* Transmit. */
#define IXGBE_TXQ(n) (0x06000 + 0x40 * (n))
#define IXGBE_TDH(n) (IXGBE_TXQ(n) + QUEUE_HEAD)
#define IXGBE_TXDCTL(n) (IXGBE_TXQ(n) + 0x28)
#define IXGBE_TDWBAL(n) (IXGBE_TXQ(n) + 0x38)
#define   TDWBAL_ENABLE BIT(0)
#define IXGBE_TDWBAH(n) (IXGBE_TXQ(n) + 0x3c)
#define IXGBE_DMATXCTL 0x04a80
#define   DMATXCTL_TE BIT(0)
#define IXGBE_DTXTCPFLGL 0x04a88
#define IXGBE_DTXTCPFLGH 0x04a8c

/* Statistics. A pair counts in 36 bits: the low word, then the high one. */
#define IXGBE_PRC64 0x0405c
#define IXGBE_GPRC 0x04074
#define IXGBE_BPRC 0x04078
#define IXGBE_MPRC 0x0407c
#define IXGBE_GPTC 0x04080
#define IXGBE_GORCL 0x04088
#define IXGBE_GOTCL 0x04090
#define IXGBE_ROC 0x040ac
#define IXGBE_TORL 0x040c0
#define IXGBE_TPR 0x040d0
#define IXGBE_TPT 0x040d4
#define IXGBE_PTC64 0x040d8
#define IXGBE_MPTC 0x040f0
#define IXGBE_BPTC 0x040f4
#define IXGBE_XEC 0x04120
#define IXGBE_RXNFGPC 0x041b0
#define IXGBE_RXNFGBCL 0x041b4
#define IXGBE_RXDGPC 0x02f50
#define IXGBE_RXDGBCL 0x02f54
#define IXGBE_TXDGPC 0x087a0
#define IXGBE_TXDGBCL 0x087a4
#define IXGBE_RQSMR(n) (0x02300 + 4 * (n))
#define IXGBE_TQSM(n) (0x08600 + 4 * (n))
#define IXGBE_QPRC(n) (0x01030 + 0x40 * (n))
#define IXGBE_QBRCL(n) (0x01034 + 0x40 * (n))
#define IXGBE_QPRDC(n) (0x01430 + 0x40 * (n))
#define IXGBE_QPTC(n) (0x06030 + 0x40 * (n))
#define IXGBE_QBTCL(n) (0x08700 + 8 * (n))

/* Receive descriptor, advanced write-back: first quadword. */
#define RXD_RSS_TYPE_FLOW_DIRECTOR 0xf
#define RXD_PACKET_TYPE_SHIFT 4
#define   PACKET_IPV4 BIT(0)
#define   PACKET_IPV4_OPTIONS BIT(1)
#define   PACKET_IPV6 BIT(2)
#define   PACKET_IPV6_EXTENSIONS BIT(3)
#define   PACKET_TCP BIT(4)
#define   PACKET_UDP BIT(5)
#define   PACKET_SCTP BIT(6)
#define   PACKET_ETQF BIT(11)
/* Second quadword, low half: status and errors. */
#define RXD_DD BIT(0)
#define RXD_EOP BIT(1)
#define RXD_FLM BIT(2)
#define RXD_VP BIT(3)
#define RXD_UDPCS BIT(4)
#define RXD_L4I BIT(5)
#define RXD_IPCS BIT(6)
#define RXD_PIF BIT(7)
#define RXD_VEXT BIT(9)
#define RXD_FDIR_LENGTH BIT(20)
#define RXD_FDIR_DROP BIT(21)
#define RXD_FDIR_COLLISION BIT(22)
#define RXD_L4E BIT(30)
#define RXD_IPE BIT(31)
/* The same in a legacy descriptor's status and error bytes, which stand in bits 47:32. */
#define RXD_LEGACY_STATUS 0xfb
#define RXD_LEGACY_TCPE BIT(13)
#define RXD_LEGACY_IPE BIT(14)

/* Transmit descriptor: third dword. */
#define TXD_LENGTH 0xffff
#define TXD_DTYP_SHIFT 20
#define   TXD_DTYP_CONTEXT 2
#define TXD_EOP BIT(24)
#define TXD_LEGACY_IC BIT(26)
#define TXD_RS BIT(27)
#define TXD_DEXT BIT(29)
#define TXD_VLE BIT(30)
#define TXD_TSE BIT(31)
/* Fourth dword. */
#define TXD_DD BIT(0)
#define TXD_IDX BIT(4)
#define TXD_IXSM BIT(8)
#define TXD_TXSM BIT(9)
#define TXD_IPSEC BIT(10)
/* Context: third dword. */
#define TXC_IPV4 BIT(10)
#define TXC_L4_SHIFT 11
#define   TXC_L4_UDP 0
#define   TXC_L4_TCP 1
#define   TXC_L4_SCTP 2
/* Context: fourth dword. */
#define TXC_IDX BIT(4)
