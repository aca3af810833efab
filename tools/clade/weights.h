/* Fetching published weights. clade_pretrained_find_any finds those already on this machine. */
#ifndef CLADE_TOOLS_WEIGHTS_H
#define CLADE_TOOLS_WEIGHTS_H

#include <clade/pretrained.h>

/* Fetches a file into a folder, which is created, with curl or wget, and checks it. `mib`: its
 * approximate size in MiB; 0: unknown; a file many times as large is refused. Their output goes to
 * standard error. A partial download is continued; a file that is not the published one is removed.
 * `path` receives the file's path, which the caller frees. Errors: EIO (also without these
 * programs), EMISMATCH, EFORMAT, ENOMEM. */
clade_status weights_fetch(const clade_pretrained *p, double mib, const char *folder, char **path);

#endif
