/* The style sheets, from page.css and chart.css: lines, ended by NULL. */
#ifndef CLADE_REPORT_STYLE_H
#define CLADE_REPORT_STYLE_H

extern const char *const clade_page_style[];
extern const char *const clade_chart_style[]; /* also used in separate SVG files */

#endif
