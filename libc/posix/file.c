/* SPDX-License-Identifier: MIT */
/*
 * Read-only files. /boot/NAME is a boot module; mapping one returns its own address, which
 * lies in the archive that every node maps, so that what is sent from there is never copied.
 * Others are written when they are opened (libc/posix/file.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/limits.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/posix/descriptor.h"
#include "libc/posix/file.h"

#define BOOT_FOLDER "/boot/"

struct file {
    struct descriptor descriptor;
    const uint8_t *content;
    size_t bytes;
    size_t position;
    uint8_t *own_content; /* to be released with the file, or NULL */
};

MEMORY_KIND(file_kind, "file");
MEMORY_KIND(content_kind, "file_content");

/* --- Opening --- */

static int generate(struct file *file, size_t (*print)(char *text, size_t size))
{
    /* Counters grow by digits while we measure: some room for that, and cut what exceeds it. */
    size_t size = print(NULL, 0) + KIB;

    file->own_content = memory_allocate(&content_kind, size);
    if (file->own_content == NULL) {
        return -ENOMEM;
    }
    size_t length = print((char *)file->own_content, size);
    ASSERT(file->own_content[length < size ? length : size - 1] == '\0');
    file->content = file->own_content;
    file->bytes = length < size ? length : size - 1;
    return 0;
}

static int find_content(struct file *file, const char *path)
{
    const struct platform_module *module;

    LINKER_SET_EACH(generated_files, struct generated_file, generated)
    {
        if (strcmp(path, (*generated)->path) == 0) {
            return generate(file, (*generated)->print);
        }
    }
    if (strncmp(path, BOOT_FOLDER, strlen(BOOT_FOLDER)) != 0) {
        return -ENOENT;
    }
    for (unsigned i = 0; (module = platform_module(i)) != NULL; i++) {
        if (strcmp(path + strlen(BOOT_FOLDER), module->name) == 0) {
            file->content = module->start;
            file->bytes = module->bytes;
            return 0;
        }
    }
    return -ENOENT;
}

static ssize_t file_read(struct descriptor *descriptor, void *buffer, size_t bytes)
{
    struct file *file = (struct file *)descriptor;
    size_t left = file->position < file->bytes ? file->bytes - file->position : 0;

    if (bytes > left) {
        bytes = left;
    }
    ASSERT(bytes == 0 || file->content != NULL);
    memcpy(buffer, file->content + file->position, bytes);
    file->position += bytes;
    return (ssize_t)bytes;
}

static void file_close(struct descriptor *descriptor)
{
    struct file *file = (struct file *)descriptor;

    memory_release(&content_kind, file->own_content);
    memory_release(&file_kind, file);
}

static const struct descriptor_operations file_operations = {
    .read = file_read,
    .close = file_close,
};

static int open_file(const char *path, int flags)
{
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0) {
        return -EROFS;
    }
    struct file *file = memory_allocate_zeroed(&file_kind, sizeof(*file));
    if (file == NULL) {
        return -ENOMEM;
    }
    descriptor_initialise(&file->descriptor, &file_operations);
    status_note_progress(); /* content may be made now */
    int fd = find_content(file, path);
    if (fd == 0) {
        fd = descriptor_open(&file->descriptor);
    }
    if (fd < 0) {
        file_close(&file->descriptor);
    }
    return fd;
}

int open(const char *path, int flags, ...)
{
    return (int)call_result(open_file(path, flags));
}

/* --- Asking and moving --- */

static struct file *get_file(int fd, int otherwise, int *error)
{
    return (struct file *)descriptor_get_kind(fd, &file_operations, otherwise, error);
}

off_t lseek(int fd, off_t offset, int whence)
{
    int error;
    struct file *file = get_file(fd, -ESPIPE, &error);

    if (file == NULL) {
        return call_result(error);
    }
    off_t start = 0;
    if (whence == SEEK_CUR) {
        start = (off_t)file->position;
    } else if (whence == SEEK_END) {
        start = (off_t)file->bytes;
    } else if (whence != SEEK_SET) {
        return call_result(-EINVAL);
    }
    off_t position;
    if (__builtin_add_overflow(start, offset, &position)) {
        return call_result(-EOVERFLOW);
    }
    if (position < 0) {
        return call_result(-EINVAL);
    }
    file->position = (size_t)position;
    return position;
}

int file_find_place(int fd, const off_t *offset, struct file_place *place)
{
    int error = 0;
    const struct file *file = get_file(fd, -EINVAL, &error);

    if (file == NULL) {
        return error;
    }
    if (offset != NULL && *offset < 0) {
        return -EINVAL;
    }
    size_t position = offset != NULL ? (size_t)*offset : file->position;
    position = position < file->bytes ? position : file->bytes;
    *place = (struct file_place){file->content + position, file->bytes - position};
    return 0;
}

void file_advance(int fd, off_t *offset, size_t bytes)
{
    int error;
    struct file *file = get_file(fd, -EINVAL, &error);

    if (offset != NULL) {
        *offset += (off_t)bytes;
    } else if (file != NULL) { /* it may have been closed meanwhile */
        file->position += bytes;
    }
}

int fstat(int fd, struct stat *result)
{
    struct descriptor *descriptor = descriptor_get(fd);

    if (descriptor == NULL) {
        return (int)call_result(-EBADF);
    }
    *result = (struct stat){.st_mode = S_IFSOCK, .st_nlink = 1, .st_blksize = PAGE_BYTES};
    if (descriptor->operations == &file_operations) {
        const struct file *file = (struct file *)descriptor;
        result->st_mode = S_IFREG | 0444;
        result->st_size = (off_t)file->bytes;
        result->st_blocks = (blkcnt_t)((file->bytes + 511) / 512);
    }
    return 0;
}

int stat(const char *restrict path, struct stat *restrict result)
{
    int fd = open(path, O_RDONLY);

    if (fd < 0) {
        return -1;
    }
    int status = fstat(fd, result);
    close(fd);
    return status;
}

/* --- Mapping --- */

void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    int error = 0;
    const struct file *file = get_file(fd, -ENODEV, &error);

    (void)address; /* a hint; the content stays where it is */
    if (file == NULL) {
        errno = -error;
        return MAP_FAILED;
    }
    if (protection != PROT_READ || flags != MAP_PRIVATE) {
        errno = EACCES;
        return MAP_FAILED;
    }
    /* What was generated goes with its descriptor. */
    if (file->own_content != NULL) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    if (offset < 0 || offset % PAGE_BYTES != 0 || (size_t)offset > file->bytes ||
        bytes > file->bytes - (size_t)offset || bytes == 0) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    return (void *)(uintptr_t)(file->content + offset);
}

int munmap(void *address, size_t bytes)
{
    (void)address;
    (void)bytes;
    return 0; /* modules stay */
}
