/* SPDX-License-Identifier: MIT */
/* What a file is (POSIX); Linux's mode bits. */
#pragma once

#include <sys/types.h>
#include <time.h>

#define S_IFMT         0170000
#define S_IFSOCK       0140000
#define S_IFREG        0100000
#define S_IFDIR        0040000
#define S_IFCHR        0020000
#define S_ISREG(mode)  (((mode)&S_IFMT) == S_IFREG)
#define S_ISDIR(mode)  (((mode)&S_IFMT) == S_IFDIR)
#define S_ISSOCK(mode) (((mode)&S_IFMT) == S_IFSOCK)

struct stat {
    dev_t st_dev;
    ino_t st_ino;
    mode_t st_mode;
    nlink_t st_nlink;
    uid_t st_uid;
    gid_t st_gid;
    dev_t st_rdev;
    off_t st_size;
    blksize_t st_blksize;
    blkcnt_t st_blocks;
    struct timespec st_mtim;
};
#define st_mtime st_mtim.tv_sec

int fstat(int fd, struct stat *result);
int stat(const char *restrict path, struct stat *restrict result);
