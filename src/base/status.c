/* The thread-local error text. */
#include <clade/status.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { text_size = 4096 };

static _Thread_local char text[text_size] = "no error";

const char *clade_error(void) { return text; }

const char *clade_status_name(clade_status status)
{
    switch (status) {
    case CLADE_OK: return "ok";
    case CLADE_EINVAL: return "invalid argument";
    case CLADE_EFORMAT: return "bad format";
    case CLADE_EIO: return "input/output error";
    case CLADE_ENOMEM: return "out of memory";
    case CLADE_ENODEVICE: return "no such device";
    case CLADE_EDEVICE: return "device error";
    case CLADE_EUNSUPPORTED: return "not supported";
    case CLADE_EMISMATCH: return "mismatch";
    case CLADE_ECANCELLED: return "cancelled";
    case CLADE_EWRONG: return "wrong result";
    }
    return "unknown status";
}

clade_status clade_fail(clade_status status, const char *format, ...)
{
    /* in a copy: an argument may be clade_error() itself */
    char fresh[text_size];
    va_list args;
    va_start(args, format);
    vsnprintf(fresh, sizeof fresh, format, args);
    va_end(args);
    memcpy(text, fresh, sizeof text);
    return status;
}

clade_status clade_context(clade_status status, const char *format, ...)
{
    if (status == CLADE_OK) return status;
    char fresh[2 * text_size];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(fresh, text_size, format, args);
    va_end(args);
    if (n < 0 || n >= text_size) n = text_size - 1;
    if (!strncmp(text, fresh, (size_t)n) && text[n] == ':') return status; /* already there */
    snprintf(fresh + n, sizeof fresh - (size_t)n, ": %s", text);
    memcpy(text, fresh, sizeof text - 1);
    return status;
}
