/* Choosing the form of each field. */
#define _DEFAULT_SOURCE
#include "fields.h"
#include "shown.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char separator[] = " - ";
enum { fields_most = 16 };

void field_set(line_field *f, int rank, const char *full, const char *brief, ...)
{
    va_list args, again;
    va_start(args, brief);
    va_copy(again, args);
    f->rank = rank;
    vsnprintf(f->full, sizeof f->full, full, args);
    vsnprintf(f->brief, sizeof f->brief, brief, again);
    va_end(again);
    va_end(args);
}

static size_t columns_of_all(const char *const *text, size_t count)
{
    size_t columns = 0;
    for (size_t i = 0; i < count; i++)
        if (*text[i]) columns += shown_columns(text[i]) + (columns ? strlen(separator) : 0);
    return columns;
}

static size_t find_rank(const line_field *f, size_t count, int rank)
{
    size_t i = 0;
    while (i < count && f[i].rank != rank) i++;
    return i;
}

const char *fields_fit(const line_field *f, size_t count, size_t columns, char out[fields_room])
{
    const char *text[fields_most];
    int highest = 0;
    for (size_t i = 0; i < count; i++) {
        text[i] = f[i].full;
        if (f[i].rank > highest) highest = f[i].rank;
    }
    for (int pass = 0; pass < 2; pass++)
        for (int rank = highest; rank >= pass && columns_of_all(text, count) > columns; rank--) {
            size_t i = find_rank(f, count, rank);
            if (i == count) continue;
            if (pass)
                text[i] = "";
            else if (f[i].brief[0])
                text[i] = f[i].brief;
        }
    size_t length = 0;
    out[0] = 0;
    for (size_t i = 0; i < count; i++)
        if (*text[i] && length < fields_room)
            length += (size_t)snprintf(out + length, fields_room - length, "%s%s",
                                       length ? separator : "", text[i]);
    if (shown_columns(out) > columns) strcpy(out, shown_start(out, columns));
    return out;
}

size_t fields_columns(int file)
{
    enum { usual = 80, fewest = 2 };
    struct winsize size = {.ws_col = 0};
    if (!isatty(file)) return 0;
    if (!ioctl(file, TIOCGWINSZ, &size) && size.ws_col >= fewest) return size.ws_col - 1U;
    const char *columns = getenv("COLUMNS");
    int given = columns ? atoi(columns) : 0;
    return (given >= fewest ? (size_t)given : usual) - 1;
}

const char *fields_time(double seconds, char text[fields_time_room])
{
    static const double most = 3.6e8;
    const int s = seconds > 0 ? (int)((seconds < most ? seconds : most) + 0.5) : 0;
    if (s < 60)
        snprintf(text, fields_time_room, "%ds", s);
    else if (s < 3600)
        snprintf(text, fields_time_room, "%dm%02ds", s / 60, s % 60);
    else
        snprintf(text, fields_time_room, "%dh%02dm", s / 3600, s / 60 % 60);
    return text;
}
