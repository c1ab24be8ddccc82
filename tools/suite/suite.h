/* SPDX-License-Identifier: MIT
 * suite.h - what the benchmarks of `ioe suite` share: options, head, texts.
 * Invariants: job is complete but for the pattern: a benchmark sets rw, and what it varies.
 * Threads:    the main thread.
 * Ownership:  strings point into argv, or to the path of the file that the suite has made.
 */
#ifndef IOE_TOOLS_SUITE_H
#define IOE_TOOLS_SUITE_H

#include <stdio.h>

#include "tools/bench/versus.h"

enum suite_what { SUITE_MAIN, SUITE_MERGE, SUITE_FLOOR };

struct suite_options {
	struct bench_options job; /* first, as rows of the table of `ioe bench` are used */
	const char *directory;
	const char *commit;
	uint64_t what;
	uint64_t search_ns;
	uint64_t quick;
	uint64_t batch;     /* merge: blocks that a producer waits for, its slice at the most */
	const char *only;   /* floor: the targets to be measured, "T1,T6"; NULL: all */
	const char *output; /* floor: directory for table, JSON and plots; NULL: none */
};

#define SUITE_SPREAD_MAX 48

/* "0.998 (0.994-1.016)": median (min-max) */
const char *suite_format_spread(struct spread spread, char text[SUITE_SPREAD_MAX]);

/* Two lines: which ioe, what is measured, how often; on which machine and file. */
void suite_print_head(FILE *out, const struct suite_options *suite, const char *what);

/* versus_run() of the suite's rounds, which says on stderr what has failed. Returns 0, -errno, or
 * -ECANCELED on Ctrl-C. *ret_versus must be zeroed, and be freed whatever is returned. */
int suite_run(const struct suite_options *suite, const struct bench_options sides[],
	      uint32_t n_sides, const struct target *target, const char *label,
	      struct versus *ret_versus);

/* Run, and print the tables. Return an exit status. */
int suite_main(const struct suite_options *suite, const struct target *target);
int suite_merge(const struct suite_options *suite, const struct target *target);

#endif
