/* The growing text, its escaping, and the parts of a page. */
#define _XOPEN_SOURCE 700
#include "report/page.h"

#include "base/file.h"
#include "base/utf8.h"
#include "report/style.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

enum { small_side = 96 };

/* Makes room for `more` bytes and a zero. */
static bool reserve(clade_page *p, size_t more)
{
    if (p->status) return false;
    if (p->room - p->size > more) return true;
    size_t room = p->room ? p->room : 4096;
    while (room - p->size <= more && room < SIZE_MAX / 2) room *= 2;
    char *text = room - p->size > more ? realloc(p->text, room) : NULL;
    if (!text) {
        p->status = clade_fail(CLADE_ENOMEM, "out of memory for a page of %zu bytes", room);
        return false;
    }
    p->text = text;
    p->room = room;
    return true;
}

static void add(clade_page *p, const char *text, size_t size)
{
    if (!reserve(p, size)) return;
    memcpy(p->text + p->size, text, size);
    p->size += size;
    p->text[p->size] = 0;
}

static void add_string(clade_page *p, const char *text) { add(p, text, strlen(text)); }

static void add_format(clade_page *p, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0 || !reserve(p, (size_t)n)) return;
    vsnprintf(p->text + p->size, (size_t)n + 1, format, arguments);
    p->size += (size_t)n;
}

/* The length of the character of UTF-8 at `s` if XML allows it, else 0. */
static size_t character(const unsigned char *s)
{
    uint32_t code = 0;
    size_t n = clade_utf8_read((const char *)s, &code);
    bool control = code < 0x20 && code != '\t' && code != '\n' && code != '\r';
    return n && !control && code != 0xfffe && code != 0xffff ? n : 0;
}

static void add_escaped(clade_page *p, const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t n = character(s);
        if (n == 0)
            add_string(p, "\xef\xbf\xbd");
        else if (*s == '<')
            add_string(p, "&lt;");
        else if (*s == '>')
            add_string(p, "&gt;");
        else if (*s == '&')
            add_string(p, "&amp;");
        else if (*s == '"')
            add_string(p, "&quot;");
        else if (*s == '\'')
            add_string(p, "&#39;");
        else
            add(p, (const char *)s, n);
        s += n ? n : 1;
    }
}

static void add_escaped_format(clade_page *p, const char *format, va_list arguments)
{
    clade_page plain = {0};
    add_format(&plain, format, arguments);
    if (plain.status && !p->status) p->status = plain.status;
    if (plain.text) add_escaped(p, plain.text);
    free(plain.text);
}

void clade_page_markup(clade_page *page, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_format(page, format, arguments);
    va_end(arguments);
}

void clade_page_text(clade_page *page, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_escaped_format(page, format, arguments);
    va_end(arguments);
}

static void add_lines(clade_page *p, const char *const *lines)
{
    for (; *lines; lines++) {
        add_string(p, *lines);
        add_string(p, "\n");
    }
}

void clade_page_begin(clade_page *page, const char *title, int reload)
{
    *page = (clade_page){0};
    add_string(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    if (reload > 0)
        clade_page_markup(page, "<meta http-equiv=\"refresh\" content=\"%d\">\n", reload);
    add_string(page, "<title>");
    add_escaped(page, title);
    add_string(page, "</title>\n<style>\n");
    add_lines(page, clade_page_style);
    add_lines(page, clade_chart_style);
    add_string(page, "</style>\n</head>\n<body>\n<main>\n<h1>");
    add_escaped(page, title);
    add_string(page, "</h1>\n");
}

static void end_section(clade_page *p)
{
    if (p->in_section) add_string(p, "</section>\n");
    p->in_section = false;
}

clade_status clade_page_write(clade_page *page, const char *path)
{
    assert(!page->columns);
    end_section(page);
    add_string(page, page->sheet ? "</svg>\n" : "</main>\n</body>\n</html>\n");
    clade_status status = page->status;
    if (!status) status = clade_file_write(path, page->text, page->size);
    clade_page_clear(page);
    return status;
}

void clade_page_clear(clade_page *page)
{
    free(page->text);
    if (page->jpeg) tjDestroy(page->jpeg);
    *page = (clade_page){0};
}

void clade_page_section(clade_page *page, const char *title)
{
    end_section(page);
    add_string(page, "<section>\n<h2>");
    add_escaped(page, title);
    add_string(page, "</h2>\n");
    page->in_section = true;
}

void clade_page_paragraph(clade_page *page, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_string(page, "<p>");
    add_escaped_format(page, format, arguments);
    add_string(page, "</p>\n");
    va_end(arguments);
}

void clade_page_listing(clade_page *page, const char *text)
{
    add_string(page, "<pre>");
    add_escaped(page, text);
    add_string(page, "</pre>\n");
}

/* --- tables --- */

void clade_page_table_begin(clade_page *page, const char *caption, const clade_column *columns,
                            size_t count)
{
    assert(count && !page->columns);
    page->columns = columns;
    page->column_count = count;
    page->column = 0;
    add_string(page, "<div class=\"wide\"><table>\n");
    if (caption) {
        add_string(page, "<caption>");
        add_escaped(page, caption);
        add_string(page, "</caption>\n");
    }
    add_string(page, "<thead><tr>");
    for (size_t i = 0; i < count; i++) {
        add_string(page, columns[i].number ? "<th class=\"n\">" : "<th>");
        add_escaped(page, columns[i].title);
        add_string(page, "</th>");
    }
    add_string(page, "</tr></thead>\n<tbody>\n");
}

void clade_page_cell_begin(clade_page *page)
{
    assert(page->columns);
    if (page->column == 0) add_string(page, "<tr>");
    add_string(page, page->columns[page->column].number ? "<td class=\"n\">" : "<td>");
}

void clade_page_cell_end(clade_page *page)
{
    add_string(page, "</td>");
    page->column = (page->column + 1) % page->column_count;
    if (page->column == 0) add_string(page, "</tr>\n");
}

void clade_page_cell(clade_page *page, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    clade_page_cell_begin(page);
    add_escaped_format(page, format, arguments);
    clade_page_cell_end(page);
    va_end(arguments);
}

void clade_page_table_end(clade_page *page)
{
    assert(page->columns && page->column == 0);
    add_string(page, "</tbody>\n</table></div>\n");
    page->columns = NULL;
}

/* --- images and grids --- */

void clade_page_base64(clade_page *page, const void *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!reserve(page, (size + 2) / 3 * 4)) return;
    const uint8_t *in = bytes;
    char *out = page->text + page->size;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t word = (uint32_t)in[i] << 16;
        if (left > 1) word |= (uint32_t)in[i + 1] << 8;
        if (left > 2) word |= in[i + 2];
        *out++ = digits[word >> 18];
        *out++ = digits[word >> 12 & 63];
        *out++ = left > 1 ? digits[word >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[word & 63] : '=';
    }
    *out = 0;
    page->size = (size_t)(out - page->text);
}

static void add_jpeg(clade_page *p, const char *attributes, const void *bytes, size_t size,
                     const char *alt)
{
    clade_page_markup(p, "<img%s alt=\"", attributes);
    add_escaped(p, alt);
    add_string(p, "\" src=\"data:image/jpeg;base64,");
    clade_page_base64(p, bytes, size);
    add_string(p, "\">");
}

void clade_page_image(clade_page *page, const clade_pixels *x, const char *alt)
{
    assert(x->channels == 1 || x->channels == 3);
    if (page->status) return;
    unsigned char *bytes;
    unsigned long size;
    page->status = clade_jpeg_encode(&page->jpeg, x, &bytes, &size);
    if (page->status) return;
    char attributes[80];
    bool small = x->height <= small_side && x->width <= small_side;
    snprintf(attributes, sizeof attributes, "%s width=\"%d\" height=\"%d\"",
             small ? " class=\"small\"" : "", (int)x->width, (int)x->height);
    add_jpeg(page, attributes, bytes, size, alt);
    tjFree(bytes);
}

void clade_page_grid_begin(clade_page *page, clade_grid grid)
{
    static const char *const class[] = {[CLADE_GRID_TILES] = "tiles",
                                        [CLADE_GRID_CHARTS] = "charts",
                                        [CLADE_GRID_IMAGES] = "gallery"};
    clade_page_markup(page, "<div class=\"%s\">\n", class[grid]);
}

void clade_page_grid_end(clade_page *page) { add_string(page, "</div>\n"); }

void clade_page_tile(clade_page *page, const char *label, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_string(page, "<div class=\"tile\"><b>");
    add_escaped_format(page, format, arguments);
    add_string(page, "</b><span>");
    add_escaped(page, label);
    add_string(page, "</span></div>\n");
    va_end(arguments);
}

void clade_page_figure_begin(clade_page *page) { add_string(page, "<figure>"); }
void clade_page_caption_begin(clade_page *page) { add_string(page, "<figcaption>"); }
void clade_page_figure_end(clade_page *page) { add_string(page, "</figcaption></figure>\n"); }
