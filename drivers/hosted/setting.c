/* SPDX-License-Identifier: MIT */
/*
 * The words behind `--card memory:`.
 */
#include "drivers/hosted/setting.h"

#include <errno.h>
#include <string.h>

#include "drivers/hosted/faults.h"
#include "kernel/log.h"
#include "libc/core/numbers.h"

static int parse_word(const char *word, size_t length, struct visitors_setting *parsed)
{
    static const struct {
        const char *name;
        uint64_t most;
    } numbers[] = {{"count=", UINT32_MAX}, {"parallel=", VISITORS_PARALLEL_MAX},
                   {"kept=", UINT32_MAX},  {"loss=", 900},
                   {"flood=", 1000},       {"seed=", UINT64_MAX},
                   {"among=", 1u << 24}};
    uint64_t values[ARRAY_COUNT(numbers)] = {
        parsed->count, parsed->parallel, parsed->per_connection, parsed->loss_per_mille,
        parsed->flood, parsed->seed,     parsed->among};

    if (length == 9 && memcmp(word, "unchecked", 9) == 0) {
        parsed->is_checked = false;
        return 0;
    }
    if (length == 6 && memcmp(word, "halved", 6) == 0) {
        parsed->is_halved = true;
        return 0;
    }
    if (length == 4 && memcmp(word, "syns", 4) == 0) {
        parsed->is_flood_of_syns = true;
        return 0;
    }
    if (length > 5 && memcmp(word, "fail=", 5) == 0) {
        return faults_parse(word + 5, length - 5) ? 0 : -EINVAL;
    }
    if (length > 5 && memcmp(word, "rest=", 5) == 0) {
        return faults_parse_rest(word + 5, length - 5) ? 0 : -EINVAL;
    }
    if (length > 5 && length - 5 < sizeof(parsed->path) && memcmp(word, "path=", 5) == 0) {
        memcpy(parsed->path, word + 5, length - 5);
        parsed->path[length - 5] = '\0';
        return 0;
    }
    for (unsigned i = 0; i < ARRAY_COUNT(numbers); i++) {
        size_t name_bytes = strlen(numbers[i].name);

        if (length > name_bytes && memcmp(word, numbers[i].name, name_bytes) == 0 &&
            number_parse(word + name_bytes, length - name_bytes, 10, numbers[i].most, &values[i]) ==
                0) {
            parsed->count = values[0];
            parsed->parallel = (unsigned)values[1];
            parsed->per_connection = (unsigned)values[2];
            parsed->loss_per_mille = (unsigned)values[3];
            parsed->flood = (unsigned)values[4];
            parsed->seed = values[5];
            parsed->among = (unsigned)values[6];
            return parsed->count != 0 && parsed->parallel != 0 && parsed->per_connection != 0 &&
                           parsed->among % parsed->parallel == 0
                       ? 0
                       : -EINVAL;
        }
    }
    return -EINVAL;
}

int visitors_parse(const char *words, struct visitors_setting *parsed)
{
    *parsed = (struct visitors_setting){.count = 1000,
                                        .parallel = 32,
                                        .per_connection = 1,
                                        .seed = 1,
                                        .is_checked = true,
                                        .path = "/4b"};
    while (*words != '\0') {
        size_t length = strcspn(words, ",");

        if (parse_word(words, length, parsed) != 0) {
            log_error("card", "memory:%.*s is not understood", (int)length, words);
            return -EINVAL;
        }
        words += length;
        words += *words == ',';
    }
    return 0;
}
