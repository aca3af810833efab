/* The bytes of an image's file, one window at a time if it is large. */
#include "data/source.h"

clade_input clade_input_of(const uint8_t *bytes, size_t size)
{
    return (clade_input){.size = size, .window = bytes, .got = size};
}

clade_status clade_input_look(clade_input *in, size_t at, size_t n, const uint8_t **bytes,
                              size_t *got)
{
    size_t left = at < in->size ? in->size - at : 0;
    *bytes = in->window;
    *got = n < left ? n : left;
    if (*got == 0) return CLADE_OK;
    if (at < in->at || at + *got > in->at + in->got) {
        clade_status status = clade_source_read(in->source, in->entry, at, clade_window_bytes,
                                                in->buffer, &in->window, &in->got);
        if (status) return status;
        in->at = at;
        if (in->got < *got) return clade_fail(CLADE_EIO, "%s: became shorter", in->entry->name);
    }
    *bytes = in->window + (at - in->at);
    return CLADE_OK;
}
