/* Man pages and shell completions, generated from the same tables as --help. The build runs `clade
 * --help=FORM`, which prints a whole document and asks each subcommand with --help=FORM for its
 * part. */
#ifndef CLADE_TOOLS_DOCUMENT_H
#define CLADE_TOOLS_DOCUMENT_H

#include "command.h"

/* form: "bash", "zsh" or "fish" writes a completion to standard output; "man" writes pages into
 * `folder`, which is created: clade.1 and one per subcommand. Returns an exit status. */
int document(const char *form, const char *folder);

/* Prints a subcommand's part. */
int document_subcommand(const char *form, const command_usage *usage, const command_option *options,
                        size_t count);

#endif
