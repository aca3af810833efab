/* The shares of free memory that archives, images and their cache may take, to the byte. */
#include "make.h"
#include "sets.h"

#include "data/dataset.h"
#include "data/source.h"

/* In place of src/data/memory.c's. */
static uint64_t memory_free;
uint64_t clade_memory_free(void) { return memory_free; }

static clade_status open_source(const char *path, uint64_t bytes)
{
    clade_source *source = NULL;
    clade_status status = clade_source_open(path, bytes, 1, &source);
    clade_source_close(&source);
    return status;
}

static clade_status open_dataset(const char *path, uint64_t bytes)
{
    memory_free = bytes;
    return try_open(path);
}

static clade_status open_archive(const char *path, uint64_t bytes)
{
    clade_archive *archive = NULL;
    memory_free = bytes;
    clade_status status = clade_archive_open(path, &archive);
    clade_archive_close(&archive);
    return status;
}

/* The fewest bytes with which it opens. */
static uint64_t fewest(clade_status (*open)(const char *path, uint64_t bytes), const char *path)
{
    uint64_t low = 0, high = 1 << 20;
    CHECK_OK(open(path, high));
    while (high - low > 1) {
        const uint64_t middle = (low + high) / 2;
        clade_status status = open(path, middle);
        CHECK(!status || status == CLADE_EUNSUPPORTED);
        if (status)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static void test_archive(void)
{
    const char *path = pack("set", "set.tar", "tar", "");
    const uint64_t bytes = fewest(open_source, path), three_quarters = (bytes + 2) / 3 * 4;
    CHECK(bytes > 1000);
    CHECK(fewest(open_dataset, path) == three_quarters);
    CHECK(fewest(open_archive, path) == three_quarters);
    CHECK_FAILS(open_dataset(path, three_quarters - 1), CLADE_EUNSUPPORTED, "than fit in memory");
}

/* Is there room in half of these bytes for all images, or in `given`, whatever is free? */
static bool has_room(uint64_t bytes, uint64_t given)
{
    clade_dataset *d = NULL;
    clade_data_options options = {.path = path_of("set"), .cache_bytes = given, .max_damaged = 1};
    options.height = options.width = 8;
    options.channels = 3;
    CHECK_OK(clade_dataset_open(&options, &d));
    memory_free = bytes;
    CHECK_OK(clade_dataset_make_room(d));
    bool has = d && clade_dataset_has_room(d, CLADE_TRAIN);
    clade_dataset_destroy(&d);
    return has;
}

static void test_cache(void)
{
    const uint64_t bytes = (uint64_t)4 * 8 * 8 * 3;
    CHECK(has_room(2 * bytes, 0) && !has_room(2 * bytes - 1, 0));
    CHECK(has_room(0, bytes) && !has_room(2 * bytes, bytes - 1));
}

int main(void)
{
    make_folder();
    memory_free = 1 << 20;
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "set/%s/%d.jpg", i % 2 ? "b" : "a", i);
        put_jpeg(name, 20, 30, i);
    }
    test_archive();
    test_cache();
    drop_folder();
    return TEST_END();
}
