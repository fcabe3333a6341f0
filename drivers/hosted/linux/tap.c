/* SPDX-License-Identifier: MIT */
/*
 * TAP devices (Linux' Documentation/networking/tuntap.rst): frames by read() and write().
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "drivers/hosted/linux.h"

/* The same bit of any address is free to be chosen; so our end differs from the other. */
#define OUR_END 0x40

static int attach(int file, const char *name, bool has_queues)
{
    struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI)};

    if (has_queues) {
        request.ifr_flags |= IFF_MULTI_QUEUE;
    }
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    return ioctl(file, TUNSETIFF, &request) == 0 ? 0 : -errno;
}

int linux_tap_open(const char *name, bool *has_queues, uint8_t mac[6])
{
    int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int result;

    if (file < 0) {
        return -errno;
    }
    result = attach(file, name, *has_queues);
    if (result == -EINVAL) { /* it was made the other way */
        *has_queues = !*has_queues;
        result = attach(file, name, *has_queues);
    }
    if (result == 0) {
        result = linux_interface_mac(name, mac);
    }
    if (result != 0) {
        close(file);
        return result;
    }
    mac[0] = (uint8_t)((mac[0] & 0xFE) | 0x02); /* one station's, given by hand */
    mac[5] ^= OUR_END;
    return file;
}

int linux_tap_read(int file, void *frame, size_t bytes)
{
    ssize_t length = read(file, frame, bytes);

    return length >= 0 ? (int)length : -errno;
}

int linux_tap_write(int file, const struct frame_fragment *pieces, unsigned count)
{
    struct iovec parts[FRAME_FRAGMENT_MAX];

    for (unsigned i = 0; i < count; i++) {
        parts[i] = (struct iovec){.iov_base = (void *)(uintptr_t)pieces[i].data,
                                  .iov_len = pieces[i].length_bytes};
    }
    return writev(file, parts, (int)count) >= 0 ? 0 : -errno;
}
