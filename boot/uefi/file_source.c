/* SPDX-License-Identifier: MIT */
/*
 * Chooses the source by the protocols of the device that the application came from.
 */
#include "boot/uefi/file_source.h"

static EFI_STATUS read_nothing(struct file_source *source, const char *path, struct file *file)
{
    (void)source;
    (void)path;
    (void)file;
    return EFI_NOT_FOUND;
}

void file_source_open(struct file_source *source, const EFI_LOADED_IMAGE *program)
{
    *source = (struct file_source){0};
    if (volume_open(source, program) || http_open(source, program) || tftp_open(source, program)) {
        return;
    }
    *source = (struct file_source){
        .name = "the device that this program was started from: it has no files",
        .read = read_nothing,
    };
}

void file_source_close(struct file_source *source)
{
    if (source->close != NULL) {
        source->close(source);
    }
}

EFI_STATUS file_read(struct file_source *source, const char *path, struct file *file)
{
    *file = (struct file){0};
    return source->read(source, path, file);
}

EFI_STATUS file_allocate(struct file *file)
{
    if (file->bytes == 0) {
        return EFI_SUCCESS;
    }
    file->start = firmware_allocate(file->bytes, EfiLoaderData);
    return file->start == NULL ? EFI_OUT_OF_RESOURCES : EFI_SUCCESS;
}

void file_network_path(char network_path[FILE_PATH_BYTES_MAX], const char *path)
{
    unsigned length = 0;

    for (path += *path == '\\' ? 1 : 0; length < FILE_PATH_BYTES_MAX - 1 && *path != '\0'; path++) {
        network_path[length++] = *path == '\\' ? '/' : *path;
    }
    network_path[length] = '\0';
}
