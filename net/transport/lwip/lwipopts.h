/* SPDX-License-Identifier: MIT */
/*
 * lwIP's configuration. Of lwIP we use TCP, UDP, ICMP, IGMP, ARP, DHCP and the reassembly of
 * fragments. Demultiplexing, TIME_WAIT, the clocks, the neighbours of all transport servers and
 * memory are ours (net/transport/*.c). The same image runs on every node; the speaker runs DHCP and
 * ARP.
 */
#pragma once

/* One context per instance, driven by the dispatcher. */
#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET          0
#define LWIP_NETCONN         0
#define LWIP_TIMERS          1
#define LWIP_TIMERS_CUSTOM   1

#define LWIP_HOOK_FILENAME "hooks.h"

/* --- Memory: the node's allocator behind every object (memory.c) --- */
#define MEM_ALIGNMENT            8
#define MEM_LIBC_MALLOC          1
#define MEMP_MEM_MALLOC          1
#define MEM_STATS                0
#define MEMP_STATS               0
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define PBUF_POOL_SIZE           16 /* frames that come in do not use the pool */
#define PBUF_POOL_FREE_OOSEQ     0

/* --- Interface: one per node; traffic to the own address loops inside the instance --- */
#define LWIP_SINGLE_NETIF          1
#define LWIP_NETIF_LOOPBACK        1
#define LWIP_HAVE_LOOPIF           0
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_TX_SINGLE_PBUF  0
#define LWIP_NETIF_HWADDRHINT      0
#define ETH_PAD_SIZE               0

/* --- TCP --- */
#define LWIP_EVENT_API             1
#define LWIP_CALLBACK_API          0
#define TCP_MSS                    1460
#define TCP_CALCULATE_EFF_SEND_MSS 1
/* Chosen for 10 Gb/s at a round trip of 200 us: 250,000 bytes under way. */
#define TCP_WND                    (256 * 1024)
#define TCP_SND_BUF                (256 * 1024)
#define LWIP_WND_SCALE             1
#define TCP_RCV_SCALE              3
/* In pbufs: a full send buffer by reference takes two for each of its 180 segments. */
#define TCP_SND_QUEUELEN           1024
/* We do not ask lwIP whether a PCB is writable; the default breaks a check in init.c. */
#define TCP_SNDLOWAT               32768
#define TCP_QUEUE_OOSEQ            1
#define LWIP_TCP_SACK_OUT          1
#define LWIP_TCP_MAX_SACK_NUM      3
/* Bounds the scan of the queue and the receive buffers that one connection can hold. */
#define TCP_OOSEQ_MAX_BYTES        131072
#define TCP_OOSEQ_MAX_PBUFS        64
/* lwIP uses them for neither round-trip times nor PAWS: 12 bytes a segment for nothing. */
#define LWIP_TCP_TIMESTAMPS        0
#define TCP_OVERSIZE               TCP_MSS
/* An 8-bit counter; the connection manager keeps the backlogs. */
#define TCP_LISTEN_BACKLOG         0
#define SO_REUSE                   0
#define LWIP_TCP_KEEPALIVE         1
/* The round-trip estimator counts slow ticks, so this sets the retransmission floor: 200 to
 * 300 ms, above other stacks' delayed acknowledgements. */
#define TCP_SLOW_INTERVAL          100
#define TCP_FAST_INTERVAL          10
/* Retransmissions in a row: with time-outs of 0.3 to 60 s (round_trip.h) a peer is given up after 6
 * to 13 minutes (RFC 9293 3.8.3: 100 s at least). */
#define TCP_MAXRTX                 12
#define LWIP_TCP_PCB_NUM_EXT_ARGS  1

/* --- IP --- */
#define LWIP_IPV4           1
#define LWIP_IPV6           0
#define IP_OPTIONS_ALLOWED  0 /* drops source routing and its like */
#define IP_FORWARD          0
#define IP_FRAG             1
#define IP_REASSEMBLY       1 /* fragments reach the speaker only */
#define IP_REASS_MAX_PBUFS  64
#define MEMP_NUM_REASSDATA  16
#define LWIP_ICMP           1
#define LWIP_BROADCAST_PING 0
#define LWIP_MULTICAST_PING 0
#define LWIP_RAW            0
#define LWIP_UDP            1
#define LWIP_IGMP           1 /* the speaker; net/transport/groups.c bounds its list */
#define LWIP_AUTOIP         0

/* --- ARP and DHCP: the speaker --- */
#define LWIP_ARP                      1
#define ARP_TABLE_SIZE                127
#define ARP_QUEUEING                  0 /* packets wait in net/transport/neighbor.c */
#define ETHARP_SUPPORT_STATIC_ENTRIES 0
#define LWIP_DHCP                     1
/* Probing the offered address delays every boot by seconds. */
#define DHCP_DOES_ARP_CHECK           0
#define LWIP_DHCP_GET_NTP_SRV         1
#define LWIP_DHCP_MAX_NTP_SERVERS     1
/* So that the lease's name servers are told to us: dns.c is not compiled (net/transport/dns/). */
#define LWIP_DNS                      1
#define DNS_MAX_SERVERS               3

/* --- Checksums: compiled in, switched per packet by what the NIC has verified --- */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_CHECKSUM_ON_COPY        0

/* --- Statistics --- */
#define LWIP_STATS         1
#define LWIP_STATS_LARGE   1
#define LWIP_STATS_DISPLAY 0
#define LINK_STATS         0
#define ETHARP_STATS       0
#define IP_STATS           1
#define IPFRAG_STATS       1
#define TCP_STATS          1
#define UDP_STATS          1
#define ICMP_STATS         0
#define IGMP_STATS         1
#define MIB2_STATS         0
