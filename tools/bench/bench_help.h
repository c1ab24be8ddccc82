/* SPDX-License-Identifier: MIT
 * bench_help.h - what `ioe bench` says of itself.
 * Invariants: options are listed from their tables.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#ifndef IOE_TOOLS_BENCH_HELP_H
#define IOE_TOOLS_BENCH_HELP_H

#include <stdbool.h>

/* --help, --cmdhelp, --cmdhelp=NAME, --man, --version, wherever they stand. True: answered, and
 * that is the exit status. */
bool bench_help_answer(int argc, char **argv, int *ret_status);

#endif
