/* Pages of HTML: a text that grows at its end, with sections, tables and images, in one file that
 * needs nothing else. What comes from outside (names of classes and files, texts of recipes) is
 * always escaped. The first failure, lack of memory, is kept and given by clade_page_write; after
 * it the functions do nothing, so that callers need not look at each. */
#ifndef CLADE_REPORT_PAGE_H
#define CLADE_REPORT_PAGE_H

#include <clade/status.h>

#include "report/jpeg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct clade_column clade_column;

/* Zeroed, an empty text. */
typedef struct clade_page {
    char *text; /* `size` bytes and a zero */
    size_t size, room;
    clade_status status;
    bool sheet;           /* of charts alone, no HTML (clade_chart_sheet_begin) */
    bool in_section;      /* one is open */
    unsigned chart_count; /* numbers the charts' ids */
    const clade_column *columns;
    size_t column_count, column; /* of the open table; the next cell's */
    void *jpeg;                  /* the encoder, made at the first image */
} clade_page;

/* Begins a page: head, style sheet, title. reload > 0: the browser loads it again after so many
 * seconds, for as long as what it shows goes on. */
void clade_page_begin(clade_page *page, const char *title, int reload);
/* Ends the page and replaces the file at `path` in one step. Errors: those of clade_file_write, and
 * whatever failed before; the file is then as it was. Clears the page whatever comes of it. */
clade_status clade_page_write(clade_page *page, const char *path);
/* Frees everything; the page is as if zeroed. */
void clade_page_clear(clade_page *page);

/* Adds what printf would write, as it is: for markup of our own and for numbers. */
void clade_page_markup(clade_page *page, const char *format, ...) CLADE_PRINTF(2, 3);
/* Adds what printf would write as text: <, >, &, " and ' are escaped, what is not UTF-8 or not
 * allowed in XML becomes U+FFFD. Good inside elements and quoted attributes. */
void clade_page_text(clade_page *page, const char *format, ...) CLADE_PRINTF(2, 3);

/* A part of the page with this heading; ends the part before. */
void clade_page_section(clade_page *page, const char *title);
/* A paragraph of text. */
void clade_page_paragraph(clade_page *page, const char *format, ...) CLADE_PRINTF(2, 3);
/* Text kept as it is, line by line, in a fixed width: a recipe. */
void clade_page_listing(clade_page *page, const char *text);

struct clade_column {
    const char *title;
    bool number; /* set to the right */
};

/* A table with these columns, which must stay until its end. `caption` may be NULL. Then cells, row
 * by row: a row ends by itself after its last column. */
void clade_page_table_begin(clade_page *page, const char *caption, const clade_column *columns,
                            size_t count);
void clade_page_cell(clade_page *page, const char *format, ...) CLADE_PRINTF(2, 3);
/* A cell whose contents are added between the two calls. */
void clade_page_cell_begin(clade_page *page);
void clade_page_cell_end(clade_page *page);
void clade_page_table_end(clade_page *page);

/* An image inside the page, as a JPEG; small ones are shown larger, without smoothing. `alt` says
 * what it shows, for those who do not see it. */
void clade_page_image(clade_page *page, const clade_pixels *pixels, const char *alt);

/* Things side by side, as many as the window has room for. */
typedef enum clade_grid {
    CLADE_GRID_TILES,  /* clade_page_tile */
    CLADE_GRID_CHARTS, /* clade_chart_… */
    CLADE_GRID_IMAGES  /* figures */
} clade_grid;
void clade_page_grid_begin(clade_page *page, clade_grid grid);
void clade_page_grid_end(clade_page *page);
/* A value in large type with a label below it. */
void clade_page_tile(clade_page *page, const char *label, const char *format, ...)
    CLADE_PRINTF(3, 4);
/* A figure: begin, images, caption_begin, text, end. */
void clade_page_figure_begin(clade_page *page);
void clade_page_caption_begin(clade_page *page);
void clade_page_figure_end(clade_page *page);

/* Base64 of bytes (RFC 4648, section 4). */
void clade_page_base64(clade_page *page, const void *bytes, size_t size);

#endif
