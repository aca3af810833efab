/* Where a system is not Linux: ranks have no memory in common, and all messages are MPI's. */
#include "dist/local.h"

clade_local *clade_local_create(int own, int count, clade_segment_name *name)
{
    (void)own, (void)count;
    *name = (clade_segment_name){.host = 0};
    return NULL;
}

void clade_local_destroy(clade_local **local) { (void)local; }

bool clade_local_map(clade_local *local, int rank, const clade_segment_name *name)
{
    (void)local, (void)rank, (void)name;
    return false;
}

void clade_local_settle(clade_local *local, const bool *both) { (void)local, (void)both; }

bool clade_local_has(const clade_local *local, int rank)
{
    (void)local, (void)rank;
    return false;
}

clade_shared_segment *clade_local_segment(const clade_local *local)
{
    (void)local;
    return NULL;
}

bool clade_local_send(clade_local *local, int to, const void *bytes, size_t size)
{
    (void)local, (void)to, (void)bytes, (void)size;
    return false;
}

bool clade_local_receive(clade_local *local, int from, void *bytes, size_t size)
{
    (void)local, (void)from, (void)bytes, (void)size;
    return false;
}

bool clade_local_show(clade_local *local, int to, const void *bytes)
{
    (void)local, (void)to, (void)bytes;
    return false;
}

bool clade_local_fetch(clade_local *local, int from, void *bytes, size_t size)
{
    (void)local, (void)from, (void)bytes, (void)size;
    return false;
}

bool clade_local_see(clade_local *local, int from, const void **bytes)
{
    (void)local, (void)from, (void)bytes;
    return false;
}

unsigned clade_local_listen(const clade_local *local)
{
    (void)local;
    return 0;
}

bool clade_local_test(clade_local *local, int *waits_for)
{
    (void)local, (void)waits_for;
    return true;
}

void clade_local_sleep(const clade_local *local, unsigned heard, double seconds)
{
    (void)local, (void)heard, (void)seconds;
}

void *clade_segment_take(clade_shared_segment *segment, size_t bytes)
{
    (void)segment, (void)bytes;
    return NULL;
}

void clade_segment_give_back(clade_shared_segment *segment, void *memory)
{
    (void)segment, (void)memory;
}
