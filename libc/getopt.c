/* SPDX-License-Identifier: MIT */
/*
 * Options of a program (POSIX getopt()): single letters, those with a value marked by a colon.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *optarg;
int optind = 1;
int opterr = 1;
int optopt;

/* The letter within argv[optind] to be looked at next; 0: a new word starts. */
static size_t letter_index;

static int refuse(const char *program, const char *options, const char *complaint, int answer)
{
    if (opterr && options[0] != ':') {
        fprintf(stderr, "%s: option -%c %s\n", program, optopt, complaint);
    }
    return options[0] == ':' ? answer : '?';
}

int getopt(int argc, char *const argv[], const char *options)
{
    if (letter_index == 0) {
        if (optind >= argc || argv[optind][0] != '-' || argv[optind][1] == '\0') {
            return -1;
        }
        if (strcmp(argv[optind], "--") == 0) {
            optind++;
            return -1;
        }
        letter_index = 1;
    }
    const char *word = argv[optind];
    optopt = word[letter_index++];
    const char *option = optopt != ':' ? strchr(options, optopt) : NULL;
    int is_last_letter = word[letter_index] == '\0';
    if (option == NULL || option[1] != ':') {
        if (is_last_letter) {
            optind++;
            letter_index = 0;
        }
        return option != NULL ? optopt : refuse(argv[0], options, "is unknown", '?');
    }
    optarg = (char *)(unsigned long)(word + letter_index);
    if (is_last_letter) {
        optind++;
        optarg = optind < argc ? argv[optind] : NULL;
    }
    optind++;
    letter_index = 0;
    return optarg != NULL ? optopt : refuse(argv[0], options, "needs a value", ':');
}
