/* Finding the state dict in a checkpoint. */
#include "weights/pytorch_dict.h"

#include <stdio.h>
#include <string.h>

enum {
    most_depth = 2,  /* dicts in dicts */
    most_wrapped = 3 /* calls around a tensor */
};

const clade_pickle_value *clade_pytorch_tensor_of(const clade_pickle_value *value)
{
    for (int i = 0; i < most_wrapped && clade_pickle_is(value, CLADE_PICKLE_CALL); i++) {
        const char *name = strrchr(value->function->text, '.') + 1;
        if (!strncmp(name, "_rebuild_tensor", 15)) return value;
        if (strncmp(name, "_rebuild_parameter", 18) && strcmp(name, "Parameter")) return NULL;
        /* of a Parameter of PyTorch 0.1, the first of what it was given afterwards */
        if (value->count == 0) value = value->state;
        value = value && value->count ? value->item[0] : NULL;
    }
    return NULL;
}

static bool has_tensors(const clade_pickle_value *dict)
{
    if (!clade_pickle_is(dict, CLADE_PICKLE_DICT)) return false;
    for (size_t i = 0; i + 1 < dict->count; i += 2)
        if (dict->item[i]->kind == CLADE_PICKLE_TEXT && clade_pytorch_tensor_of(dict->item[i + 1]))
            return true;
    return false;
}

/* The dict itself, or the one below it; NULL: there is none. */
static const clade_pickle_value *search(const clade_pickle_value *dict, int depth)
{
    /* averaged weights only where there are no others */
    static const char *const keys[] = {
        "state_dict", "model_state_dict", "model",   "net", "network",
        "module",     "params",           "weights", "ema", "model_ema",
        "ema_model",  "state_dict_ema",   NULL};
    if (has_tensors(dict)) return dict;
    for (const char *const *key = keys; *key && depth < most_depth; key++) {
        const clade_pickle_value *found = search(clade_pickle_find(dict, *key), depth + 1);
        if (found) return found;
    }
    return NULL;
}

clade_status clade_pytorch_find_dict(const char *file, const clade_pickle_value *root,
                                     const clade_pickle_value **out)
{
    char keys[200];
    size_t n = 0;
    *out = clade_pickle_is(root, CLADE_PICKLE_DICT) ? search(root, 0) : NULL;
    if (*out) return CLADE_OK;
    if (!clade_pickle_is(root, CLADE_PICKLE_DICT))
        return clade_fail(CLADE_EFORMAT,
                          "%s: holds no dict of tensors; expected the output of "
                          "torch.save(model.state_dict(), FILE)",
                          file);
    keys[0] = 0;
    for (size_t i = 0; i + 1 < root->count; i += 2)
        if (root->item[i]->kind == CLADE_PICKLE_TEXT && n < sizeof keys)
            n += (size_t)snprintf(keys + n, sizeof keys - n, "%s%s", n ? ", " : "",
                                  root->item[i]->text);
    return clade_fail(CLADE_EFORMAT,
                      "%s: no tensors by name under its keys (%s%s); expected a state dict, alone "
                      "or under state_dict, model_state_dict or model",
                      file, keys[0] ? keys : "there are none", n >= sizeof keys ? "…" : "");
}

static bool all_begin(const clade_pickle_value *dict, size_t skip, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + 1 < dict->count; i += 2) {
        if (dict->item[i]->kind != CLADE_PICKLE_TEXT || !clade_pytorch_tensor_of(dict->item[i + 1]))
            continue;
        if (strncmp(dict->item[i]->text + skip, word, n)) return false;
    }
    return true;
}

size_t clade_pytorch_prefix(const clade_pickle_value *dict)
{
    static const char *const words[] = {"module.", "_orig_mod.", "model."};
    size_t skip = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words;) {
        bool all = all_begin(dict, skip, words[i]);
        skip += all ? strlen(words[i]) : 0;
        i = all ? 0 : i + 1;
    }
    return skip;
}
