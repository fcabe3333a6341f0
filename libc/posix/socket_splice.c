/* SPDX-License-Identifier: MIT */
/*
 * SO_SPLICE, as on OpenBSD (getsockopt(2)): what comes on one socket goes out on another one, in
 * one direction, without the program. Its end is told as readiness to read, and by SO_ERROR. Two
 * things differ: at the end of its stream the drain is shut, as by shutdown(SHUT_WR); and while a
 * transport server moves the bytes their number is told when that has ended.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "libc/posix/socket.h"
#include "net/streams/splicing.h"

static int parse(const void *value, size_t bytes, struct splice *splice)
{
    *splice = (struct splice){0};
    if (bytes >= sizeof(*splice)) {
        memcpy(splice, value, sizeof(*splice));
    } else if (bytes == sizeof(splice->sp_fd)) {
        memcpy(&splice->sp_fd, value, sizeof(splice->sp_fd));
    } else {
        return -EINVAL;
    }
    return splice->sp_max < 0 || splice->sp_idle.tv_sec < 0 || splice->sp_idle.tv_usec < 0 ||
                   splice->sp_idle.tv_usec >= 1000000 ||
                   splice->sp_idle.tv_sec > (time_t)(INT64_MAX / NS_PER_S)
               ? -EINVAL
               : 0;
}

static bool is_connected(const struct socket *socket)
{
    return socket->descriptor.operations == &connected_operations;
}

int socket_splice(struct socket *source, const void *value, size_t bytes)
{
    struct splice splice;
    int error = parse(value, bytes, &splice);
    struct socket *drain;

    if (error != 0) {
        return error;
    }
    if (!is_connected(source)) {
        return -ENOTCONN;
    }
    if (splice.sp_fd < 0) {
        stream_unsplice(source->stream);
        return 0;
    }
    drain = socket_get_connected(splice.sp_fd, &error);
    if (drain == NULL) {
        return error == -EOPNOTSUPP ? -EPROTONOSUPPORT : error;
    }
    return stream_splice(
        source->stream, drain->stream,
        (struct splice_limits){.bytes_most = (uint64_t)splice.sp_max,
                               .idle_ns = (uint64_t)splice.sp_idle.tv_sec * NS_PER_S +
                                          (uint64_t)splice.sp_idle.tv_usec * NS_PER_US});
}

off_t socket_spliced_bytes(const struct socket *source)
{
    return is_connected(source) ? (off_t)stream_spliced_bytes(source->stream) : 0;
}
