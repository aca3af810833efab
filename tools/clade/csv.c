/* Fields of comma-separated values. */
#include "csv.h"

#include <string.h>

void csv_part(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '"') fputc('"', to);
        fputc(*text, to);
    }
}

void csv_quoted(FILE *to, const char *text)
{
    fputc('"', to);
    csv_part(to, text);
    fputc('"', to);
}

void csv_field(FILE *to, const char *text)
{
    if (text[strcspn(text, ",\"\r\n")])
        csv_quoted(to, text);
    else
        fputs(text, to);
}
