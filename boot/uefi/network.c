/* SPDX-License-Identifier: MIT */
/*
 * Files from the TFTP server that PXE started the application from, through the firmware's own
 * PXE base code (UEFI 2.10, 24.3), over IPv4. Names on the server are the paths on a volume, with
 * slashes and without the first one: EFI/talus/talus.elf.
 */
#include "boot/uefi/firmware.h"

#include <string.h>

#define PATH_CHARACTERS_MAX 63

static const EFI_GUID pxe_guid = EFI_PXE_BASE_CODE_PROTOCOL_GUID;

/* Who named the server last: the boot server itself, a proxy, or DHCP. */
static const EFI_PXE_BASE_CODE_PACKET *server_packet(const EFI_PXE_BASE_CODE_MODE *mode)
{
    if (mode->PxeReplyReceived) {
        return &mode->PxeReply;
    }
    if (mode->ProxyOfferReceived) {
        return &mode->ProxyOffer;
    }
    return mode->DhcpAckReceived ? &mode->DhcpAck : NULL;
}

bool network_open(struct file_source *source, EFI_HANDLE device)
{
    EFI_PXE_BASE_CODE_PROTOCOL *pxe = firmware_protocol(device, &pxe_guid);

    if (pxe == NULL || pxe->Mode == NULL || !pxe->Mode->Started || pxe->Mode->UsingIpv6) {
        return false;
    }
    const EFI_PXE_BASE_CODE_PACKET *packet = server_packet(pxe->Mode);

    if (packet == NULL) {
        return false;
    }
    source->pxe = pxe;
    memcpy(&source->server, packet->Dhcpv4.BootpSiAddr, sizeof(packet->Dhcpv4.BootpSiAddr));
    return true;
}

static EFI_STATUS ask(struct file_source *source, EFI_PXE_BASE_CODE_TFTP_OPCODE operation,
                      char *name, struct file *file)
{
    EFI_IP_ADDRESS server = source->server;

    return source->pxe->Mtftp(source->pxe, operation, file->start, FALSE, &file->bytes, NULL,
                              &server, (UINT8 *)name, NULL, FALSE);
}

EFI_STATUS network_read(struct file_source *source, const char *path, struct file *file)
{
    char name[PATH_CHARACTERS_MAX + 1];
    unsigned length = 0;

    for (path += *path == '\\' ? 1 : 0; length < PATH_CHARACTERS_MAX && *path != '\0'; path++) {
        name[length++] = *path == '\\' ? '/' : *path;
    }
    name[length] = '\0';
    EFI_STATUS status = ask(source, EFI_PXE_BASE_CODE_TFTP_GET_FILE_SIZE, name, file);

    /* A server's refusal has one code for whatever it dislikes; a missing file is the usual one. */
    if (status == EFI_TFTP_ERROR) {
        return EFI_NOT_FOUND;
    }
    if (status != EFI_SUCCESS || file->bytes == 0) {
        return status;
    }
    file->start = firmware_allocate(file->bytes, EfiLoaderData);
    return file->start == NULL ? EFI_OUT_OF_RESOURCES
                               : ask(source, EFI_PXE_BASE_CODE_TFTP_READ_FILE, name, file);
}
