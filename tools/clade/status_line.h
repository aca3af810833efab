/* The last line of a terminal, on standard error: a bar, or what the command waits for. All that is
 * printed to stay is printed after status_line_clear. */
#ifndef CLADE_TOOLS_STATUS_LINE_H
#define CLADE_TOOLS_STATUS_LINE_H

#include <stddef.h>

/* There shall be none: --quiet. */
void status_line_hide(void);

/* How many columns may be drawn in now, one less than the terminal has; 0: standard error is no
 * terminal, or the line is hidden. */
size_t status_line_columns(void);

/* Text that fits these columns, in place of what was there. */
void status_line_draw(const char *text);

/* What is waited for from now on, or still: so many of `total` are done (0: not known), and a note
 * (may be NULL). Shown once there has been nothing else to see for a second, then with the time
 * that it has taken, which goes on by itself. */
void status_line_wait(const char *what, size_t done, size_t total, const char *note);
void status_line_clear(void);

/* For clade_device_options.building. */
void status_line_building(void *user, size_t done, size_t total);

#endif
