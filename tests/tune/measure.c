/* Minimises the test functions and prints the regret after 30, 60 and 100 trials, for a comparison
 * with peers.py: search-measure gp|random [FUNCTION [SEEDS [FIRST SEED]]] */
#include "functions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    enum { trials = 100 };
    bool random = argc > 1 && !strcmp(argv[1], "random");
    const char *only = argc > 2 ? argv[2] : NULL;
    int seeds = argc > 3 ? atoi(argv[3]) : 20, first = argc > 4 ? atoi(argv[4]) : 1;
    for (int f = 0; f < function_count; f++) {
        if (only && strcmp(only, functions[f].name)) continue;
        for (int seed = first; seed < first + seeds; seed++) {
            double regret[trials];
            if (function_search(&functions[f], random ? CLADE_SEARCH_RANDOM : CLADE_SEARCH_GP,
                                (uint64_t)seed, trials, regret)) {
                fprintf(stderr, "%s, seed %d: %s\n", functions[f].name, seed, clade_error());
                return 1;
            }
            printf("clade-%s,%s,%d,%.6g,%.6g,%.6g\n", random ? "random" : "gp", functions[f].name,
                   seed, regret[29], regret[59], regret[99]);
            fflush(stdout);
        }
    }
    return 0;
}
