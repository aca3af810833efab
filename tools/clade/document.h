/* Man pages and shell completions, made from the same tables as --help. The build asks for them:
 * `clade --help=FORM` prints a whole one, and asks each subcommand with --help=FORM for its part.
 */
#ifndef CLADE_TOOLS_DOCUMENT_H
#define CLADE_TOOLS_DOCUMENT_H

#include "command.h"

/* form: "bash", "zsh" or "fish", a completion on standard output; "man", pages into `folder`, which
 * is made: clade.1 and one per subcommand. Gives an exit status. */
int document(const char *form, const char *folder);

/* A subcommand's part of one. */
int document_subcommand(const char *form, const command_usage *usage, const command_option *options,
                        size_t count);

#endif
