/* What the process says should it end before its work does: a driver runs within it, and may crash
 * or call exit(). */
#ifndef CLADE_TOOLS_LAST_WORDS_H
#define CLADE_TOOLS_LAST_WORDS_H

/* From now on this text, cut to 1023 bytes, goes to standard error at the end of the process, by a
 * signal or by exit(). "": nothing. */
void last_words_set(const char *text);

#endif
