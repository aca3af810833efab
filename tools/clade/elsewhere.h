/* The names that Keras, PyTorch with timm, and Ultralytics use for the subcommands and options
 * (docs/words.md). */
#ifndef CLADE_TOOLS_ELSEWHERE_H
#define CLADE_TOOLS_ELSEWHERE_H

#include "command.h"

/* Returns what to type, after "clade", for a subcommand of another program; NULL: the word is
 * unknown. */
const char *elsewhere_subcommand(const char *word);

/* Returns what to type for an option of another program, given without dashes up to its '=', if a
 * subcommand has `options`; NULL: the word is unknown, or the subcommand has no equivalent. */
const char *elsewhere_option(const char *word, const command_option *options, size_t count);

/* Returns the same text with the given value (NULL: none) inserted where it says "--set KEY=VALUE"
 * and the key accepts that value: "--set train.optimizer=adam". */
enum { elsewhere_room = 128 };
const char *elsewhere_fill(const char *type, const char *value, char text[elsewhere_room]);

#endif
