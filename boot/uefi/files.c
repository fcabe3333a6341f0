/* SPDX-License-Identifier: MIT */
/*
 * Files from the volume that the application was started from, which is only ever read; firmware
 * that starts a program over the network may offer one, too. Else the TFTP server is asked.
 */
#include "boot/uefi/firmware.h"

/* Chosen: paths here are short constants. */
#define PATH_CHARACTERS_MAX 63

/* The largest that firmware is asked to read at once. Chosen: some fail above their own limit. */
#define READ_BYTES_MAX (1 * MIB)

/* Room for a file's name behind the fields: FAT's longest. */
#define FILE_NAME_BYTES_MAX 512

static const EFI_GUID volume_guid = SIMPLE_FILE_SYSTEM_PROTOCOL;

void file_source_open(struct file_source *source, EFI_HANDLE device)
{
    EFI_FILE_IO_INTERFACE *volume = firmware_protocol(device, &volume_guid);

    *source = (struct file_source){0};
    if (volume != NULL && volume->OpenVolume(volume, &source->root) == EFI_SUCCESS) {
        return;
    }
    source->root = NULL;
    if (!network_open(source, device)) {
        source->pxe = NULL;
    }
}

const char *file_source_name(const struct file_source *source)
{
    return source->pxe != NULL ? "the TFTP server that this program was started from"
                               : "the volume that this program was started from";
}

static EFI_STATUS get_bytes(EFI_FILE_PROTOCOL *handle, uint64_t *bytes)
{
    static union {
        EFI_FILE_INFO info;
        uint8_t room[sizeof(EFI_FILE_INFO) + FILE_NAME_BYTES_MAX];
    } answer;
    EFI_GUID guid = EFI_FILE_INFO_ID;
    UINTN answer_bytes = sizeof(answer);
    EFI_STATUS status = handle->GetInfo(handle, &guid, &answer_bytes, &answer);

    *bytes = status == EFI_SUCCESS ? answer.info.FileSize : 0;
    if (status == EFI_SUCCESS && (answer.info.Attribute & EFI_FILE_DIRECTORY) != 0) {
        return EFI_NOT_FOUND;
    }
    return status;
}

static EFI_STATUS read_all(EFI_FILE_PROTOCOL *handle, struct file *file)
{
    EFI_STATUS status = get_bytes(handle, &file->bytes);

    if (status != EFI_SUCCESS || file->bytes == 0) {
        return status;
    }
    file->start = firmware_allocate(file->bytes, EfiLoaderData);
    if (file->start == NULL) {
        return EFI_OUT_OF_RESOURCES;
    }
    for (uint64_t done = 0; done < file->bytes;) {
        UINTN part = file->bytes - done < READ_BYTES_MAX ? file->bytes - done : READ_BYTES_MAX;

        status = handle->Read(handle, &part, (char *)file->start + done);
        if (status != EFI_SUCCESS || part == 0) {
            return status != EFI_SUCCESS ? status : EFI_END_OF_FILE;
        }
        done += part;
    }
    return EFI_SUCCESS;
}

EFI_STATUS file_read(struct file_source *source, const char *path, struct file *file)
{
    CHAR16 wide_path[PATH_CHARACTERS_MAX + 1];
    EFI_FILE_PROTOCOL *handle;
    unsigned length = 0;

    *file = (struct file){0};
    if (source->pxe != NULL) {
        return network_read(source, path, file);
    }
    if (source->root == NULL) {
        return EFI_NOT_FOUND;
    }
    while (length < PATH_CHARACTERS_MAX && path[length] != '\0') {
        wide_path[length] = (CHAR16)path[length];
        length++;
    }
    wide_path[length] = '\0';
    EFI_STATUS status = source->root->Open(source->root, &handle, wide_path, EFI_FILE_MODE_READ, 0);

    if (status != EFI_SUCCESS) {
        return status;
    }
    status = read_all(handle, file);
    (void)handle->Close(handle); /* cannot fail (UEFI 2.10, 13.5) */
    return status;
}
