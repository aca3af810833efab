/* Numbers in a list of labels: parsing one, and what float32 loses of a column. */
#include "data/label_numbers.h"

#include "base/locale.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool clade_label_number(const char *text, double *out)
{
    CLADE_PLAIN_NUMBERS;
    char *end;
    *out = strtod(text, &end);
    const bool hexadecimal = memchr(text, 'x', (size_t)(end - text)) != NULL ||
                             memchr(text, 'X', (size_t)(end - text)) != NULL;
    const bool found = end != text && !hexadecimal;
    while (isspace((unsigned char)*end)) end++;
    return found && !*end;
}

static clade_status check_column(const clade_label_list *list, size_t column, const char *path)
{
    const double *numbers = clade_label_list_numbers(list);
    const size_t rows = clade_label_list_count(list);
    double mean = 0, square = 0, lost = 0;
    for (size_t i = 0; i < rows; i++)
        mean += numbers[clade_label_list_row(list, i)->numbers + column];
    mean /= (double)rows;
    for (size_t i = 0; i < rows; i++) {
        const double value = numbers[clade_label_list_row(list, i)->numbers + column];
        square += (value - mean) * (value - mean);
        lost = fmax(lost, fabs(value - (double)(float)value));
    }
    const double deviation = sqrt(square / (double)rows);
    if (!(deviation > 0) || lost <= deviation / 100) return CLADE_OK;
    return clade_fail(
        CLADE_EINVAL,
        "%s: the numbers in '%.100s' deviate by %.3g from their mean %.9g, and float32 rounds them "
        "by %.3g; expected their differences from a number near the mean",
        path, clade_label_list_column(list, column), deviation, mean, lost);
}

clade_status clade_label_numbers_check(const clade_label_list *list, const char *path)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < clade_label_list_columns(list) && !status; i++)
        status = check_column(list, i, path);
    return status;
}
