/* SPDX-License-Identifier: MIT */
/*
 * Files from the TFTP server that PXE started the application from, through the firmware's own
 * PXE base code (UEFI 2.10, 24.3), over IPv4 or IPv6. Names on the server are the paths on a
 * volume: EFI/talus/talus.elf.
 */
#include "boot/uefi/file_source.h"

#include <string.h>

#include "boot/uefi/url.h"
#include "libc/core/bytes.h"

/* A DHCPv6 option (RFC 8415 21.1): this, big-endian, and then so many bytes. */
struct option_header {
    uint16_t code;
    uint16_t bytes;
};

#define OPTION_BOOT_URL 59 /* RFC 5970 3.1 */

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

/* The packet ends where its bytes make no option: the firmware has zeroed what is behind it. */
static bool find_server_v6(const EFI_PXE_BASE_CODE_PACKET *packet, EFI_IP_ADDRESS *server)
{
    const uint8_t *options = packet->Dhcpv6.DhcpOptions;
    size_t bytes = sizeof(packet->Dhcpv6.DhcpOptions);

    for (size_t at = 0; at + sizeof(struct option_header) <= bytes;) {
        unsigned code = load_be16(options + at + offsetof(struct option_header, code));
        unsigned length = load_be16(options + at + offsetof(struct option_header, bytes));

        at += sizeof(struct option_header);
        if (length > bytes - at) {
            return false;
        }
        if (code == OPTION_BOOT_URL) {
            return url_read_ipv6(server->v6.Addr, (const char *)options + at, length);
        }
        at += length;
    }
    return false;
}

static EFI_STATUS ask(struct file_source *source, EFI_PXE_BASE_CODE_TFTP_OPCODE operation,
                      char *name, struct file *file)
{
    EFI_IP_ADDRESS server = source->server;

    return source->pxe->Mtftp(source->pxe, operation, file->start, FALSE, &file->bytes, NULL,
                              &server, (UINT8 *)name, NULL, FALSE);
}

static EFI_STATUS read_file(struct file_source *source, const char *path, struct file *file)
{
    char name[FILE_PATH_BYTES_MAX];

    file_network_path(name, path);
    EFI_STATUS status = ask(source, EFI_PXE_BASE_CODE_TFTP_GET_FILE_SIZE, name, file);

    /* A server's refusal has one code for whatever it dislikes; a missing file is the usual one. */
    if (status == EFI_TFTP_ERROR) {
        return EFI_NOT_FOUND;
    }
    if (status == EFI_SUCCESS) {
        status = file_allocate(file);
    }
    return status != EFI_SUCCESS || file->bytes == 0
               ? status
               : ask(source, EFI_PXE_BASE_CODE_TFTP_READ_FILE, name, file);
}

bool tftp_open(struct file_source *source, const EFI_LOADED_IMAGE *program)
{
    EFI_PXE_BASE_CODE_PROTOCOL *pxe = firmware_protocol(program->DeviceHandle, &pxe_guid);

    if (pxe == NULL || pxe->Mode == NULL || !pxe->Mode->Started) {
        return false;
    }
    const EFI_PXE_BASE_CODE_PACKET *packet = server_packet(pxe->Mode);

    if (packet == NULL) {
        return false;
    }
    if (!pxe->Mode->UsingIpv6) {
        memcpy(&source->server, packet->Dhcpv4.BootpSiAddr, sizeof(packet->Dhcpv4.BootpSiAddr));
    } else if (!find_server_v6(packet, &source->server)) {
        return false;
    }
    source->pxe = pxe;
    source->name = "the TFTP server that this program was started from";
    source->read = read_file;
    return true;
}
