/* SPDX-License-Identifier: MIT */
/*
 * lwIP as a TCP by itself, which ours is compared with (reference.h): its own memory, sender and
 * demultiplexing, no seams of ours; windows as those of net/transport/tcp/receiver.h.
 */
#pragma once

#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET          0
#define LWIP_NETCONN         0
#define LWIP_TIMERS          0

#define MEM_ALIGNMENT   8
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1

#define LWIP_SINGLE_NETIF 1
#define LWIP_ARP          0
#define LWIP_ETHERNET     0
#define LWIP_IPV4         1
#define LWIP_IPV6         0
#define IP_REASSEMBLY     0
#define IP_FRAG           0
#define LWIP_ICMP         0
#define LWIP_RAW          0
#define LWIP_UDP          0
#define LWIP_DHCP         0

#define LWIP_EVENT_API             1
#define LWIP_CALLBACK_API          0
#define TCP_MSS                    1460
#define TCP_CALCULATE_EFF_SEND_MSS 0
#define TCP_WND                    65536
#define TCP_SND_BUF                (256 * 1024)
#define LWIP_WND_SCALE             1
#define TCP_RCV_SCALE              7
#define TCP_SND_QUEUELEN           1024
#define TCP_SNDLOWAT               32768
#define TCP_QUEUE_OOSEQ            1
#define LWIP_TCP_SACK_OUT          1
#define LWIP_TCP_MAX_SACK_NUM      4
#define TCP_OOSEQ_MAX_BYTES        131072
#define TCP_OOSEQ_MAX_PBUFS        64
#define TCP_OVERSIZE               TCP_MSS
#define TCP_LISTEN_BACKLOG         0
#define SO_REUSE                   0

#define CHECKSUM_GEN_IP    0
#define CHECKSUM_GEN_TCP   0
#define CHECKSUM_CHECK_IP  0
#define CHECKSUM_CHECK_TCP 0

#define LWIP_STATS 0
