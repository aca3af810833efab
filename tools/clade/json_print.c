/* JSON on its way out. */
#include "json_print.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_bool short_of_memory;
static bool failed;

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    if (!memory) atomic_store(&short_of_memory, true);
    return memory;
}

void json_watch_memory(void) { cJSON_InitHooks(&(cJSON_Hooks){allocate, free}); }

char *json_text(const cJSON *root, bool one_line)
{
    if (!root || atomic_load(&short_of_memory)) return NULL;
    return clade_json_repair(one_line ? cJSON_PrintUnformatted(root) : cJSON_Print(root));
}

void json_print(cJSON *root, bool one_line)
{
    char *text = json_text(root, one_line);
    cJSON_Delete(root);
    if (text) {
        puts(text);
    } else {
        fprintf(stderr, "clade: out of memory for JSON\n");
        failed = true;
    }
    cJSON_free(text);
}

bool json_failed(void) { return failed; }
