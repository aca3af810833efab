/* What Keras, PyTorch with timm, and Ultralytics call the subcommands and options (docs/words.md).
 */
#ifndef CLADE_TOOLS_ELSEWHERE_H
#define CLADE_TOOLS_ELSEWHERE_H

#include "command.h"

/* What to type for a subcommand of another program, after "clade"; NULL: the word is not known. */
const char *elsewhere_subcommand(const char *word);

/* What to type for an option of another program, given without dashes up to its '=', where a
 * subcommand has `options`; NULL: the word is not known, or the subcommand has nothing like it. */
const char *elsewhere_option(const char *word, const command_option *options, size_t count);

/* The same text with the value that was given (NULL: none) where it says "--set KEY=VALUE" and the
 * key takes that value: "--set train.optimizer=adam". */
enum { elsewhere_room = 128 };
const char *elsewhere_fill(const char *type, const char *value, char text[elsewhere_room]);

#endif
