/* SPDX-License-Identifier: MIT */
/*
 * errno and what its values mean to people.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

int errno;

static const struct {
    int number;
    const char *text;
} names[] = {
    {0, "no error"},
    {EPERM, "not permitted"},
    {ENOENT, "no such file"},
    {EINTR, "interrupted"},
    {EIO, "input or output failed"},
    {EBADF, "not an open descriptor"},
    {EAGAIN, "not now, try again"},
    {ENOMEM, "out of memory"},
    {EACCES, "no access"},
    {EBUSY, "busy"},
    {EEXIST, "exists already"},
    {ENODEV, "no such device"},
    {EISDIR, "is a directory"},
    {EINVAL, "invalid argument"},
    {ENFILE, "too many open in the system"},
    {EMFILE, "too many open descriptors"},
    {ESPIPE, "cannot seek"},
    {EROFS, "read-only"},
    {EPIPE, "nobody reads the other end"},
    {ERANGE, "out of range"},
    {ENAMETOOLONG, "name too long"},
    {ENOSYS, "not implemented"},
    {EOVERFLOW, "value too large"},
    {ENOTSOCK, "not a socket"},
    {EMSGSIZE, "message too long"},
    {ENOPROTOOPT, "no such option"},
    {EPROTO, "not what the protocol has"},
    {EPROTONOSUPPORT, "protocol not supported"},
    {EOPNOTSUPP, "operation not supported"},
    {EAFNOSUPPORT, "address family not supported"},
    {EADDRINUSE, "address in use"},
    {EADDRNOTAVAIL, "address not available"},
    {ENETDOWN, "network is down"},
    {ENETUNREACH, "network cannot be reached"},
    {ECONNABORTED, "connection aborted"},
    {ECONNRESET, "connection reset by peer"},
    {ENOBUFS, "out of buffers"},
    {EALREADY, "is being done already"},
    {EINPROGRESS, "is being done"},
    {EISCONN, "connected already"},
    {ENOTCONN, "not connected"},
    {ETIMEDOUT, "timed out"},
    {ECONNREFUSED, "connection refused"},
    {EHOSTUNREACH, "host cannot be reached"},
};

char *strerror(int number)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].number == number) {
            return (char *)(unsigned long)names[i].text;
        }
    }
    return (char *)(unsigned long)"unknown error";
}
