/* SPDX-License-Identifier: MIT */
/*
 * AF_XDP (Linux' Documentation/networking/af_xdp.rst): four rings shared with Linux, which libxdp
 * makes: chunks given for frames to come, frames that have come, frames to send, chunks that were
 * sent. What leads frames to the socket is a program of five instructions, attached through libbpf:
 * libxdp's own would stay on the interface when this process is killed, this one ends with it.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#include "drivers/hosted/linux.h"

static struct xsk_ring_prod given, to_send;
static struct xsk_ring_cons come, sent;
static unsigned unsent_count; /* in to_send, not yet Linux's */
static int xdp_file;

/* --- Rings --- */

unsigned linux_xdp_receive(struct linux_xdp_frame *frames, unsigned frame_max)
{
    uint32_t place;
    unsigned count = xsk_ring_cons__peek(&come, frame_max, &place);

    for (unsigned i = 0; i < count; i++) {
        const struct xdp_desc *frame = xsk_ring_cons__rx_desc(&come, place + i);

        frames[i] = (struct linux_xdp_frame){frame->addr, frame->len};
    }
    xsk_ring_cons__release(&come, count);
    return count;
}

/* The next place of a ring that has one, since a caller keeps no more than a ring there. */
static uint32_t take_place(struct xsk_ring_prod *ring)
{
    uint32_t place;

    if (xsk_ring_prod__reserve(ring, 1, &place) != 1) {
        abort();
    }
    return place;
}

void linux_xdp_give(uint64_t offset)
{
    *xsk_ring_prod__fill_addr(&given, take_place(&given)) = offset;
    xsk_ring_prod__submit(&given, 1);
}

void linux_xdp_send(const struct linux_xdp_frame *frame)
{
    *xsk_ring_prod__tx_desc(&to_send, take_place(&to_send)) =
        (struct xdp_desc){.addr = frame->offset, .len = frame->length_bytes};
    unsent_count++;
}

void linux_xdp_flush(void)
{
    if (unsent_count == 0) {
        return;
    }
    xsk_ring_prod__submit(&to_send, unsent_count);
    unsent_count = 0;
    if (xsk_ring_prod__needs_wakeup(&to_send)) {
        /* What it has no room for now goes with the next. */
        (void)!sendto(xdp_file, NULL, 0, MSG_DONTWAIT, NULL, 0);
    }
}

int64_t linux_xdp_take_sent(void)
{
    uint64_t offset;
    uint32_t place;

    if (xsk_ring_cons__peek(&sent, 1, &place) == 0) {
        return -EAGAIN;
    }
    offset = *xsk_ring_cons__comp_addr(&sent, place);
    xsk_ring_cons__release(&sent, 1);
    return (int64_t)offset;
}

/* --- The program --- */

/* All that comes to the queue of the socket goes there; the rest, none here, to Linux. Returns its
 * file or an error. */
static int load_program(int map)
{
    const struct bpf_insn code[] = {
        {.code = BPF_LDX | BPF_W | BPF_MEM,
         .dst_reg = BPF_REG_2,
         .src_reg = BPF_REG_1,
         .off = offsetof(struct xdp_md, rx_queue_index)},
        {.code = BPF_LD | BPF_DW | BPF_IMM,
         .dst_reg = BPF_REG_1,
         .src_reg = BPF_PSEUDO_MAP_FD,
         .imm = map},
        {.code = 0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
        {.code = BPF_JMP | BPF_EXIT},
    };

    return bpf_prog_load(BPF_PROG_TYPE_XDP, "talus", "MIT", code, ARRAY_COUNT(code), NULL);
}

/* By a link, which ends with this process; in the driver, or where it cannot, behind it. */
static int attach_program(int program, unsigned interface)
{
    struct bpf_link_create_opts options = {.sz = sizeof(options), .flags = XDP_FLAGS_DRV_MODE};
    int result = bpf_link_create(program, (int)interface, BPF_XDP, &options);

    if (result < 0) {
        options.flags = XDP_FLAGS_SKB_MODE;
        result = bpf_link_create(program, (int)interface, BPF_XDP, &options);
    }
    return result < 0 ? result : 0;
}

static int lead_frames_here(struct xsk_socket *socket, unsigned interface)
{
    int map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "talus", sizeof(int), sizeof(int), 1, NULL);
    int program, result;

    if (map < 0) {
        return map;
    }
    program = load_program(map);
    if (program < 0) {
        return program;
    }
    result = xsk_socket__update_xskmap(socket, map);
    return result != 0 ? result : attach_program(program, interface);
}

/* --- The whole --- */

int linux_xdp_open(const char *name, void *memory, size_t bytes, uint8_t mac[6])
{
    const struct xsk_umem_config memory_options = {
        .fill_size = LINUX_XDP_RING_FRAMES,
        .comp_size = LINUX_XDP_RING_FRAMES,
        .frame_size = LINUX_XDP_CHUNK_BYTES,
    };
    const struct xsk_socket_config options = {
        .rx_size = LINUX_XDP_RING_FRAMES,
        .tx_size = LINUX_XDP_RING_FRAMES,
        .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
        .bind_flags = XDP_USE_NEED_WAKEUP,
    };
    unsigned interface = if_nametoindex(name);
    struct xsk_umem *chunks = NULL;
    struct xsk_socket *socket = NULL;
    int result;

    if (interface == 0) {
        return -ENODEV;
    }
    result = linux_interface_mac(name, mac);
    if (result == 0) {
        result = xsk_umem__create(&chunks, memory, bytes, &given, &sent, &memory_options);
    }
    if (result == 0) {
        result = xsk_socket__create(&socket, name, 0, chunks, &come, &to_send, &options);
    }
    if (result == 0) {
        result = lead_frames_here(socket, interface);
    }
    if (result != 0) {
        if (socket != NULL) {
            xsk_socket__delete(socket);
        }
        if (chunks != NULL) {
            (void)xsk_umem__delete(chunks); /* nobody else has them */
        }
        return result;
    }
    xdp_file = xsk_socket__fd(socket);
    return xdp_file;
}
