/* SPDX-License-Identifier: MIT */
/*
 * Console, protocols and memory of the firmware.
 */
#include "boot/uefi/firmware.h"

#include <string.h>

#include "boot/boot_info.h"

/* Chosen: a line of a console. */
#define PRINT_CHARACTERS 80

EFI_SYSTEM_TABLE *firmware;

void firmware_print(const char *text)
{
    SIMPLE_TEXT_OUTPUT_INTERFACE *output = firmware->ConOut;
    CHAR16 part[PRINT_CHARACTERS + 1];

    if (output == NULL) {
        return;
    }
    while (*text != '\0') {
        unsigned count = 0;

        while (*text != '\0' && count < PRINT_CHARACTERS - 1) {
            if (*text == '\n') {
                part[count++] = '\r';
            }
            part[count++] = (CHAR16)*text++;
        }
        part[count] = '\0';
        (void)output->OutputString(output, part); /* there is no other place to say it */
    }
}

void firmware_wait_for_key(const char *question)
{
    SIMPLE_INPUT_INTERFACE *input = firmware->ConIn;
    UINTN index;

    if (input == NULL || input->Reset(input, FALSE) != EFI_SUCCESS) {
        return;
    }
    firmware_print(question);
    (void)firmware->BootServices->WaitForEvent(1, &input->WaitForKey, &index);
}

void *firmware_protocol(EFI_HANDLE handle, const EFI_GUID *protocol)
{
    EFI_GUID guid = *protocol; /* the firmware's declaration is not const */
    void *interface = NULL;

    if (handle == NULL ||
        firmware->BootServices->HandleProtocol(handle, &guid, &interface) != EFI_SUCCESS) {
        return NULL;
    }
    return interface;
}

void *firmware_allocate(uint64_t bytes, EFI_MEMORY_TYPE type)
{
    EFI_PHYSICAL_ADDRESS paddr = BOOT_MAPPED_BYTES - 1;

    if (bytes == 0 || bytes > BOOT_MAPPED_BYTES ||
        firmware->BootServices->AllocatePages(AllocateMaxAddress, type,
                                              ALIGN_UP(bytes, (uint64_t)PAGE_BYTES) / PAGE_BYTES,
                                              &paddr) != EFI_SUCCESS) {
        return NULL;
    }
    memset((void *)paddr, 0, ALIGN_UP(bytes, (uint64_t)PAGE_BYTES));
    return (void *)paddr;
}
