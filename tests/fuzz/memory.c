/* For MemorySanitizer, which does not see what is written by code that is not built for it: what
 * cJSON and libyaml give counts as written, and so does what these calls of the C library give. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sanitizer/msan_interface.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <yaml.h>

/* The library's own function of that name. */
#define REAL(name) (__extension__(__typeof__(&name)) dlsym(RTLD_NEXT, #name))

/* --- cJSON --- */

static void *written(size_t size) { return calloc(1, size); }

__attribute__((constructor)) static void set_hooks(void)
{
    cJSON_Hooks hooks = {.malloc_fn = written, .free_fn = free};
    cJSON_InitHooks(&hooks);
}

cJSON_bool cJSON_PrintPreallocated(cJSON *item, char *text, const int size, const cJSON_bool format)
{
    const cJSON_bool good = REAL(cJSON_PrintPreallocated)(item, text, size, format);
    __msan_unpoison_string(text);
    return good;
}

/* --- libyaml --- */

static void see_text(const yaml_char_t *text)
{
    if (text) __msan_unpoison_string((const char *)text);
}

static void see_event(yaml_event_t *event)
{
    __msan_unpoison(event, sizeof *event);
    switch (event->type) {
    case YAML_ALIAS_EVENT: see_text(event->data.alias.anchor); break;
    case YAML_SCALAR_EVENT:
        see_text(event->data.scalar.anchor);
        see_text(event->data.scalar.tag);
        __msan_unpoison(event->data.scalar.value, event->data.scalar.length + 1);
        break;
    case YAML_SEQUENCE_START_EVENT:
        see_text(event->data.sequence_start.anchor);
        see_text(event->data.sequence_start.tag);
        break;
    case YAML_MAPPING_START_EVENT:
        see_text(event->data.mapping_start.anchor);
        see_text(event->data.mapping_start.tag);
        break;
    default: break;
    }
}

int yaml_parser_initialize(yaml_parser_t *parser)
{
    const int good = REAL(yaml_parser_initialize)(parser);
    __msan_unpoison(parser, sizeof *parser);
    return good;
}

int yaml_parser_parse(yaml_parser_t *parser, yaml_event_t *event)
{
    __msan_scoped_disable_interceptor_checks(); /* in what libyaml compares */
    const int good = REAL(yaml_parser_parse)(parser, event);
    __msan_scoped_enable_interceptor_checks();
    __msan_unpoison(parser, sizeof *parser);
    see_event(event);
    return good;
}

int yaml_emitter_initialize(yaml_emitter_t *emitter)
{
    const int good = REAL(yaml_emitter_initialize)(emitter);
    __msan_unpoison(emitter, sizeof *emitter);
    return good;
}

int yaml_emitter_emit(yaml_emitter_t *emitter, yaml_event_t *event)
{
    __msan_scoped_disable_interceptor_checks();
    const int good = REAL(yaml_emitter_emit)(emitter, event);
    __msan_scoped_enable_interceptor_checks();
    __msan_unpoison(emitter, sizeof *emitter);
    return good;
}

/* Where the one emitter that there is at a time writes to. */
static yaml_write_handler_t *take_output;
static void *output;

/* Called by libyaml, which says nothing of its arguments' shadows. */
__attribute__((no_sanitize("memory"))) static int see_output(void *user, unsigned char *text,
                                                             size_t size)
{
    (void)user;
    __msan_unpoison(text, size);
    return take_output(output, text, size);
}

void yaml_emitter_set_output(yaml_emitter_t *emitter, yaml_write_handler_t *handler, void *user)
{
    take_output = handler;
    output = user;
    REAL(yaml_emitter_set_output)(emitter, see_output, NULL);
    __msan_unpoison(emitter, sizeof *emitter);
}

/* --- the C library --- */

static int stat_at(int folder, const char *path, struct stat *info, int flags)
{
    int failed = fstatat(folder, path, info, flags);
    __msan_unpoison(info, sizeof *info);
    return failed;
}

int stat(const char *path, struct stat *info) { return stat_at(AT_FDCWD, path, info, 0); }
int lstat(const char *path, struct stat *info)
{
    return stat_at(AT_FDCWD, path, info, AT_SYMLINK_NOFOLLOW);
}
int fstat(int file, struct stat *info) { return stat_at(file, "", info, AT_EMPTY_PATH); }
