/* Man pages and shell completions. See document.h. */
#define _POSIX_C_SOURCE 200809L
#include "document.h"

#include <clade/clade.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- what a value is, by what help calls it ---- */

static bool takes_recipe(const char *value) { return value && strstr(value, "RECIPE"); }

static bool takes_file(const char *value)
{
    static const char *const words[] = {"RECIPE", "MODEL", "DATA",  "FILE",   "PATH", "DIR",
                                        "RUN",    "STUDY", "IMAGE", "FOLDER", ".csv"};
    for (size_t i = 0; value && i < sizeof words / sizeof *words; i++)
        if (strstr(value, words[i])) return true;
    return false;
}

static void print_words(const char *const *words)
{
    for (size_t i = 0; words[i]; i++) printf("%s%s", i ? " " : "", words[i]);
}

/* Within single quotes of a shell; a backslash before each letter of `special`. */
static void print_quoted(const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'')
            printf("'\\''");
        else
            printf(strchr(special, *text) ? "\\%c" : "%c", *text);
    }
}

/* ---- man ---- */

static void print_roff(const char *text)
{
    for (bool start = true; *text; start = *text++ == '\n') {
        if (start && *text == '.') printf("\\&");
        switch (*text) {
        case '\\': printf("\\e"); break;
        case '-': printf("\\-"); break;
        case '`': printf("\\(ga"); break;
        case '\'': printf("\\(aq"); break;
        case '~': printf("\\(ti"); break;
        case '^': printf("\\(ha"); break;
        default: putchar(*text);
        }
    }
}

/* The page of "data make" is clade-data-make. */
static const char *page_name(const char *name, char text[64])
{
    snprintf(text, 64, "clade%s%s", *name ? "-" : "", name);
    for (char *space = text; (space = strchr(space, ' '));) *space = '-';
    return text;
}

static void man_head(const char *name, const char *summary)
{
    char page[64];
    printf(".TH ");
    print_roff(page_name(name, page));
    printf(" 1 \"\" \"clade %s\" \"Clade\"\n.SH NAME\n", CLADE_VERSION);
    print_roff(page);
    printf(" \\- ");
    print_roff(summary);
    printf("\n.SH SYNOPSIS\n\\fBclade ");
    print_roff(name);
}

static void man_option(const char *heading, const char *help)
{
    printf(".TP\n\\fB");
    print_roff(heading);
    printf("\\fR\n");
    print_roff(help);
    printf("\n");
}

static void man_top(void)
{
    man_head("", "train image classifiers on OpenCL devices and CPUs");
    printf("\\fRSUBCOMMAND [options]\n.SH DESCRIPTION\n");
    for (const subcommand *s = subcommands; s->name; s++) {
        char page[64];
        printf(".TP\n.BR ");
        print_roff(page_name(s->name, page));
        printf(" (1)\n");
        print_roff(s->help);
        printf("\n");
    }
    printf(".SH EXIT STATUS\n");
    for (const exit_status *e = exit_statuses; e->status; e++) man_option(e->status, e->meaning);
}

static void man_body(const command_usage *usage, const command_option *options, size_t count)
{
    printf("\\fR %s [options]\n.SH DESCRIPTION\n", usage->arguments ? usage->arguments : "");
    print_roff(usage->about);
    printf("\n.SH OPTIONS\n");
    for (size_t i = 0; i < count; i++) {
        char heading[256];
        command_heading(&options[i], heading, sizeof heading);
        man_option(heading, options[i].help);
    }
    man_option("--help", "explain the options");
    printf(".SH EXAMPLES\n.nf\n");
    for (const char *line = usage->example; line;) { /* later lines are indented for --help */
        size_t n = strcspn(line += strspn(line, " "), "\n");
        char text[256];
        snprintf(text, sizeof text, "%.*s\n", (int)n, line);
        print_roff(text);
        line = line[n] ? line + n + 1 : NULL;
    }
    printf(".fi\n.SH EXIT STATUS\nAs in\n.BR clade (1).\n.SH SEE ALSO\n.BR clade (1)\n");
}

/* ---- bash ---- */

static void bash_part(const command_usage *usage, const command_option *options, size_t count)
{
    printf("    '%s '*)\n        case $prev in\n", usage->name);
    for (size_t i = 0; i < count; i++) {
        const command_option *o = &options[i];
        if (o->kind == COMMAND_FLAG) continue;
        printf("        --%s) ", o->name);
        if (o->kind == COMMAND_CHOICE) {
            printf("words='");
            print_words(o->choices);
            printf("' ");
        }
        if (takes_recipe(o->value)) printf("words=$recipes ");
        if (takes_file(o->value)) printf("files=yes ");
        printf(";;\n");
    }
    printf("        *) options='");
    for (size_t i = 0; i < count; i++) printf("--%s ", options[i].name);
    printf("--help'%s%s ;;\n        esac ;;\n",
           takes_recipe(usage->arguments) ? " words=$recipes" : "",
           takes_file(usage->arguments) ? " files=yes" : "");
}

/* The first words of subcommands, or with `group` the second ones of those that begin with it. */
static void print_subcommands(const char *group)
{
    const char *last = "";
    size_t skip = group ? strlen(group) + 1 : 0;
    for (const subcommand *s = subcommands; s->name; s++) {
        size_t n = strcspn(s->name, " ");
        if (group && (n + 1 != skip || strncmp(s->name, group, n))) continue;
        if (!group && strlen(last) >= n && !strncmp(last, s->name, n) && last[n] == ' ') continue;
        const char *word = s->name + skip;
        printf("%s%.*s", *last ? " " : "", (int)strcspn(word, " "), word);
        last = s->name;
    }
}

static void bash_top(void)
{
    printf("# bash completion of clade\n"
           "_clade()\n{\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
           "    local IFS=$' \\n' words='' files='' options='' recipes='");
    print_words(clade_recipe_names());
    printf("'\n    if [[ $cur == = ]]; then\n        cur=''\n"
           "    elif [[ $prev == = ]]; then\n        prev=${COMP_WORDS[COMP_CWORD - 2]}\n    fi\n"
           "    case \"$COMP_CWORD ${COMP_WORDS[*]:1} \" in\n"
           "    '1 '*) words='");
    print_subcommands(NULL);
    printf("' ;;\n    '2 data '*) words='");
    print_subcommands("data");
    printf("' ;;\n    esac\n    [[ $words ]] || case \"${COMP_WORDS[*]:1} \" in\n");
}

static void bash_end(void)
{
    printf("    esac\n"
           "    [[ $options && $cur == -* ]] && words=$options files=''\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
           "    [[ $files ]] || return 0\n"
           "    local IFS=$'\\n'\n"
           "    compopt -o filenames 2> /dev/null\n"
           "    COMPREPLY+=($(compgen -f -- \"$cur\"))\n"
           "}\n"
           "complete -F _clade clade\n");
}

/* ---- zsh ---- */

static void zsh_action(const char *value)
{
    printf(":%s:%s", value,
           takes_recipe(value) ? "_clade_recipes"
           : takes_file(value) ? "_files"
                               : " ");
}

static void zsh_part(const command_usage *usage, const command_option *options, size_t count)
{
    int words = strchr(usage->name, ' ') ? 2 : 1;
    printf("    '%s '*)\n        shift %d words\n        (( CURRENT -= %d ))\n        _arguments",
           usage->name, words, words);
    for (size_t i = 0; i < count; i++) {
        const command_option *o = &options[i];
        printf(" \\\n            '%s--%s%s[", o->kind == COMMAND_LIST ? "*" : "", o->name,
               o->kind == COMMAND_FLAG         ? ""
               : o->kind == COMMAND_MAYBE_TEXT ? "=-"
                                               : "=");
        print_quoted(o->help, "[]:\\");
        printf("]");
        if (o->kind == COMMAND_MAYBE_TEXT) printf(":");
        if (o->kind == COMMAND_CHOICE) {
            printf(":%s:(", o->name);
            print_words(o->choices);
            printf(")");
        } else if (o->value) {
            zsh_action(o->value);
        }
        printf("'");
    }
    printf(" \\\n            '--help[explain the options]'");
    if (usage->arguments) {
        printf(" \\\n            '*");
        zsh_action(usage->arguments);
        printf("'");
    }
    printf(" ;;\n");
}

static void zsh_top(void)
{
    printf("#compdef clade\n_clade_recipes()\n{\n    compadd -- ");
    print_words(clade_recipe_names());
    printf("\n    _files\n}\n\n_clade()\n{\n"
           "    case \"$CURRENT $words[2] \" in\n    '2 '*) compadd -- ");
    print_subcommands(NULL);
    printf("; return ;;\n    '3 data '*) compadd -- ");
    print_subcommands("data");
    printf("; return ;;\n    esac\n    case \"$words[2,-1] \" in\n");
}

/* ---- fish ---- */

static void fish_part(const command_usage *usage, const command_option *options, size_t count)
{
    char begin[128];
    snprintf(begin, sizeof begin, "complete -c clade -n '__clade_words %s'", usage->name);
    for (size_t i = 0; i < count; i++) {
        const command_option *o = &options[i];
        printf("%s -l %s", begin, o->name);
        if (takes_file(o->value))
            printf(o->kind == COMMAND_MAYBE_TEXT ? "" : " -r -F");
        else if (o->kind != COMMAND_FLAG)
            printf(" -x");
        if (o->kind == COMMAND_CHOICE || takes_recipe(o->value)) {
            printf(" -a '");
            print_words(o->kind == COMMAND_CHOICE ? o->choices : clade_recipe_names());
            printf("'");
        }
        printf(" -d '");
        print_quoted(o->help, "\\");
        printf("'\n");
    }
    printf("%s -l help -d 'explain the options'\n", begin);
    if (takes_file(usage->arguments)) printf("%s -F\n", begin);
    if (takes_recipe(usage->arguments)) {
        printf("%s -a '", begin);
        print_words(clade_recipe_names());
        printf("'\n");
    }
}

static void fish_top(void)
{
    printf(
        "# fish completion of clade\n"
        "function __clade_words\n"
        "    set -l words (commandline -opc)[2..-1]\n"
        "    test (count $words) -ge (count $argv)\n"
        "    and test (string join ' ' $words[1..(count $argv)]) = (string join ' ' $argv)\nend\n"
        "function __clade_first\n"
        "    test (count (commandline -opc)) -eq (math 1 + (count $argv))\n"
        "    and begin; test (count $argv) -eq 0; or __clade_words $argv; end\nend\n"
        "complete -c clade -f\ncomplete -c clade -n __clade_first -a '");
    print_subcommands(NULL);
    printf("'\ncomplete -c clade -n '__clade_first data' -a '");
    print_subcommands("data");
    printf("'\n");
}

/* ---- all of them ---- */

typedef struct document_form {
    const char *name;
    void (*top)(void), (*end)(void);
    void (*part)(const command_usage *usage, const command_option *options, size_t count);
} document_form;

static void zsh_end(void) { printf("    esac\n}\n_clade \"$@\"\n"); }
static void no_end(void) {}

static const document_form forms[] = {
    {"man", man_top, no_end, man_body},
    {"bash", bash_top, bash_end, bash_part},
    {"zsh", zsh_top, zsh_end, zsh_part},
    {"fish", fish_top, no_end, fish_part},
};

static const document_form *find_form(const char *name)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (!strcmp(forms[i].name, name)) return &forms[i];
    fprintf(stderr, "clade: --help=%s: expected man, bash, zsh or fish\n", name);
    return NULL;
}

int document_subcommand(const char *form, const command_usage *usage, const command_option *options,
                        size_t count)
{
    const document_form *f = find_form(form);
    if (!f) return COMMAND_MISUSE;
    f->part(usage, options, count);
    return COMMAND_OK;
}

/* Standard output goes into a new file. */
static bool begin_page(const char *folder, const char *name)
{
    char path[4096], page[64];
    snprintf(path, sizeof path, "%s/%s.1", folder, page_name(name, page));
    remove(path);
    if (freopen(path, "w", stdout)) return true;
    fprintf(stderr, "clade: %s: %s\n", path, strerror(errno));
    return false;
}

int document(const char *form, const char *folder)
{
    const document_form *f = find_form(form);
    if (!f) return COMMAND_MISUSE;
    bool pages = f == &forms[0];
    if (pages && !folder) {
        fprintf(stderr, "clade: --help=man: expected a folder\n");
        return COMMAND_MISUSE;
    }
    if (pages && mkdir(folder, 0777) && errno != EEXIST) {
        fprintf(stderr, "clade: %s: %s\n", folder, strerror(errno));
        return COMMAND_FAILED;
    }
    if (pages && !begin_page(folder, "")) return COMMAND_FAILED;
    f->top();
    for (const subcommand *s = subcommands; s->name; s++) {
        if (pages) {
            if (!begin_page(folder, s->name)) return COMMAND_FAILED;
            man_head(s->name, s->help);
        }
        char name[64], option[16];
        snprintf(name, sizeof name, "%s", s->name);
        snprintf(option, sizeof option, "--help=%s", form);
        s->run(2, (char *[]){name, option, NULL});
    }
    f->end();
    return COMMAND_OK;
}
