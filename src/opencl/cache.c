/* Compiled programs on disk. A file is a header of 152 bytes, then the driver's binary:
 *     "CLADEOCL"; version, little-endian u32; 4 zero bytes; size of the binary, little-endian u64;
 *     the key and the binary's SHA-256, 64 hexadecimal digits each. */
#include "opencl/cache.h"

#include "base/cache_folder.h"
#include "base/file.h"
#include "base/sha256.h"
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { header_bytes = 152, version = 1, hex_digits = clade_cache_key_digits, longest_text = 4096 };

static const char magic[] = "CLADEOCL", ending[] = ".bin";

bool clade_opencl_cache_wanted(const opencl_context *cl)
{
    const char *said = getenv("CLADE_PROGRAM_CACHE");
    if (said && !strcmp(said, "0")) return false;
    if (said && !strcmp(said, "1")) return true;
    return !cl->driver_caches;
}

/* ---- keys ---- */

/* With its final zero, so that two texts never run together. */
static void add_text(clade_sha256 *hash, const char *text)
{
    clade_sha256_add(hash, text, strlen(text) + 1);
}

static void add_device(clade_sha256 *hash, cl_device_id device, cl_device_info what)
{
    char text[longest_text] = "";
    clade_icd.clGetDeviceInfo(device, what, sizeof text - 1, text, NULL);
    add_text(hash, text);
}

static void add_platform(clade_sha256 *hash, cl_platform_id platform, cl_platform_info what)
{
    char text[longest_text] = "";
    clade_icd.clGetPlatformInfo(platform, what, sizeof text - 1, text, NULL);
    add_text(hash, text);
}

void clade_opencl_cache_key(const opencl_context *cl, cl_uint count, const char *const *lines,
                            const char *options, char key[65])
{
    clade_sha256 hash;
    clade_sha256_start(&hash);
    add_text(&hash, CLADE_VERSION);
    add_platform(&hash, cl->platform, CL_PLATFORM_NAME);
    add_platform(&hash, cl->platform, CL_PLATFORM_VENDOR);
    add_platform(&hash, cl->platform, CL_PLATFORM_VERSION);
    add_device(&hash, cl->device, CL_DEVICE_NAME);
    add_device(&hash, cl->device, CL_DEVICE_VENDOR);
    add_device(&hash, cl->device, CL_DEVICE_VERSION);
    add_device(&hash, cl->device, CL_DRIVER_VERSION);
    add_text(&hash, options);
    for (cl_uint i = 0; i < count; i++) clade_sha256_add(&hash, lines[i], strlen(lines[i]));
    clade_sha256_end(&hash, key);
}

char *clade_opencl_cache_json(const opencl_context *cl, const char *what, const char *const *source)
{
    char *folder, key[65], name[80];
    cl_uint count = 0;
    if (clade_cache_path("opencl", &folder)) return NULL;
    while (source && source[count]) count++;
    clade_opencl_cache_key(cl, count, source, what, key);
    snprintf(name, sizeof name, "/%s.json", key);
    char *path = clade_string_join(folder, name);
    free(folder);
    return path;
}

/* ---- files ---- */

static void hash_hex(const void *bytes, size_t size, char hex[65])
{
    clade_sha256 hash;
    clade_sha256_start(&hash);
    clade_sha256_add(&hash, bytes, size);
    clade_sha256_end(&hash, hex);
}

static void put_little(unsigned char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) at[i] = (unsigned char)(value >> (8 * i));
}

static void make_header(unsigned char header[header_bytes], const char *key, const void *binary,
                        size_t size)
{
    char checksum[65];
    hash_hex(binary, size, checksum);
    memset(header, 0, header_bytes);
    memcpy(header, magic, sizeof magic - 1);
    put_little(header + 8, version, 4);
    put_little(header + 16, size, 8);
    memcpy(header + 24, key, hex_digits);
    memcpy(header + 24 + hex_digits, checksum, hex_digits);
}

void *clade_opencl_cache_load(const char *key, size_t *size)
{
    char *folder = NULL, *path = NULL;
    void *file = NULL;
    size_t file_bytes = 0;
    if (clade_cache_path("opencl", &folder) || !(path = clade_cache_file(folder, key, ending)) ||
        clade_file_read(path, OPENCL_CACHE_BYTES, &file, &file_bytes) || file_bytes <= header_bytes)
        goto fail;
    unsigned char wanted[header_bytes];
    *size = file_bytes - header_bytes;
    make_header(wanted, key, (char *)file + header_bytes, *size);
    if (memcmp(file, wanted, header_bytes) != 0) goto fail;
    /* what is used is not old */
    clade_cache_touch(path);
    memmove(file, (char *)file + header_bytes, *size);
    free(folder);
    free(path);
    return file;
fail:
    free(folder);
    free(path);
    free(file);
    return NULL;
}

void clade_opencl_cache_store(const char *key, const void *binary, size_t size, uint64_t limit)
{
    char *folder = NULL, *path = NULL;
    clade_file_writer writer = {.fd = -1};
    unsigned char header[header_bytes];
    if (!size || size > limit || clade_cache_path("opencl", &folder)) return;
    if (clade_folder_create(folder) || !(path = clade_cache_file(folder, key, ending))) goto done;
    make_header(header, key, binary, size);
    if (clade_file_writer_open(&writer, path)) goto done;
    if (clade_file_writer_add(&writer, header, sizeof header) ||
        clade_file_writer_add(&writer, binary, size)) {
        clade_file_writer_abort(&writer);
        goto done;
    }
    if (!clade_file_writer_commit(&writer)) clade_cache_trim(folder, ending, limit);
done:
    free(folder);
    free(path);
}
