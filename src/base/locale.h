/* Numbers as files have them, whatever the program's locale. */
#ifndef CLADE_BASE_LOCALE_H
#define CLADE_BASE_LOCALE_H

/* To the end of the block, this thread's printf and strtod use a point in numbers. */
#define CLADE_PLAIN_NUMBERS                                                                        \
    void *const caller_locale __attribute__((unused, cleanup(clade_locale_restore))) =             \
        clade_locale_plain()

/* Sets the C locale for this thread; gives the locale_t that it had. */
void *clade_locale_plain(void);
void clade_locale_restore(void *const *old);

#endif
