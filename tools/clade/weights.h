/* Fetching published weights. What is at hand tells clade_pretrained_find_any. */
#ifndef CLADE_TOOLS_WEIGHTS_H
#define CLADE_TOOLS_WEIGHTS_H

#include <clade/pretrained.h>

/* Fetches a file into a folder, which is made, with curl or wget, and checks it. `mib`: about how
 * many MiB it has; 0: not known; many times as much is not taken. What they print goes to standard
 * error. A part that is there is gone on with; one that is not what was published
 * is removed. `path` gets the file's, to be freed. Errors: EIO (also without these programs),
 * EMISMATCH, EFORMAT, ENOMEM. */
clade_status weights_fetch(const clade_pretrained *p, double mib, const char *folder, char **path);

#endif
