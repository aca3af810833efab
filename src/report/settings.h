/* A recipe's text as a flat list of settings: "train.batch" is "32". */
#ifndef CLADE_REPORT_SETTINGS_H
#define CLADE_REPORT_SETTINGS_H

#include <clade/status.h>

#include <stddef.h>

typedef struct clade_settings {
    char **key, **value; /* `count` of each, in the order of the text */
    size_t count, room;
} clade_settings;

/* Reads the settings. Errors: EFORMAT, ENOMEM. */
clade_status clade_settings_read(const char *yaml, clade_settings *out);
void clade_settings_clear(clade_settings *settings);
/* Returns a key's value; NULL: there is no such key. */
const char *clade_settings_find(const clade_settings *settings, const char *key);

#endif
