/* The table of published weights, and checking a file against it. */
#include <clade/pretrained.h>

#include "base/md5.h"
#include "base/sha256.h"
#include "weights/backbone.h"
#include "weights/blob.h"
#include "weights/file.h"
#include "weights/published_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the table --- */

/* The value of a line "word     value"; NULL: another word. */
static const char *value_of(const char *line, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(line, word, n) || line[n] != ' ') return NULL;
    return line + n + strspn(line + n, " ");
}

size_t clade_pretrained_count(void)
{
    size_t count = 0;
    for (const char *const *line = clade_published_lines; *line; line++)
        count += value_of(*line, "name") != NULL;
    return count;
}

/* What follows the last slash, without a query. */
static int base_name(const char *url, const char **out)
{
    const char *end = url + strcspn(url, "?#"), *p = end;
    while (p > url && p[-1] != '/') p--;
    *out = p;
    return (int)(end - p);
}

/* As torch hub has it: name-DIGITS.ending, here with eight digits or more. */
static void read_digits(const char *name, char digits[65])
{
    static const char hex[] = "0123456789abcdef";
    digits[0] = 0;
    for (const char *p = strchr(name, '-'); p; p = strchr(p + 1, '-')) {
        size_t n = strspn(p + 1, hex);
        if (n < 8 || n > 64 || p[1 + n] != '.') continue;
        memcpy(digits, p + 1, n);
        digits[n] = 0;
    }
}

static const char hub[] = "https://huggingface.co/";

/* On Hugging Face all files have one name: OWNER/REPOSITORY/resolve/main/FILE is kept under the
 * repository's. */
static bool split_hub(const char *url, const char **repository, int *owner, int *name)
{
    if (strncmp(url, hub, sizeof hub - 1)) return false;
    *repository = url + sizeof hub - 1;
    const char *slash = strchr(*repository, '/'), *rest = strstr(url, "/resolve/main/");
    if (!slash || !rest || rest <= slash) return false;
    *owner = (int)(slash - *repository);
    *name = (int)(rest - slash - 1);
    return true;
}

static void name_file(clade_pretrained *p)
{
    const char *base, *repository;
    int owner, name, length = base_name(p->url, &base);
    const char *dot = strrchr(base, '.');
    if (split_hub(p->url, &repository, &owner, &name))
        snprintf(p->file, sizeof p->file, "%.*s%s", name, repository + owner + 1, dot ? dot : "");
    else
        snprintf(p->file, sizeof p->file, "%.*s", length, base);
    read_digits(p->file, p->sha256);
}

clade_pretrained clade_pretrained_at(size_t i)
{
    clade_pretrained p = {0};
    size_t at = 0;
    for (const char *const *line = clade_published_lines; *line; line++) {
        const char *value;
        if ((value = value_of(*line, "source"))) {
            if (p.backbone) break;
            p.source = value;
        } else if ((value = value_of(*line, "name"))) {
            if (p.backbone) break;
            if (at++ == i) p.backbone = value;
        } else if ((value = value_of(*line, "page"))) {
            p.page = value;
        } else if ((value = value_of(*line, "licence"))) {
            p.licence = value;
        }
        if (!p.backbone) continue;
        if ((value = value_of(*line, "variant"))) p.variant = value;
        if ((value = value_of(*line, "url"))) p.url = value;
        if ((value = value_of(*line, "md5"))) p.md5 = value;
        if ((value = value_of(*line, "mib"))) p.mib = strtod(value, NULL);
        if ((value = value_of(*line, "accuracy"))) p.accuracy = strtod(value, NULL);
        if ((value = value_of(*line, "gflops"))) p.gflops = strtod(value, NULL);
    }
    name_file(&p);
    p.preprocessing = clade_backbone_preprocessing(p.backbone, !strcmp(p.source, "keras"));
    return p;
}

clade_status clade_pretrained_move(clade_pretrained *p, const char *url)
{
    const char *base;
    int length = base_name(url, &base);
    bool web = !strncmp(url, "http://", 7) || !strncmp(url, "https://", 8);
    for (const char *c = url; *c; c++) web = web && *c > ' ' && *c != 127;
    if (!web || length == 0 || length >= CLADE_PRETRAINED_NAME || base[0] == '.')
        return clade_fail(CLADE_EINVAL,
                          "%s: expected the address of a file, such as https://HOST/FOLDER/FILE",
                          url);
    p->url = url;
    p->md5 = NULL;
    p->mib = 0;
    name_file(p);
    return CLADE_OK;
}

/* --- checking --- */

static clade_status sum(const clade_pretrained *p, const clade_blob *file)
{
    enum { piece_bytes = 1 << 16 };
    uint8_t *piece = malloc(piece_bytes);
    clade_sha256 sha256;
    clade_md5 md5;
    char found[65];
    if (!piece) return clade_fail(CLADE_ENOMEM, "%s: out of memory", file->name);
    clade_sha256_start(&sha256);
    clade_md5_start(&md5);
    clade_status status = CLADE_OK;
    for (uint64_t at = 0; at < file->size && !status; at += piece_bytes) {
        size_t n = file->size - at < piece_bytes ? (size_t)(file->size - at) : piece_bytes;
        status = clade_blob_read(file, at, piece, n);
        if (!status && p->md5) clade_md5_add(&md5, piece, n);
        if (!status && !p->md5) clade_sha256_add(&sha256, piece, n);
    }
    free(piece);
    if (status) return status;
    if (p->md5)
        clade_md5_end(&md5, found);
    else
        clade_sha256_end(&sha256, found);
    const char *expected = p->md5 ? p->md5 : p->sha256;
    if (!strncmp(found, expected, strlen(expected))) return CLADE_OK;
    return clade_fail(CLADE_EMISMATCH, "%s: not the published file: %s %s, expected %s%s",
                      file->name, p->md5 ? "MD5" : "SHA-256", found, expected,
                      strlen(expected) < strlen(found) ? "…" : "");
}

clade_status clade_pretrained_check(const clade_pretrained *p, const char *path)
{
    clade_blob file;
    clade_weight_file *weights = NULL;
    clade_status status = clade_blob_open(path, &file);
    if (status) return status;
    if (p->md5 || p->sha256[0]) status = sum(p, &file);
    clade_blob_close(&file);
    if (!status) status = clade_weight_file_open(path, &weights);
    clade_weight_file_close(&weights);
    return status;
}
