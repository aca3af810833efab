/* The last line of a terminal, on standard error: a bar, or what the command waits for. Call
 * status_line_clear before printing permanent output. */
#ifndef CLADE_TOOLS_STATUS_LINE_H
#define CLADE_TOOLS_STATUS_LINE_H

#include <stddef.h>

/* Disables the line: --quiet. */
void status_line_hide(void);

/* Returns the number of columns to draw in, one less than the terminal has; 0: standard error is
 * not a terminal, or the line is hidden. */
size_t status_line_columns(void);

/* Replaces the line with a text that fits these columns. */
void status_line_draw(const char *text);

/* Sets what the command is waiting for: `done` of `total` (0: unknown), and a note (may be NULL).
 * It appears after a second without other output, and then shows the elapsed time, which updates by
 * itself. */
void status_line_wait(const char *what, size_t done, size_t total, const char *note);
void status_line_clear(void);

/* For clade_device_options.building. */
void status_line_building(void *user, size_t done, size_t total);

#endif
