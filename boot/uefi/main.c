/* SPDX-License-Identifier: MIT */
/*
 * The UEFI application: finds Talus beside itself, tells it what the firmware knows, and leaves the
 * firmware for it. Nothing is ever written to the volume.
 */
#include "boot/boot_info.h"
#include "boot/uefi/elf.h"
#include "boot/uefi/file_source.h"
#include "boot/uefi/firmware.h"
#include "boot/uefi/handoff.h"
#include "boot/uefi/load_options.h"
#include "boot/uefi/machine.h"

#include <string.h>

#define IMAGE_PATH         "\\EFI\\talus\\talus.elf"
#define CONFIGURATION_PATH "\\EFI\\talus\\talus.cfg"
#define ROOT_PATH          "\\EFI\\talus\\root.tar"
#define ROOT_NAME          "root.tar"
#define ENTRY_SYMBOL       "boot_entry_efi_paddr"

static const EFI_GUID loaded_image_guid = LOADED_IMAGE_PROTOCOL;

/* A complaint is one line: the name of what is meant, and what is wrong with it. */
static bool complain(const char *name, const char *fault)
{
    firmware_print("Talus cannot start: ");
    firmware_print(name);
    firmware_print(" ");
    firmware_print(fault);
    firmware_print("\n");
    return false;
}

/* Why a file that is there cannot be read, in words that follow a colon. */
static const char *explain(EFI_STATUS status)
{
    switch (status) {
    case EFI_TIMEOUT:
        return "no answer";
    case EFI_END_OF_FILE:
    case EFI_CONNECTION_FIN:
    case EFI_CONNECTION_RESET:
        return "it ends too early";
    case EFI_HTTP_ERROR:
        return "refused";
    case EFI_PROTOCOL_ERROR:
        return "an answer that does not say how long the file is";
    case EFI_VOLUME_CORRUPTED:
        return "the file system is damaged";
    case EFI_DEVICE_ERROR:
        return "the device fails";
    default:
        return NULL;
    }
}

/* As UEFI 2.10, appendix D, numbers them. */
static void print_error_number(EFI_STATUS status)
{
    char digits[sizeof(" 18446744073709551615")];
    char *first = digits + sizeof(digits) - 1;
    uint64_t number = status & ~EFI_ERROR_MASK;

    *first = '\0';
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    firmware_print("UEFI error ");
    firmware_print(first);
}

static bool complain_of_file(const struct file_source *source, const char *path, EFI_STATUS status)
{
    firmware_print("Talus cannot start: ");
    firmware_print(path);
    if (status == EFI_OUT_OF_RESOURCES) {
        firmware_print(" does not fit into memory\n");
        return false;
    }
    firmware_print(status == EFI_NOT_FOUND ? " is not on " : " cannot be read from ");
    firmware_print(source->name);
    firmware_print(source->place == NULL ? "" : source->place);
    if (status != EFI_NOT_FOUND) {
        const char *why = explain(status);

        firmware_print(": ");
        if (why != NULL) {
            firmware_print(why);
        } else {
            print_error_number(status);
        }
    }
    firmware_print("\n");
    return false;
}

/* Absent is as good as empty. */
static bool read_optional(struct file_source *source, const char *path, struct file *file)
{
    EFI_STATUS status = file_read(source, path, file);

    return status == EFI_SUCCESS || status == EFI_NOT_FOUND
               ? true
               : complain_of_file(source, path, status);
}

/* It was read before its place was known, and may lie there. */
static bool move_aside(const struct elf_image *image, struct file *file)
{
    paddr_t start = (paddr_t)file->start;

    if (start >= image->end || start + file->bytes <= image->start) {
        return true;
    }
    void *other = firmware_allocate(file->bytes, EfiLoaderData);

    if (other == NULL) {
        return false;
    }
    memcpy(other, file->start, file->bytes);
    file->start = other;
    return true;
}

static bool load_image(struct file_source *source, struct elf_image *image, struct file *file)
{
    EFI_STATUS status = file_read(source, IMAGE_PATH, file);

    if (status != EFI_SUCCESS) {
        return complain_of_file(source, IMAGE_PATH, status);
    }
    const char *fault = elf_read(image, file->start, file->bytes, ENTRY_SYMBOL);

    if (fault != NULL) {
        return complain(IMAGE_PATH, fault);
    }
    if (!handoff_claim(image) || !move_aside(image, file)) {
        return complain(IMAGE_PATH, "wants memory that the firmware keeps to itself");
    }
    return true;
}

/* Words of the boot entry or the shell stand behind those of the file, and win. */
static bool read_words(struct file_source *source, const EFI_LOADED_IMAGE *program,
                       struct boot_info *info)
{
    static char options[COMMAND_LINE_MAX_BYTES];
    struct file configuration;

    if (!load_options_read(options, sizeof(options), program->LoadOptions,
                           program->LoadOptions == NULL ? 0 : program->LoadOptionsSize)) {
        firmware_print("Talus: load options that are not text, ignored\n");
    }
    boot_info_set_command_line(info, options, sizeof(options));
    if (!read_optional(source, CONFIGURATION_PATH, &configuration)) {
        return false;
    }
    if (configuration.bytes > 0) {
        boot_info_add_configuration(info, configuration.start, configuration.bytes);
    }
    return true;
}

static bool read_root(struct file_source *source, struct boot_info *info)
{
    struct file root;

    if (!read_optional(source, ROOT_PATH, &root)) {
        return false;
    }
    if (root.bytes > 0) {
        boot_info_add_module(info, (paddr_t)root.start, root.bytes, ROOT_NAME, sizeof(ROOT_NAME));
    }
    return true;
}

/* NULL when something is missing, which has been said. */
static struct boot_info *read_info(struct file_source *source, const EFI_LOADED_IMAGE *program)
{
    struct boot_info *info = firmware_allocate(sizeof(*info), EfiLoaderData);

    if (info == NULL) {
        complain(IMAGE_PATH, "finds too little free memory");
        return NULL;
    }
    boot_info_initialise(info, "UEFI");
    return read_words(source, program, info) && read_root(source, info) ? info : NULL;
}

/* Returns only when something is missing, which has been said. */
static void start(EFI_HANDLE program_handle)
{
    EFI_LOADED_IMAGE *program = firmware_protocol(program_handle, &loaded_image_guid);
    struct file_source source;
    struct elf_image image;
    struct file image_file;
    struct boot_info *info = NULL;

    if (program == NULL) {
        complain("the firmware", "does not say what it started this program from");
        return;
    }
    file_source_open(&source, program);
    bool is_read =
        load_image(&source, &image, &image_file) && (info = read_info(&source, program)) != NULL;

    file_source_close(&source);
    if (is_read) {
        machine_describe(info);
        complain(IMAGE_PATH, handoff(&image, image_file.start, info, program_handle));
    }
}

EFI_STATUS efi_main(EFI_HANDLE program, EFI_SYSTEM_TABLE *system)
{
    firmware = system;
    /* It would reset the machine five minutes from now, in the middle of a question. */
    (void)firmware->BootServices->SetWatchdogTimer(0, 0, 0, NULL);
    start(program);
    firmware_wait_for_key("Press a key to go back to the firmware.\n");
    return EFI_LOAD_ERROR;
}
