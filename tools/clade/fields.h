/* Lines made of fields, that fit a terminal. */
#ifndef CLADE_TOOLS_FIELDS_H
#define CLADE_TOOLS_FIELDS_H

#include <stddef.h>

enum { fields_room = 512, field_room = 160, fields_time_room = 32 };

/* What stands between separators. With too little room fields become brief, then are left out, the
 * highest rank first; no two have the same. */
typedef struct line_field {
    int rank;
    char full[field_room], brief[field_room]; /* brief empty: there is no such form */
} line_field;

/* Both empty: the field is left out. Arguments as of printf, those of `full` and `brief` alike. */
void field_set(line_field *f, int rank, const char *full, const char *brief, ...);

/* Of at most so many columns; the field of rank 0 stays, cut if need be. */
const char *fields_fit(const line_field *f, size_t count, size_t columns, char out[fields_room]);

/* How many columns a line may take on a terminal, which is one less than that has now; 0: the file
 * is no terminal. */
size_t fields_columns(int file);

/* "5s", "3m20s", "2h05m". */
const char *fields_time(double seconds, char text[fields_time_room]);

#endif
