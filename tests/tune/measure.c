/* Minimises the test functions and prints the regret after 30, 50, 60 and 100 trials and the
 * seconds of a suggestion, for a comparison with peers.py: search-measure gp|random|tpe [FUNCTION
 * [SEEDS [FIRST SEED]]] */
#define _POSIX_C_SOURCE 200809L
#include "functions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
    enum { trials = 100 };
    static const struct {
        const char *name;
        clade_search_method method;
    } methods[] = {
        {"gp", CLADE_SEARCH_GP}, {"random", CLADE_SEARCH_RANDOM}, {"tpe", CLADE_SEARCH_TPE}};
    int m = 0;
    while (argc > 1 && m < 2 && strcmp(argv[1], methods[m].name)) m++;
    const char *only = argc > 2 ? argv[2] : NULL;
    int seeds = argc > 3 ? atoi(argv[3]) : 20, first = argc > 4 ? atoi(argv[4]) : 1;
    for (int f = 0; f < function_count; f++) {
        if (only && strcmp(only, functions[f].name)) continue;
        for (int seed = first; seed < first + seeds; seed++) {
            double regret[trials], begun = seconds();
            if (function_search(&functions[f], methods[m].method, (uint64_t)seed, trials, regret)) {
                fprintf(stderr, "%s, seed %d: %s\n", functions[f].name, seed, clade_error());
                return 1;
            }
            printf("clade-%s,%s,%d,%.6g,%.6g,%.6g,%.6g,%.3g\n", methods[m].name, functions[f].name,
                   seed, regret[29], regret[49], regret[59], regret[99],
                   (seconds() - begun) / trials);
            fflush(stdout);
        }
    }
    return 0;
}
