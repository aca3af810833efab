/* Messages between ranks on one host, through memory that both map: by a ring of bytes from each to
 * each, and by what lies where the other reads it. */
#ifndef CLADE_DIST_LOCAL_H
#define CLADE_DIST_LOCAL_H

#include "dist/segment.h"

#include <stdbool.h>

typedef struct clade_local clade_local;

/* Of `count` ranks in all; NULL: there is no memory that others could map. */
clade_local *clade_local_create(int own, int count, clade_segment_name *name);
void clade_local_destroy(clade_local **local);
/* Maps that rank's segment, where it can. */
bool clade_local_map(clade_local *local, int rank, const clade_segment_name *name);
/* The ranks that have mapped each other's segments are known: others are left alone. */
void clade_local_settle(clade_local *local, const bool *both);

/* Has it mapped this rank's segment, and this rank its? */
bool clade_local_has(const clade_local *local, int rank);
/* This rank's memory for what others read; NULL: none, or no room. */
clade_shared_segment *clade_local_segment(const clade_local *local);

/* As ranks.h says. False: out of memory. */
bool clade_local_send(clade_local *local, int to, const void *bytes, size_t size);
bool clade_local_receive(clade_local *local, int from, void *bytes, size_t size);
bool clade_local_show(clade_local *local, int to, const void *bytes);
bool clade_local_fetch(clade_local *local, int from, void *bytes, size_t size);
bool clade_local_see(clade_local *local, int from, const void **bytes);

/* What is heard here wakes a sleep of before. */
unsigned clade_local_listen(const clade_local *local);
/* Moves what can be moved. Have all ended? If not, *waits_for is a rank that one waits for. */
bool clade_local_test(clade_local *local, int *waits_for);
/* Until something is heard since then, or so many seconds have passed. */
void clade_local_sleep(const clade_local *local, unsigned heard, double seconds);

#endif
