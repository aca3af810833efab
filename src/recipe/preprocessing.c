/* Named ways of converting pixels to a net's input. */
#include "recipe/recipe.h"

#include <string.h>

/* value = (factor · pixel − mean) / deviation, for channels red, green, blue */
static const struct {
    const char *word;
    double factor, mean[3], deviation[3];
} named[] = {
    {"imagenet", 1. / 255, {.485, .456, .406}, {.229, .224, .225}}, /* torchvision's models */
    {"tf", 1 / 127.5, {1, 1, 1}, {1, 1, 1}},                        /* −1 to 1 */
    {"caffe", 1, {123.68, 116.779, 103.939}, {1, 1, 1}}, /* 0 to 255 minus ImageNet's means */
    {"unit", 1. / 255, {0, 0, 0}, {1, 1, 1}},            /* 0 to 1 */
    {"none", 1, {0, 0, 0}, {1, 1, 1}},                   /* 0 to 255 */
};

clade_status clade_preprocessing_choose(const char *word, clade_preprocessing *p)
{
    const size_t count = sizeof named / sizeof *named;
    size_t i = 0;
    while (i < count && strcmp(word, named[i].word)) i++;
    if (i == count)
        return clade_fail(CLADE_EINVAL,
                          "preprocessing '%s': expected imagenet, tf, caffe, unit or none", word);
    bool same = named[i].mean[0] == named[i].mean[2];
    if (p->channels != 3 && !(same && p->channels <= 4))
        return clade_fail(CLADE_EINVAL, "preprocessing: %s is for 3 channels, not %d", word,
                          p->channels);
    for (int c = 0; c < p->channels; c++) {
        int k = p->channels == 3 ? c : 0;
        p->scale[c] = (float)(named[i].factor / named[i].deviation[k]);
        p->shift[c] = (float)((0 - named[i].mean[k]) / named[i].deviation[k]);
    }
    return CLADE_OK;
}
