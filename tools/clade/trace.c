/* Writing the steps of training as lines of JSON. */
#include "trace.h"
#include "shown.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

clade_status trace_open(trace *t)
{
    if (!t->path) return CLADE_OK;
    t->file = fopen(t->path, "a");
    return t->file ? CLADE_OK
                   : clade_fail(CLADE_EIO, "--trace %s: %s", shown(t->path), strerror(errno));
}

void trace_step(trace *t, const clade_step *step)
{
    if (!t->file) return;
    fprintf(t->file,
            "{\"epoch\":%d,\"batch\":%" PRId64 ",\"step\":%" PRId64 ",\"lr\":%.17g,\"images\":[",
            step->epoch, step->batch, step->step, step->lr);
    for (int32_t i = 0; i < step->count; i++)
        fprintf(t->file, "%s%d", i ? "," : "", step->image[i]);
    fprintf(t->file, "],\"matrices\":[");
    for (int32_t i = 0; i < step->count; i++) {
        const float *m = step->matrix + 8 * (size_t)i;
        fputs(i ? ",[" : "[", t->file);
        for (int k = 0; k < 8; k++) fprintf(t->file, "%s%.9g", k ? "," : "", (double)m[k]);
        fputs("]", t->file);
    }
    fprintf(t->file, "]}\n");
}

clade_status trace_close(trace *t)
{
    if (!t->file) return CLADE_OK;
    bool good = !ferror(t->file);
    good = !fclose(t->file) && good;
    t->file = NULL;
    return good ? CLADE_OK : clade_fail(CLADE_EIO, "--trace %s: cannot write", shown(t->path));
}
