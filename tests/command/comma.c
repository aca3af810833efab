/* For the test of locales: the program follows the environment's, as one with windows does. */
#include <locale.h>
#include <stdlib.h>

__attribute__((constructor)) static void follow(void)
{
    if (!setlocale(LC_ALL, "")) abort();
}
