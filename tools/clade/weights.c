/* clade weights: published weights of the backbones that have names. */
#include "weights.h"
#include "json_print.h"
#include "session.h"
#include "shown.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int misname(const char *command, const char *name)
{
    const char *const *names = clade_backbone_names();
    size_t count = 0;
    while (names[count]) count++;
    const char *near = command_nearest(name, names, count, sizeof *names);
    if (near)
        return command_misuse(command, "unknown backbone '%s'; did you mean '%s'?", shown(name),
                              near);
    return command_misuse(command, "unknown backbone '%s'; `clade weights list` lists them",
                          shown(name));
}

/* --- list --- */

/* "SHA-256 f37072fd…" */
static const char *checksum(const clade_pretrained *p, char text[80])
{
    if (p->md5)
        snprintf(text, 80, "MD5 %s", p->md5);
    else if (p->sha256[0])
        snprintf(text, 80, "SHA-256 %s...", p->sha256);
    else
        snprintf(text, 80, "no checksum is published");
    return text;
}

/* All that is published of one file. */
static void print_details(const clade_pretrained *p, const char *path)
{
    char text[80];
    printf("%s %s (%s)\n", p->backbone, p->variant, p->source);
    printf("  %-9s%s\n", "url", p->url);
    if (p->mib > 0) printf("  %-9s%.1f MiB\n", "size", p->mib);
    if (p->accuracy > 0) printf("  %-9s%.1f %% on ImageNet\n", "accuracy", p->accuracy);
    if (p->gflops > 0) printf("  %-9s%.2g GFLOPs an image\n", "cost", p->gflops);
    printf("  %-9s%s\n  %-9s%s\n", "checksum", checksum(p, text), "images", p->preprocessing);
    printf("  %-9s%s (%s)\n", "licence", p->licence, p->page);
    if (path) printf("  %-9s%s\n", "file", shown(path));
}

/* A line of the table of all. */
static void print_row(const clade_pretrained *p, const char *path, const char *before)
{
    char size[16] = "", accuracy[16] = "", gflops[16] = "", line[128];
    if (p->mib > 0) snprintf(size, sizeof size, "%.1f MiB", p->mib);
    if (p->accuracy > 0) snprintf(accuracy, sizeof accuracy, "%.1f %%", p->accuracy);
    if (p->gflops > 0) snprintf(gflops, sizeof gflops, "%.2g", p->gflops);
    int n = snprintf(line, sizeof line, "%-19s%-15s%-12s%10s%9s%8s%s",
                     before && !strcmp(before, p->backbone) ? "" : p->backbone, p->variant,
                     p->source, size, accuracy, gflops, path ? "  on disk" : "");
    while (n > 0 && line[n - 1] == ' ') n--;
    printf("%.*s\n", n, line);
}

static void put_text(cJSON *object, const char *key, const char *text)
{
    clade_json_put(object, key, text && text[0] ? cJSON_CreateString(text) : cJSON_CreateNull());
}

static void add_json(cJSON *list, const clade_pretrained *p, const char *path)
{
    cJSON *object = cJSON_CreateObject();
    put_text(object, "backbone", p->backbone);
    put_text(object, "variant", p->variant);
    put_text(object, "source", p->source);
    put_text(object, "url", p->url);
    clade_json_put(object, "mib", p->mib > 0 ? cJSON_CreateNumber(p->mib) : cJSON_CreateNull());
    clade_json_put(object, "accuracy",
                   p->accuracy > 0 ? cJSON_CreateNumber(p->accuracy) : cJSON_CreateNull());
    clade_json_put(object, "gflops",
                   p->gflops > 0 ? cJSON_CreateNumber(p->gflops) : cJSON_CreateNull());
    put_text(object, "sha256", p->sha256);
    put_text(object, "md5", p->md5);
    put_text(object, "preprocessing", p->preprocessing);
    put_text(object, "licence", p->licence);
    put_text(object, "page", p->page);
    put_text(object, "file", path);
    clade_json_append(list, object);
}

/* The files of one backbone after the other. */
static clade_status list_backbone(const char *name, cJSON *json, bool details, const char **before)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < clade_pretrained_count() && !status; i++) {
        const clade_pretrained p = clade_pretrained_at(i);
        char *path = NULL;
        if (strcmp(p.backbone, name)) continue;
        status = clade_pretrained_find(&p, &path);
        if (!status && json) add_json(json, &p, path);
        if (!status && !json && details) print_details(&p, path);
        if (!status && !json && !details) print_row(&p, path, *before);
        *before = p.backbone;
        free(path);
    }
    return status;
}

int command_weights_list(int argc, char **argv)
{
    bool json = false;
    const command_option options[] = {
        OPTION_FLAG("json", &json, "print JSON"),
    };
    static const command_usage usage = {
        .name = "weights list",
        .arguments = "[BACKBONE]",
        .least = 0,
        .most = 1,
        .about =
            "Lists published weights of the named backbones, their accuracy on ImageNet, and\n"
            "which of them this machine has: in the caches of torch hub (TORCH_HOME), Hugging\n"
            "Face (HF_HOME), Keras (KERAS_HOME) or Clade. With BACKBONE, also lists their\n"
            "addresses, checksums and terms.",
        .example = "clade weights list\n"
                   "  clade weights list resnet18",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    const char *only = count ? argv[1] : NULL, *before = NULL;
    cJSON *list = json ? cJSON_CreateArray() : NULL;
    clade_status status = CLADE_OK;
    if (!json && !only)
        printf("%-19s%-15s%-12s%10s%9s%8s\n", "name", "weights", "from", "size", "ImageNet",
               "GFLOPs");
    for (const char *const *name = clade_backbone_names(); *name && !status; name++)
        if (!only || !strcmp(only, *name)) status = list_backbone(*name, list, only, &before);
    if (status || (only && !before)) {
        cJSON_Delete(list);
        return status ? command_fail("weights list") : misname("weights list", only);
    }
    if (json)
        json_print(list, false);
    else if (!only)
        printf("\n"
               "`clade weights fetch NAME` downloads the first weights of a backbone, --variant "
               "others; in recipes,\n"
               "`weights: pretrained` uses those on disk. `clade weights list NAME` shows "
               "addresses, checksums and\n"
               "terms.\n");
    return COMMAND_OK;
}

/* --- fetch --- */

/* The file that is asked for; 0, or the exit status where there is none. */
static int choose(const char *name, const char *variant, clade_pretrained *out)
{
    char known[512] = "";
    bool named = false;
    for (size_t i = 0; i < clade_pretrained_count(); i++) {
        *out = clade_pretrained_at(i);
        if (strcmp(out->backbone, name)) continue;
        if (!variant || !strcmp(out->variant, variant)) return COMMAND_OK;
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s%s", named ? ", " : "", out->variant);
        named = true;
    }
    if (named)
        return command_misuse("weights fetch", "--variant %s: %s has %s", shown(variant), name,
                              known);
    return misname("weights fetch", name);
}

static bool is_file(const char *path)
{
    struct stat info;
    return !stat(path, &info) && S_ISREG(info.st_mode);
}

/* Where the file is already: in the folder that was asked for, else in any cache. */
static clade_status find(const clade_pretrained *p, const char *out, char **path)
{
    *path = NULL;
    if (!out) return clade_pretrained_find(p, path);
    size_t size = strlen(out) + sizeof p->file + 1;
    char *file = malloc(size);
    if (!file) return clade_fail(CLADE_ENOMEM, "out of memory");
    snprintf(file, size, "%s/%s", out, p->file);
    if (is_file(file))
        *path = file;
    else
        free(file);
    return CLADE_OK;
}

static clade_status fetch(const clade_pretrained *p, double mib, const char *out)
{
    char *path, *folder = NULL;
    clade_status status = find(p, out, &path);
    if (status) return status;
    if (path) {
        status = clade_pretrained_check(p, path);
        clade_context(status, "already exists; move it away first");
        if (!status) fprintf(stderr, "clade weights fetch: already on this machine\n");
    } else {
        if (!out) status = clade_pretrained_cache(&folder);
        if (!status) fprintf(stderr, "clade weights fetch: %s\n", p->url);
        if (!status) status = weights_fetch(p, mib, out ? out : folder, &path);
        if (!status && !p->md5 && !p->sha256[0])
            fprintf(stderr, "clade weights fetch: downloaded; no checksum is published\n");
    }
    if (!status) printf("%s\n", path);
    free(path);
    free(folder);
    return status;
}

int command_weights_fetch(int argc, char **argv)
{
    const char *variant = NULL, *out = NULL, *from = NULL;
    bool dry = false;
    const command_option options[] = {
        OPTION_TEXT("variant", "NAME", &variant,
                    "which of its weights in `clade weights list`; default: the first"),
        OPTION_TEXT("out", "DIR", &out,
                    "folder for the file; default: Clade's cache, where recipes find it"),
        OPTION_TEXT("from", "URL", &from,
                    "another address, such as a mirror's; a suffix of the file's name, as in "
                    "resnet18-f37072fd.pth, must match the start of its SHA-256"),
        OPTION_FLAG("dry-run", &dry, "print the address without downloading"),
    };
    static const command_usage usage = {
        .name = "weights fetch",
        .arguments = "BACKBONE",
        .least = 1,
        .most = 1,
        .about = "Downloads a backbone's published weights with curl or wget, unless this machine\n"
                 "has them already (see `clade weights list`), and prints the name of the file.\n"
                 "Checks the file, and resumes an interrupted download.",
        .example = "clade weights fetch resnet18\n"
                   "  clade weights fetch resnet50 --variant IMAGENET1K_V2 --out weights",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    clade_pretrained p;
    if ((done = choose(argv[1], variant, &p))) return done;
    const double mib = p.mib; /* wherever the file comes from */
    if (from && clade_pretrained_move(&p, from))
        return command_misuse("weights fetch", "--from %s", clade_error());
    if (dry) {
        printf("%s\n", p.url);
        return COMMAND_OK;
    }
    return fetch(&p, mib, out) ? command_fail("weights fetch") : COMMAND_OK;
}
