/* Fuzz target: calls as text, the round trip, and what backends plan for them. */
#include "op/call_text.h"

#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), first[CLADE_CALL_TEXT_SIZE], second[CLADE_CALL_TEXT_SIZE];
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = 0;
    clade_call call;
    if (!clade_call_parse(text, &call)) {
        /* what was read can be written, with the outputs that the shape rule gave, and reads as the
         * same */
        clade_call again;
        clade_call_text(call.op, &call.args, first);
        if (clade_call_parse(first, &again)) {
            fprintf(stderr, "%s: %s\n", first, clade_error());
            abort();
        }
        clade_call_text(again.op, &again.args, second);
        if (strcmp(first, second) != 0 ||
            clade_call_hash(call.op, &call.args) != clade_call_hash(again.op, &again.args)) {
            fprintf(stderr, "%s\n%s\n", first, second);
            abort();
        }
        fuzz_plan(call.op, &call.args);
    }
    free(text);
    return 0;
}
