/* Checks for the test programs: a failed one is printed with its place; TEST_END gives the exit
 * code. */
#ifndef CLADE_TEST_H
#define CLADE_TEST_H

#include <clade/status.h>

#include <stdio.h>
#include <string.h>

static int test_checks, test_failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        test_checks++;                                                                             \
        if (!(condition)) {                                                                        \
            test_failures++;                                                                       \
            printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                         \
        }                                                                                          \
    } while (0)

/* The call must succeed. */
#define CHECK_OK(call)                                                                             \
    do {                                                                                           \
        clade_status test_status_ = (call);                                                        \
        test_checks++;                                                                             \
        if (test_status_ != CLADE_OK) {                                                            \
            test_failures++;                                                                       \
            printf("%s:%d: failed: %s: %s: %s\n", __FILE__, __LINE__, #call,                       \
                   clade_status_name(test_status_), clade_error());                                \
        }                                                                                          \
    } while (0)

/* The call must fail with `status`, and its text must contain `part`. */
#define CHECK_FAILS(call, status, part)                                                            \
    do {                                                                                           \
        clade_status test_status_ = (call);                                                        \
        test_checks++;                                                                             \
        if (test_status_ != (status)) {                                                            \
            test_failures++;                                                                       \
            printf("%s:%d: %s gave \"%s\", expected \"%s\"\n", __FILE__, __LINE__, #call,          \
                   clade_status_name(test_status_), clade_status_name(status));                    \
        } else if (!strstr(clade_error(), part)) {                                                 \
            test_failures++;                                                                       \
            printf("%s:%d: %s said \"%s\", expected \"%s\" in it\n", __FILE__, __LINE__, #call,    \
                   clade_error(), part);                                                           \
        }                                                                                          \
    } while (0)

#define TEST_END()                                                                                 \
    (printf("%d checks, %d failed\n", test_checks, test_failures),                                 \
     test_failures || !test_checks ? 1 : 0)

#endif
