/* SPDX-License-Identifier: MIT */
/*
 * sendfile(): from a file of libc/posix/file.c to any descriptor that is written to. A stream sends
 * what lies in the boot archive from where it lies, so a boot module is never copied.
 */
#include <errno.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "libc/posix/descriptor.h"
#include "libc/posix/file.h"

static ssize_t send_content(struct descriptor *to, const uint8_t *content, size_t bytes)
{
    const struct iovec piece = {.iov_base = (void *)(uintptr_t)content, .iov_len = bytes};

    return to->operations->write(to, &piece, 1, bytes);
}

static ssize_t send_file(int to, int from, off_t *offset, size_t bytes)
{
    struct descriptor *descriptor = descriptor_get(to);
    struct file_place place;
    int error = file_find_place(from, offset, &place);

    if (error != 0) {
        return error;
    }
    if (descriptor == NULL || descriptor->operations->write == NULL) {
        return -EBADF;
    }
    bytes = bytes < place.bytes ? bytes : place.bytes;
    if (bytes == 0) {
        return 0;
    }
    ssize_t sent = send_content(descriptor, place.content, bytes);
    if (sent > 0) {
        file_advance(from, offset, (size_t)sent);
    }
    return sent;
}

ssize_t sendfile(int to, int from, off_t *offset, size_t bytes)
{
    return call_result(send_file(to, from, offset, bytes));
}
