/* The meaning of a scalar's text: null, a boolean, a number; and quoting it in messages. */
#define _XOPEN_SOURCE 700
#include "recipe/yaml_node.h"

#include "base/locale.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(text, *words)) return true;
    return false;
}

bool clade_yaml_text_is_null(const char *text)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};
    return is_one_of(text, words);
}

bool clade_yaml_text_is_bool(const char *text, bool *value)
{
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes",
                                      "YES",  "on",   "On",   "ON",  NULL};
    static const char *const no[] = {"false", "False", "FALSE", "no",  "No",
                                     "NO",    "off",   "Off",   "OFF", NULL};
    *value = is_one_of(text, yes);
    return *value || is_one_of(text, no);
}

static size_t count_digits(const char *text) { return strspn(text, "0123456789"); }

/* Returns the length of the decimal number at the start of the text; 0: none. */
static size_t number_length(const char *text)
{
    const char *p = text + (*text == '-' || *text == '+');
    size_t whole = count_digits(p), part = 0;
    p += whole;
    if (*p == '.') {
        part = count_digits(p + 1);
        p += 1 + part;
    }
    if (whole + part == 0) return 0;
    if (*p == 'e' || *p == 'E') {
        const char *exponent = p + 1;
        exponent += *exponent == '-' || *exponent == '+';
        size_t digits = count_digits(exponent);
        if (digits == 0) return 0;
        p = exponent + digits;
    }
    return (size_t)(p - text);
}

bool clade_yaml_text_is_number(const char *text, double *value)
{
    size_t length = number_length(text);
    const char *second = NULL;
    if (length == 0) return false;
    if (text[length] == '/') {
        second = text + length + 1;
        length = number_length(second);
        if (length == 0 || second[length]) return false;
    } else if (text[length]) {
        return false;
    }
    CLADE_PLAIN_NUMBERS;
    *value = strtod(text, NULL);
    if (second) *value /= strtod(second, NULL);
    return true;
}

yaml_quote clade_yaml_quote(const char *text)
{
    yaml_quote quote;
    size_t length = strlen(text), limit = sizeof quote.text - 1,
           n = length < limit ? length : limit - 3;
    /* not inside a UTF-8 character */
    while (n > 0 && n < length && ((unsigned char)text[n] & 0xc0) == 0x80) n--;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        quote.text[i] = c < ' ' || c == 0x7f ? ' ' : text[i];
    }
    memcpy(quote.text + n, n < length ? "..." : "", n < length ? 4 : 1);
    return quote;
}
