/* What the subcommands share: reading the command line from a table of options, help made from that
 * table, and messages.
 *
 *     int command_peel(int argc, char **argv)
 *     {
 *         const char *device = NULL;
 *         int64_t epochs = 0;
 *         bool json = false;
 *         const command_option options[] = {
 *             OPTION_TEXT("device", "NAME", &device, "where to run; see `clade devices`"),
 *             OPTION_INTEGER("epochs", "N", &epochs, 1, 100000, "times through the data"),
 *             OPTION_FLAG("json", &json, "print JSON"),
 *         };
 *         static const command_usage usage = {
 *             .name = "peel", .arguments = "FRUIT...", .least = 1, .most = COMMAND_ANY,
 *             .about = "Peels fruit.", .example = "clade peel --epochs 2 apple"};
 *         int count;
 *         int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
 *         if (done != COMMAND_GO) return done;
 *         ...  argv[1] ... argv[count] are the positional arguments
 *         if (status) return command_fail("peel");
 *         return COMMAND_OK;
 *     }
 *
 * What a target holds before is its default. */
#ifndef CLADE_TOOLS_COMMAND_H
#define CLADE_TOOLS_COMMAND_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses, and what COMMAND_PARSE returns if the command should go on. */
enum {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1,
    COMMAND_MISUSE = 2,
    COMMAND_IO = 3,    /* training could not read or write a file: it can be continued later */
    COMMAND_WRONG = 4, /* a device computed a wrong result */
    COMMAND_GO = -1
};

/* The exit statuses as described in --help and the man page; the last has no status. */
typedef struct exit_status {
    const char *status, *meaning;
} exit_status;
extern const exit_status exit_statuses[];

enum { COMMAND_ANY = -1, COMMAND_LIST_SIZE = 64 };

/* The values of an option that may be given several times. */
typedef struct command_list {
    const char *item[COMMAND_LIST_SIZE];
    size_t count;
} command_list;

typedef enum command_kind {
    COMMAND_FLAG,
    COMMAND_TEXT,
    COMMAND_MAYBE_TEXT, /* --name, which stores an empty text, or --name=value */
    COMMAND_INTEGER,
    COMMAND_REAL,
    COMMAND_CHOICE,
    COMMAND_LIST
} command_kind;

/* One option, written as --name value or --name=value. */
typedef struct command_option {
    const char *name;  /* without the dashes */
    const char *value; /* name of its value in help; NULL for flags and choices */
    const char *help;
    command_kind kind;
    union {
        bool *flag;
        const char **text;
        int64_t *integer;
        double *real;
        int *choice; /* index into `choices` */
        command_list *list;
    } to;
    double low, high;           /* for numbers, both inclusive */
    const char *const *choices; /* words, ended by NULL */
} command_option;

#define OPTION_FLAG(word, target, text)                                                            \
    {                                                                                              \
        .name = word, .kind = COMMAND_FLAG, .to.flag = target, .help = text                        \
    }
#define OPTION_TEXT(word, what, target, doc)                                                       \
    {                                                                                              \
        .name = word, .value = what, .kind = COMMAND_TEXT, .to.text = target, .help = doc          \
    }
#define OPTION_MAYBE_TEXT(word, what, target, doc)                                                 \
    {                                                                                              \
        .name = word, .value = what, .kind = COMMAND_MAYBE_TEXT, .to.text = target, .help = doc    \
    }
#define OPTION_INTEGER(word, what, target, least, most, doc)                                       \
    {                                                                                              \
        .name = word, .value = what, .kind = COMMAND_INTEGER, .to.integer = target, .low = least,  \
        .high = most, .help = doc                                                                  \
    }
#define OPTION_REAL(word, what, target, least, most, doc)                                          \
    {                                                                                              \
        .name = word, .value = what, .kind = COMMAND_REAL, .to.real = target, .low = least,        \
        .high = most, .help = doc                                                                  \
    }
#define OPTION_CHOICE(word, target, words, doc)                                                    \
    {                                                                                              \
        .name = word, .kind = COMMAND_CHOICE, .to.choice = target, .choices = words, .help = doc   \
    }
#define OPTION_LIST(word, what, target, doc)                                                       \
    {                                                                                              \
        .name = word, .value = what, .kind = COMMAND_LIST, .to.list = target, .help = doc          \
    }

/* The rest of a subcommand's help. */
typedef struct command_usage {
    const char *name;      /* of the subcommand */
    const char *arguments; /* positional ones as shown in help; NULL if there are none */
    const char *about;     /* what it does: lines */
    const char *example;   /* one or more command lines */
    int least, most;       /* positional arguments; most COMMAND_ANY: no limit */
} command_usage;

/* Parses argv[1…] (argv[0] is the subcommand). Moves positional arguments to argv[1…*count];
 * everything after "--" is one. Returns COMMAND_GO; or the exit status, if help was asked for and
 * printed, or if something is wrong and one line on standard error says what. */
int command_parse(const command_usage *usage, const command_option *options, size_t option_count,
                  int argc, char **argv, int *count);
#define COMMAND_PARSE(usage, options, argc, argv, count)                                           \
    command_parse(usage, options, sizeof(options) / sizeof *(options), argc, argv, count)

/* Writes "--seed N", "--math exact|fast"; returns its length. */
int command_heading(const command_option *o, char *text, size_t size);

/* Prints "clade NAME: <the library's error text>" and returns COMMAND_FAILED. */
int command_fail(const char *name);
/* Does the same for training: returns COMMAND_IO if the status is CLADE_EIO, COMMAND_WRONG for
 * CLADE_EWRONG. */
int command_fail_training(const char *name, clade_status status);
/* Prints "clade NAME: <text>" and returns COMMAND_MISUSE. */
int command_misuse(const char *name, const char *format, ...) CLADE_PRINTF(2, 3);

/* Returns whether the text ends so. */
bool command_ends(const char *text, const char *end);

/* Returns the seconds since an arbitrary moment, by a monotonic clock. */
double command_clock(void);

/* Returns the word of `words` (`count` of them, `stride` bytes from one pointer to the next) with
 * the smallest edit distance; NULL if none is close. */
const char *command_nearest(const char *word, const char *const *words, size_t count,
                            size_t stride);

/* The subcommands, as `clade --help` lists them; `name` may be two words. */
typedef struct subcommand {
    const char *name, *help;
    int (*run)(int argc, char **argv);
    bool ranks; /* may be started several times by an MPI launcher: shares its work out, or is about
                 * the host */
} subcommand;
extern const subcommand subcommands[]; /* ended by a NULL name */

int command_bench(int argc, char **argv);
int command_calibrate(int argc, char **argv);
int command_compare(int argc, char **argv);
int command_conform(int argc, char **argv);
int command_cross_validate(int argc, char **argv);
int command_data_list(int argc, char **argv);
int command_data_make(int argc, char **argv);
int command_recipes_list(int argc, char **argv);
int command_recipes_show(int argc, char **argv);
int command_devices(int argc, char **argv);
int command_evaluate(int argc, char **argv);
int command_export(int argc, char **argv);
int command_import(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_lr_find(int argc, char **argv);
int command_new(int argc, char **argv);
int command_predict(int argc, char **argv);
int command_report(int argc, char **argv);
int command_summary(int argc, char **argv);
int command_train(int argc, char **argv);
int command_tune(int argc, char **argv);
int command_tune_device(int argc, char **argv);
int command_weights_fetch(int argc, char **argv);
int command_weights_list(int argc, char **argv);

#endif
