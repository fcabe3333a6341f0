/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces by their names (netdevice(7)).
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drivers/hosted/linux.h"

_Static_assert(LINUX_INTERFACE_NAME_BYTES == IFNAMSIZ, "names are as long as Linux has them");

/* Ask something of an interface; `request` has the answer. Returns 0 or an error. */
static int ask(const char *name, unsigned long what, struct ifreq *request)
{
    int file = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result;

    if (file < 0) {
        return -errno;
    }
    *request = (struct ifreq){.ifr_flags = 0};
    strncpy(request->ifr_name, name, IFNAMSIZ - 1);
    result = ioctl(file, what, request) == 0 ? 0 : -errno;
    close(file);
    return result;
}

bool linux_interface_is_up(const char *name)
{
    struct ifreq request;

    return ask(name, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
}

int linux_interface_mac(const char *name, uint8_t mac[6])
{
    struct ifreq request;
    int result = ask(name, SIOCGIFHWADDR, &request);

    if (result == 0) {
        memcpy(mac, request.ifr_hwaddr.sa_data, 6);
    }
    return result;
}
