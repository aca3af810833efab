/* Locale-independent numbers, for files. */
#define _GNU_SOURCE
#include "base/locale.h"

#include <locale.h>
#include <pthread.h>

static locale_t plain;

static void create(void) { plain = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

void *clade_locale_plain(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, create);
    return uselocale(plain);
}

void clade_locale_restore(void *const *old) { uselocale(*old); }
