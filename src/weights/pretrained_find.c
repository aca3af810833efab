/* Where published weights may be at hand: the caches of other programs and our own. */
#define _XOPEN_SOURCE 700
#include <clade/pretrained.h>

#include "base/file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { path_size = 4096 };

/* An absolute path that a variable of the environment has; NULL: none. */
static const char *folder_of(const char *variable)
{
    const char *value = getenv(variable);
    return value && value[0] == '/' ? value : NULL;
}

/* $variable, else $above/below, else ~/home; false: the environment says none of them. */
static bool choose(char *out, const char *variable, const char *above, const char *below,
                   const char *home)
{
    const char *own = folder_of(variable), *shared = above ? folder_of(above) : NULL;
    const char *user = folder_of("HOME");
    int n = own      ? snprintf(out, path_size, "%s", own)
            : shared ? snprintf(out, path_size, "%s/%s", shared, below)
            : user   ? snprintf(out, path_size, "%s/%s", user, home)
                     : -1;
    return n >= 0 && n < path_size;
}

/* Is there a regular file of this name? Then *path is it. */
static clade_status try(char **path, const char *format, ...) CLADE_PRINTF(2, 3);
static clade_status try(char **path, const char *format, ...)
{
    char text[path_size];
    struct stat info;
    if (*path) return CLADE_OK;
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (n < 0 || n >= path_size || stat(text, &info) || !S_ISREG(info.st_mode)) return CLADE_OK;
    *path = clade_string_join(text, "");
    return *path ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory");
}

/* HUB/models--OWNER--NAME/snapshots/COMMIT/FILE; refs/main has the commit. */
static clade_status try_hub(const char *folder, const char *url, char **path)
{
    static const char site[] = "https://huggingface.co/";
    char name[path_size], commit[65] = {0};
    if (strncmp(url, site, sizeof site - 1)) return CLADE_OK;
    const char *owner = url + sizeof site - 1, *slash = strchr(owner, '/');
    const char *rest = strstr(owner, "/resolve/main/");
    if (!slash || !rest || rest <= slash) return CLADE_OK;
    int n = snprintf(name, sizeof name, "%s/models--%.*s--%.*s", folder, (int)(slash - owner),
                     owner, (int)(rest - slash - 1), slash + 1);
    if (n >= path_size) return CLADE_OK;
    char *refs = clade_path_join(name, "refs/main");
    FILE *file = refs ? fopen(refs, "r") : NULL;
    free(refs);
    if (!file) return refs ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory");
    size_t size = fread(commit, 1, sizeof commit - 1, file);
    fclose(file);
    if (size == 0 || strspn(commit, "0123456789abcdef") < 40) return CLADE_OK;
    commit[strspn(commit, "0123456789abcdef")] = 0;
    return try(path, "%s/snapshots/%s/%s", name, commit, rest + strlen("/resolve/main/"));
}

clade_status clade_pretrained_cache(char **folder) { return clade_cache_path("weights", folder); }

clade_status clade_pretrained_find(const clade_pretrained *p, char **path)
{
    char folder[path_size], *own = NULL;
    clade_status status = CLADE_OK;
    *path = NULL;
    if (choose(folder, "TORCH_HOME", "XDG_CACHE_HOME", "torch", ".cache/torch"))
        status = try(path, "%s/hub/checkpoints/%s", folder, p->file);
    if (!status && choose(folder, "HF_HUB_CACHE", "HF_HOME", "hub", ".cache/huggingface/hub"))
        status = try_hub(folder, p->url, path);
    if (!status && choose(folder, "KERAS_HOME", NULL, NULL, ".keras"))
        status = try(path, "%s/models/%s", folder, p->file);
    if (status || *path) return status;
    if (clade_pretrained_cache(&own)) return CLADE_OK; /* none is configured */
    status = try(path, "%s/%s", own, p->file);
    free(own);
    return status;
}

clade_status clade_pretrained_find_any(const char *backbone, char **path)
{
    clade_status status = CLADE_OK;
    *path = NULL;
    for (size_t i = 0; i < clade_pretrained_count() && !status && !*path; i++) {
        const clade_pretrained p = clade_pretrained_at(i);
        if (!strcmp(p.backbone, backbone)) status = clade_pretrained_find(&p, path);
    }
    return status;
}
