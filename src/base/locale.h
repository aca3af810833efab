/* Locale-independent numbers, for files. */
#ifndef CLADE_BASE_LOCALE_H
#define CLADE_BASE_LOCALE_H

/* Makes this thread's printf and strtod use a decimal point until the end of the block. */
#define CLADE_PLAIN_NUMBERS                                                                        \
    void *const caller_locale __attribute__((unused, cleanup(clade_locale_restore))) =             \
        clade_locale_plain()

/* Sets the C locale for this thread; returns its previous locale_t. */
void *clade_locale_plain(void);
void clade_locale_restore(void *const *old);

#endif
