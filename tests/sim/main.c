/* SPDX-License-Identifier: MIT */
/*
 * The program: which figures, with which seed, and where to.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/figures.h"

static const struct {
    const char *name;
    void (*make)(const struct figure_request *request);
    const char *what;
} figures[] = {
    {"fig5", figure_5, "service time percentiles, tournament:2 and Linux's shared accept queue"},
    {"fig6", figure_6, "service times over time, and the CMs' estimates of them"},
    {"fig7", figure_7, "service time percentiles of all schemes"},
    {"fig8", figure_8, "connections per second of all schemes under uniform load"},
    {"fig9", figure_9, "connections by web server over time"},
    {"fig10", figure_10, "web server 7's local assignments over time"},
    {"table3", table_3, "what offers cost, at 2 to 1,024 CMs"},
    {"schemes", figure_schemes, "Figure 7 again at 8 to 1,024 CMs"},
};

void figure_open(struct output_file *file, const struct figure_request *request, const char *name,
                 const char *how)
{
    output_open(file, request->folder, name);
    output_note(file, "how", "virtual time: %s", how);
    output_note(file, "seed", "%llu", (unsigned long long)request->seed);
    output_note(file, "length of the experiment", "%g s",
                (double)request->duration_ns / (double)NS_PER_S);
    scenario_print(file);
}

static void print_help(FILE *to)
{
    (void)fprintf(to,
                  "usage: sim [--seed N] [--output FOLDER] [--seconds S] [--cms N] [FIGURE...]\n\n"
                  "Simulates connection managers in virtual time and writes a file of data for "
                  "each figure.\n\n"
                  "  --seed N         chance; 1\n"
                  "  --output FOLDER  build/paper/data\n"
                  "  --seconds S      length of the paper's experiment, which is 5; a shorter "
                  "one has the same phases\n"
                  "  --cms N          leave out machines with more than so many; 1024\n\n"
                  "figures, all if none is named:\n");
    for (size_t i = 0; i < ARRAY_COUNT(figures); i++) {
        (void)fprintf(to, "  %-9s %s\n", figures[i].name, figures[i].what);
    }
}

static _Noreturn void refuse(const char *why, const char *word)
{
    (void)fprintf(stderr, "sim: %s: %s\n\n", word, why);
    print_help(stderr);
    exit(2);
}

/* A number in this range. */
static double parse_number(const char *text, double least, double most)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || *end != '\0' || !(number >= least && number <= most)) {
        refuse("not a number that can be used here", text);
    }
    return number;
}

static void parse_options(struct figure_request *request, int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},    {"output", required_argument, NULL, 'o'},
        {"seconds", required_argument, NULL, 'd'}, {"cms", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            request->seed = (uint64_t)parse_number(optarg, 0, 1e15);
            break;
        case 'o':
            request->folder = optarg;
            break;
        case 'd':
            request->duration_ns = (uint64_t)(parse_number(optarg, 0.1, 3600) * (double)NS_PER_S);
            break;
        case 'c':
            request->server_max = (unsigned)parse_number(optarg, 2, NODE_MAX / 2);
            break;
        case 'h':
            print_help(stdout);
            exit(0);
        default:
            print_help(stderr);
            exit(2);
        }
    }
}

static size_t find_figure(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(figures); i++) {
        if (strcmp(figures[i].name, name) == 0) {
            return i;
        }
    }
    refuse("no such figure", name);
}

int main(int argc, char **argv)
{
    struct figure_request request = {
        .folder = "build/paper/data",
        .seed = 1,
        .duration_ns = SCENARIO_NS,
        .server_max = NODE_MAX / 2,
    };
    bool is_wanted[ARRAY_COUNT(figures)] = {false};

    parse_options(&request, argc, argv);
    for (int i = optind; i < argc; i++) {
        is_wanted[find_figure(argv[i])] = true;
    }
    for (size_t i = 0; i < ARRAY_COUNT(figures); i++) {
        if (is_wanted[i] || optind == argc) {
            figures[i].make(&request);
        }
    }
    return 0;
}
