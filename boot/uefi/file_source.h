/* SPDX-License-Identifier: MIT */
/*
 * Where files come from: the device that the application was started from. That is a volume, a
 * web server (HTTP boot) or a TFTP server (PXE), each read through the firmware's own protocols,
 * and only read.
 */
#pragma once

#include "boot/uefi/firmware.h"

/* A file read whole, in pages of its own. */
struct file {
    void *start;
    uint64_t bytes;
};

struct http_client;

struct file_source {
    const char *name;  /* in words that follow "on" */
    const char *place; /* and which one, or NULL */
    EFI_STATUS (*read)(struct file_source *source, const char *path, struct file *file);
    void (*close)(struct file_source *source); /* or NULL */
    /* What read() needs, by kind. */
    EFI_FILE_PROTOCOL *root;
    EFI_PXE_BASE_CODE_PROTOCOL *pxe;
    EFI_IP_ADDRESS server;
    struct http_client *http;
};

/* Always leaves a source; one that has no files if the device is of no kind that is known. */
void file_source_open(struct file_source *source, const EFI_LOADED_IMAGE *program);

/* Before the application goes back to the firmware: nothing of it may be called from then on. */
void file_source_close(struct file_source *source);

/*
 * Read a file by its path on a volume, such as \EFI\talus\talus.elf.
 *
 * Returns EFI_NOT_FOUND when there is none, EFI_OUT_OF_RESOURCES when memory does not hold it, or
 * the firmware's word for what went wrong.
 */
MUST_CHECK EFI_STATUS file_read(struct file_source *source, const char *path, struct file *file);

/* Memory for a file whose bytes are known; none for an empty one. */
MUST_CHECK EFI_STATUS file_allocate(struct file *file);

/* Chosen: paths here are short constants. */
#define FILE_PATH_BYTES_MAX 64

/* The path as networks have it: EFI/talus/talus.elf. */
void file_network_path(char network_path[FILE_PATH_BYTES_MAX], const char *path);

/* Of each kind: fill in the source if the application was started from there. */
bool volume_open(struct file_source *source, const EFI_LOADED_IMAGE *program);
bool http_open(struct file_source *source, const EFI_LOADED_IMAGE *program);
bool tftp_open(struct file_source *source, const EFI_LOADED_IMAGE *program);
