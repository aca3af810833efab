/* HTML pages: a text that grows at its end, with sections, tables and images, in one self-contained
 * file. Foreign text (names of classes and files, recipes) is always escaped. The first failure,
 * lack of memory, is kept and returned by clade_page_write; after it the functions do nothing, so
 * that callers need not check each one. */
#ifndef CLADE_REPORT_PAGE_H
#define CLADE_REPORT_PAGE_H

#include <clade/status.h>

#include "report/jpeg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct clade_column clade_column;

/* Zeroed: an empty text. */
typedef struct clade_page {
    char *text; /* `size` bytes and a zero */
    size_t size, room;
    clade_status status;
    bool sheet;           /* only charts, no HTML (clade_chart_sheet_begin) */
    bool in_section;      /* one is open */
    unsigned chart_count; /* for numbering the charts' ids */
    const clade_column *columns;
    size_t column_count, column; /* of the open table; of the next cell */
    void *jpeg;                  /* encoder, created with the first image */
} clade_page;

/* Begins a page: head, style sheet, title. reload > 0: the browser reloads it every so many
 * seconds, while what it shows goes on. */
void clade_page_begin(clade_page *page, const char *title, int reload);
/* Ends the page and replaces the file at `path` atomically. Errors: those of clade_file_write, and
 * earlier failures; the file is then unchanged. Clears the page in any case. */
clade_status clade_page_write(clade_page *page, const char *path);
/* Frees everything; the page is as if zeroed. */
void clade_page_clear(clade_page *page);

/* Adds printf output unescaped: for our own markup and for numbers. */
void clade_page_markup(clade_page *page, const char *format, ...) CLADE_PRINTF(2, 3);
/* Adds printf output as text: <, >, &, " and ' are escaped; what is not UTF-8 or not allowed in XML
 * becomes U+FFFD. Safe inside elements and quoted attributes. */
void clade_page_text(clade_page *page, const char *format, ...) CLADE_PRINTF(2, 3);

/* Begins a section with this heading; ends the previous one. */
void clade_page_section(clade_page *page, const char *title);
/* Adds a paragraph of text. */
void clade_page_paragraph(clade_page *page, const char *format, ...) CLADE_PRINTF(2, 3);
/* Adds preformatted text, line by line, in a fixed width: a recipe. */
void clade_page_listing(clade_page *page, const char *text);

struct clade_column {
    const char *title;
    bool number; /* right-aligned */
};

/* Begins a table with these columns, which must stay valid until its end. `caption` may be NULL.
 * Then add cells, row by row: a row ends automatically after its last column. */
void clade_page_table_begin(clade_page *page, const char *caption, const clade_column *columns,
                            size_t count);
void clade_page_cell(clade_page *page, const char *format, ...) CLADE_PRINTF(2, 3);
/* Begin and end a cell whose contents are added between the two calls. */
void clade_page_cell_begin(clade_page *page);
void clade_page_cell_end(clade_page *page);
void clade_page_table_end(clade_page *page);

/* Adds an image inside the page, as a JPEG; small images are enlarged without smoothing. `alt`
 * describes it for screen readers. */
void clade_page_image(clade_page *page, const clade_pixels *pixels, const char *alt);

/* A grid of items side by side, as many as the window has room for. */
typedef enum clade_grid {
    CLADE_GRID_TILES,  /* clade_page_tile */
    CLADE_GRID_CHARTS, /* clade_chart_… */
    CLADE_GRID_IMAGES  /* figures */
} clade_grid;
void clade_page_grid_begin(clade_page *page, clade_grid grid);
void clade_page_grid_end(clade_page *page);
/* Adds a value in large type with a label below it. */
void clade_page_tile(clade_page *page, const char *label, const char *format, ...)
    CLADE_PRINTF(3, 4);
/* Add a figure: begin, images, caption_begin, text, end. */
void clade_page_figure_begin(clade_page *page);
void clade_page_caption_begin(clade_page *page);
void clade_page_figure_end(clade_page *page);

/* Adds bytes as base64 (RFC 4648, section 4). */
void clade_page_base64(clade_page *page, const void *bytes, size_t size);

#endif
