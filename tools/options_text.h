/* SPDX-License-Identifier: MIT
 * options_text.h - what help and man page say of an option.
 * Invariants: nothing that is not in the table.
 * Threads:    any.
 * Ownership:  texts are constant, or written into the caller's buffer.
 */
#ifndef IOE_TOOLS_OPTIONS_TEXT_H
#define IOE_TOOLS_OPTIONS_TEXT_H

#include "tools/options.h"

#define OPTION_RANGE_MAX 64

/* What its value looks like: "SIZE"; "" for a boolean. */
const char *option_form(const struct option_def *def);

/* NULL: none. */
const char *option_default(const struct option_def *def);

/* Of a bare number: "seconds"; NULL: it has none. */
const char *option_unit(const struct option_def *def);

/* "1 to 64"; false: there is none. */
bool option_range(const struct option_def *def, char text[OPTION_RANGE_MAX]);

/* A text of a man page, a sentence in a line. In options_man.c. */
void options_man_text(const char *text);

#endif
