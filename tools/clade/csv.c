/* Fields of comma-separated values. */
#include "csv.h"

#include <string.h>

void csv_quoted(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"') fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

void csv_field(FILE *to, const char *text)
{
    if (text[strcspn(text, ",\"\r\n")])
        csv_quoted(to, text);
    else
        fputs(text, to);
}
