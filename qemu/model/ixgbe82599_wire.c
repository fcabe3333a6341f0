/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wire: QEMU's network backend. A TAP device takes a packet that is to be segmented whole,
 * behind a virtio-net header that says where to cut; its host then handles it as one, as a
 * receiver that coalesces would. Other backends get the segments, made in ixgbe82599_offload.c.
 */
#include "ixgbe82599.h"

#include "standard-headers/linux/virtio_net.h"

void ixgbe_wire_init(IXGBEState *s)
{
    NetClientState *peer = qemu_get_queue(s->nic)->peer;

    if (!qemu_has_vnet_hdr(peer) || !qemu_has_vnet_hdr_len(peer, sizeof(struct virtio_net_hdr))) {
        return;
    }
    qemu_set_vnet_hdr_len(peer, sizeof(struct virtio_net_hdr));
    qemu_using_vnet_hdr(peer, true);
    /* Towards us: whole frames with finished checksums, as from a cable. */
    qemu_set_offload(peer, 0, 0, 0, 0, 0);
    s->has_vnet_header = true;
}

bool ixgbe_wire_can_segment(IXGBEState *s)
{
    return s->has_vnet_header;
}

static void send_behind(IXGBEState *s, const struct virtio_net_hdr *header, const uint8_t *data,
                        size_t bytes)
{
    struct iovec pieces[] = {
        { .iov_base = (void *)header, .iov_len = sizeof(*header) },
        { .iov_base = (void *)data, .iov_len = bytes },
    };

    qemu_sendv_packet(qemu_get_queue(s->nic), pieces, ARRAY_SIZE(pieces));
}

void ixgbe_wire_send(IXGBEState *s, const uint8_t *data, size_t bytes)
{
    static const struct virtio_net_hdr finished;

    if (s->has_vnet_header) {
        send_behind(s, &finished, data, bytes);
    } else {
        qemu_send_packet(qemu_get_queue(s->nic), data, bytes);
    }
}

void ixgbe_wire_send_burst(IXGBEState *s, const IXGBEBurst *burst, const uint8_t *data,
                           size_t bytes)
{
    const struct virtio_net_hdr header = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .gso_type = burst->is_ipv4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6,
        .hdr_len = burst->header_bytes,
        .gso_size = burst->segment_bytes,
        .csum_start = burst->tcp_offset,
        .csum_offset = burst->checksum_offset,
    };

    send_behind(s, &header, data, bytes);
}

size_t ixgbe_wire_header_bytes(IXGBEState *s)
{
    return s->has_vnet_header ? sizeof(struct virtio_net_hdr) : 0;
}
