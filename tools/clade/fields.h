/* Lines made of fields that fit a terminal. */
#ifndef CLADE_TOOLS_FIELDS_H
#define CLADE_TOOLS_FIELDS_H

#include <stddef.h>

enum { fields_room = 512, field_room = 160, fields_time_room = 32 };

/* A field between separators. If room is short, fields become brief, then are dropped, the highest
 * rank first; ranks are unique. */
typedef struct line_field {
    int rank;
    char full[field_room], brief[field_room]; /* brief empty: no brief form */
} line_field;

/* Sets a field; both empty: it is left out. Both formats take the same printf arguments. */
void field_set(line_field *f, int rank, const char *full, const char *brief, ...);

/* Returns the line in at most this many columns; the field of rank 0 stays, truncated if needed. */
const char *fields_fit(const line_field *f, size_t count, size_t columns, char out[fields_room]);

/* Returns the maximum length of a line on a terminal, one column less than its current width; 0:
 * the file is not a terminal. */
size_t fields_columns(int file);

/* Writes "5s", "3m20s", "2h05m". */
const char *fields_time(double seconds, char text[fields_time_room]);

#endif
