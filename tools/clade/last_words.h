/* What is said where a driver, which runs within the process, ends it: by a crash, by exit(), or
 * because it hangs and the process is killed. */
#ifndef CLADE_TOOLS_LAST_WORDS_H
#define CLADE_TOOLS_LAST_WORDS_H

/* Starts a process that watches this one. Without it, where it cannot be, nothing is said. */
void last_words_begin(void);
/* Should this process end now, the watcher says this, cut to 1023 bytes, on standard error. */
void last_words_set(const char *text);
/* Nothing is to be said any more; the watcher ends. */
void last_words_end(void);

#endif
