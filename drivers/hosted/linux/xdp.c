/* SPDX-License-Identifier: MIT */
/*
 * AF_XDP (Linux' Documentation/networking/af_xdp.rst). Four rings shared with Linux: chunks given
 * for frames to come, frames that have come, frames to send, chunks that were sent. Whoever writes
 * a ring publishes its producer with a release, whoever reads it its consumer; the other side's is
 * loaded with an acquire. A program of five instructions leads what comes to the socket.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "drivers/hosted/linux.h"

#define RING_MASK (LINUX_XDP_RING_FRAMES - 1)

_Static_assert(IS_POWER_OF_TWO(LINUX_XDP_RING_FRAMES), "places are the low bits of a count");

struct ring {
    uint32_t *producer;
    uint32_t *consumer;
    uint32_t *flags;
    void *places;
    uint32_t own; /* our count, of the two */
};

static int xdp_socket;
static struct ring given, come, to_send, sent;

/* --- Rings --- */

static uint32_t load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void publish(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

unsigned linux_xdp_receive(struct linux_xdp_frame *frames, unsigned frame_max)
{
    unsigned count = load(come.producer) - come.own;

    count = count < frame_max ? count : frame_max;
    for (unsigned i = 0; i < count; i++) {
        const struct xdp_desc *place = &((struct xdp_desc *)come.places)[come.own++ & RING_MASK];

        frames[i] = (struct linux_xdp_frame){place->addr, place->len};
    }
    if (count != 0) {
        publish(come.consumer, come.own);
    }
    return count;
}

void linux_xdp_give(uint64_t offset)
{
    ((uint64_t *)given.places)[given.own++ & RING_MASK] = offset;
    publish(given.producer, given.own);
}

void linux_xdp_send(const struct linux_xdp_frame *frame)
{
    ((struct xdp_desc *)to_send.places)[to_send.own++ & RING_MASK] =
        (struct xdp_desc){.addr = frame->offset, .len = frame->length_bytes};
}

void linux_xdp_flush(void)
{
    if (to_send.own == *to_send.producer) {
        return;
    }
    publish(to_send.producer, to_send.own);
    if ((load(to_send.flags) & XDP_RING_NEED_WAKEUP) != 0) {
        /* What it has no room for now goes with the next. */
        (void)!sendto(xdp_socket, NULL, 0, MSG_DONTWAIT, NULL, 0);
    }
}

int64_t linux_xdp_take_sent(void)
{
    uint64_t offset;

    if (load(sent.producer) == sent.own) {
        return -EAGAIN;
    }
    offset = ((uint64_t *)sent.places)[sent.own++ & RING_MASK];
    publish(sent.consumer, sent.own);
    return (int64_t)offset;
}

/* --- The socket --- */

static int map_ring(struct ring *ring, const struct xdp_ring_offset *offsets, off_t where,
                    size_t place_bytes)
{
    size_t bytes = offsets->desc + LINUX_XDP_RING_FRAMES * place_bytes;
    char *map =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, xdp_socket, where);

    if (map == MAP_FAILED) {
        return -errno;
    }
    *ring = (struct ring){
        .producer = (uint32_t *)(map + offsets->producer),
        .consumer = (uint32_t *)(map + offsets->consumer),
        .flags = (uint32_t *)(map + offsets->flags),
        .places = map + offsets->desc,
    };
    return 0;
}

static int set_up_rings(void *memory, size_t bytes)
{
    struct xdp_umem_reg region = {
        .addr = (uintptr_t)memory, .len = bytes, .chunk_size = LINUX_XDP_CHUNK_BYTES};
    static const int options[] = {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING,
                                  XDP_TX_RING};
    struct xdp_mmap_offsets offsets;
    socklen_t offsets_bytes = sizeof(offsets);
    int size = LINUX_XDP_RING_FRAMES;
    int result;

    if (setsockopt(xdp_socket, SOL_XDP, XDP_UMEM_REG, &region, sizeof(region)) != 0) {
        return -errno;
    }
    for (unsigned i = 0; i < ARRAY_COUNT(options); i++) {
        if (setsockopt(xdp_socket, SOL_XDP, options[i], &size, sizeof(size)) != 0) {
            return -errno;
        }
    }
    if (getsockopt(xdp_socket, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &offsets_bytes) != 0 ||
        offsets_bytes != sizeof(offsets)) {
        return -ENOSYS; /* Linux before 5.4 has no flags there */
    }
    result = map_ring(&given, &offsets.fr, (off_t)XDP_UMEM_PGOFF_FILL_RING, sizeof(uint64_t));
    if (result == 0) {
        result =
            map_ring(&sent, &offsets.cr, (off_t)XDP_UMEM_PGOFF_COMPLETION_RING, sizeof(uint64_t));
    }
    if (result == 0) {
        result = map_ring(&come, &offsets.rx, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc));
    }
    if (result == 0) {
        result = map_ring(&to_send, &offsets.tx, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc));
    }
    return result;
}

/* --- The program --- */

static int ask_bpf(int command, union bpf_attr *attribute)
{
    int result = (int)syscall(SYS_bpf, command, attribute, sizeof(*attribute));

    return result >= 0 ? result : -errno;
}

/* All that comes to the queue of the socket goes there; the rest, none here, to Linux. */
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
    union bpf_attr attribute;

    memset(&attribute, 0, sizeof(attribute));
    attribute.prog_type = BPF_PROG_TYPE_XDP;
    attribute.insns = (uintptr_t)code;
    attribute.insn_cnt = ARRAY_COUNT(code);
    attribute.license = (uintptr_t) "MIT";
    return ask_bpf(BPF_PROG_LOAD, &attribute);
}

/* By a link that ends with this process; in the driver, or where it cannot, behind it. */
static int attach_program(int program, unsigned interface)
{
    union bpf_attr attribute;
    int result;

    memset(&attribute, 0, sizeof(attribute));
    attribute.link_create.prog_fd = (uint32_t)program;
    attribute.link_create.target_ifindex = interface;
    attribute.link_create.attach_type = BPF_XDP;
    attribute.link_create.flags = XDP_FLAGS_DRV_MODE;
    result = ask_bpf(BPF_LINK_CREATE, &attribute);
    if (result < 0) {
        attribute.link_create.flags = XDP_FLAGS_SKB_MODE;
        result = ask_bpf(BPF_LINK_CREATE, &attribute);
    }
    return result < 0 ? result : 0;
}

static int lead_frames_here(unsigned interface)
{
    union bpf_attr attribute;
    uint32_t key = 0, value = (uint32_t)xdp_socket;
    int map, program, result;

    memset(&attribute, 0, sizeof(attribute));
    attribute.map_type = BPF_MAP_TYPE_XSKMAP;
    attribute.key_size = attribute.value_size = sizeof(uint32_t);
    attribute.max_entries = 1;
    map = ask_bpf(BPF_MAP_CREATE, &attribute);
    if (map < 0) {
        return map;
    }
    program = load_program(map);
    memset(&attribute, 0, sizeof(attribute));
    attribute.map_fd = (uint32_t)map;
    attribute.key = (uintptr_t)&key;
    attribute.value = (uintptr_t)&value;
    result = program < 0 ? program : ask_bpf(BPF_MAP_UPDATE_ELEM, &attribute);
    return result < 0 ? result : attach_program(program, interface);
}

/* --- The whole --- */

static int bind_to(unsigned interface)
{
    struct sockaddr_xdp address = {
        .sxdp_family = AF_XDP, .sxdp_ifindex = interface, .sxdp_flags = XDP_USE_NEED_WAKEUP};

    return bind(xdp_socket, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;
}

int linux_xdp_open(const char *name, void *memory, size_t bytes, uint8_t mac[6])
{
    unsigned interface = if_nametoindex(name);
    int result;

    if (interface == 0) {
        return -ENODEV;
    }
    result = linux_interface_mac(name, mac);
    xdp_socket = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (xdp_socket < 0) {
        return -errno;
    }
    result = result == 0 ? set_up_rings(memory, bytes) : result;
    result = result == 0 ? bind_to(interface) : result;
    result = result == 0 ? lead_frames_here(interface) : result;
    if (result != 0) {
        close(xdp_socket);
        return result;
    }
    return xdp_socket;
}
