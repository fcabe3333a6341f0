/* SPDX-License-Identifier: MIT */
/*
 * Files from a volume: of a disk, a CD, or whatever else the firmware has a file system for.
 */
#include "boot/uefi/file_source.h"

/* The largest that firmware is asked to read at once. Chosen: some fail above their own limit. */
#define READ_BYTES_MAX (1 * MIB)

/* Room for a file's name behind the fields: FAT's longest. */
#define FILE_NAME_BYTES_MAX 512

static const EFI_GUID volume_guid = SIMPLE_FILE_SYSTEM_PROTOCOL;

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

    if (status == EFI_SUCCESS) {
        status = file_allocate(file);
    }
    for (uint64_t done = 0; status == EFI_SUCCESS && done < file->bytes;) {
        UINTN part = file->bytes - done < READ_BYTES_MAX ? file->bytes - done : READ_BYTES_MAX;

        status = handle->Read(handle, &part, (char *)file->start + done);
        if (status == EFI_SUCCESS && part == 0) {
            return EFI_END_OF_FILE;
        }
        done += part;
    }
    return status;
}

static EFI_STATUS read_file(struct file_source *source, const char *path, struct file *file)
{
    CHAR16 wide_path[FILE_PATH_BYTES_MAX];
    EFI_FILE_PROTOCOL *handle;
    unsigned length = 0;

    while (length < FILE_PATH_BYTES_MAX - 1 && path[length] != '\0') {
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

bool volume_open(struct file_source *source, const EFI_LOADED_IMAGE *program)
{
    EFI_FILE_IO_INTERFACE *volume = firmware_protocol(program->DeviceHandle, &volume_guid);

    if (volume == NULL || volume->OpenVolume(volume, &source->root) != EFI_SUCCESS) {
        return false;
    }
    source->name = "the volume that this program was started from";
    source->read = read_file;
    return true;
}
