/* SPDX-License-Identifier: MIT
 * bench_table.h - what the parts of the table of `ioe bench` share.
 * Invariants: a part is a group of the help and ends with a row without a name.
 * Threads:    any; all is const.
 * Ownership:  none.
 */
#ifndef IOE_TOOLS_BENCH_TABLE_H
#define IOE_TOOLS_BENCH_TABLE_H

#include "tools/bench/bench_options.h"
#include "tools/sys.h"

#define AT(field) .offset = offsetof(struct bench_options, field)

/* Of every engine of ours, but not told to fio beside it. */
#define SCOPE_OWN (SCOPE_ALL & ~SCOPE_FIO)

#define RUNTIME_MAX_NS (1000ull * 86400 * NS_PER_SECOND)

extern const struct option_def bench_rows_job[];
extern const struct option_def bench_rows_target[];
extern const struct option_def bench_rows_pattern[];
extern const struct option_def bench_rows_length[];
extern const struct option_def bench_rows_rate[];
extern const struct option_def bench_rows_engine[];
extern const struct option_def bench_rows_ours[];
extern const struct option_def bench_rows_raw[];
extern const struct option_def bench_rows_verify[];
extern const struct option_def bench_rows_replay[];
extern const struct option_def bench_rows_measure[];
extern const struct option_def bench_rows_versus[];

/* Values of more than a number; option_parse_fn. In bench_value*.c. */
int bench_parse_rw(const struct option_def *def, const char *text, void *values,
		   char why[OPTION_WHY_MAX]);
int bench_parse_rwmixwrite(const struct option_def *def, const char *text, void *values,
			   char why[OPTION_WHY_MAX]);
int bench_parse_buffered(const struct option_def *def, const char *text, void *values,
			 char why[OPTION_WHY_MAX]);
int bench_parse_bs(const struct option_def *def, const char *text, void *values,
		   char why[OPTION_WHY_MAX]);
int bench_parse_bsrange(const struct option_def *def, const char *text, void *values,
			char why[OPTION_WHY_MAX]);
int bench_parse_bssplit(const struct option_def *def, const char *text, void *values,
			char why[OPTION_WHY_MAX]);
int bench_parse_distribution(const struct option_def *def, const char *text, void *values,
			     char why[OPTION_WHY_MAX]);
/* Sizes, or counts, of reads and writes apart. */
int bench_parse_sizes(const struct option_def *def, const char *text, void *values,
		      char why[OPTION_WHY_MAX]);
int bench_parse_counts(const struct option_def *def, const char *text, void *values,
		       char why[OPTION_WHY_MAX]);
int bench_parse_startdelay(const struct option_def *def, const char *text, void *values,
			   char why[OPTION_WHY_MAX]);
int bench_parse_cpus(const struct option_def *def, const char *text, void *values,
		     char why[OPTION_WHY_MAX]);
int bench_parse_cpumask(const struct option_def *def, const char *text, void *values,
			char why[OPTION_WHY_MAX]);
int bench_parse_pattern(const struct option_def *def, const char *text, void *values,
			char why[OPTION_WHY_MAX]);
int bench_parse_percentiles(const struct option_def *def, const char *text, void *values,
			    char why[OPTION_WHY_MAX]);

#endif
