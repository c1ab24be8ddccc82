/* SPDX-License-Identifier: MIT
 * report.h - results as text and as JSON, from the same numbers.
 *
 * A report has a row for each job, or one for all jobs of a group that say group_reporting. It may
 * be made of snapshots while the jobs run (SIGUSR1, --status-interval), and again at the end.
 * Invariants: reading only; one formula for each figure, in report.c.
 * Threads:    the main thread.
 * Ownership:  results are the caller's; rows own what they have added up.
 */
#ifndef IOE_TOOLS_REPORT_H
#define IOE_TOOLS_REPORT_H

#include <stdio.h>

#include "tools/bench/disk_stats.h"
#include "tools/bench/job_result.h"
#include "tools/bench/versus.h"

struct report {
	const struct job_result *results; /* of each job, in the order in which they were written */
	uint32_t n;
	const struct option_given *global; /* of [global]; NULL: there was none */
	const struct disk_stats *disks;    /* NULL: not asked for */
	const struct versus *versus;       /* NULL: no comparison; else results are its runs */
};

/* The lines before a run: each job, version, how many start. jobs[n]: before they are cloned. */
void report_head(FILE *out, const struct bench_options jobs[], uint32_t n);

/* As text, in fio's lines. -ENOMEM. */
__attribute__((warn_unused_result)) int report_normal(FILE *out, const struct report *report);

/* A whole document; with bins where the first job's output_format is json+. -ENOMEM, -EIO. */
__attribute__((warn_unused_result)) int report_json(FILE *out, const struct report *report);

/* The one line of a result among many, and what several rounds say together. */
void report_normal_line(FILE *out, const struct job_result *result);
void report_versus_normal(FILE *out, const struct versus *versus);

/* Figures of one result ------------------------------------------------------------------ */

double report_seconds(const struct job_result *result);
double report_direction_seconds(const struct job_result *result, int d);
double report_iops(const struct job_result *result);
double report_cpu_us_per_io(const struct job_result *result);
double report_ns_per_event(const struct job_result *result);
double report_mean_latency_ns(const struct job_result *result);
/* Of the completion latency, which is fio's clat, and ours from before submitting. */
uint64_t report_percentile_ns(const struct job_result *result, double percent);
const char *report_engine_name(const struct job_result *result);

/* For the two forms ---------------------------------------------------------------------- */

/* Rows of a report: a result as it is, or several added up. */
struct report_rows {
	struct report_row {
		const struct job_result *result;
		struct job_result *sum; /* NULL, or the same, owned */
	} * rows;
	uint32_t n;
};

/* Also folds reads and writes together where a job says unified_rw_reporting: then they are in
 * the direction "read", which report_direction_name() calls "mixed". -ENOMEM. */
__attribute__((warn_unused_result)) int report_rows_make(const struct report *report,
							 struct report_rows *ret_rows);
void report_rows_free(struct report_rows *rows);

/* What the rows of a group did together, in one direction, by fio's rules: the bandwidth of the
 * group is its bytes in the longest run. */
struct report_group {
	uint32_t n; /* rows that did anything; 0: the rest says nothing */
	uint64_t bytes;
	uint64_t run_min_ms;
	uint64_t run_max_ms;
	double bw_min; /* bytes in a second */
	double bw_max;
	double bw;
};

struct report_group report_group_of(const struct report_rows *rows, uint64_t group, int d);
/* The mean of the samples in per cent of that, as fio: 100 at most. */
double report_share_of_group(const struct report_rows *rows, const struct job_result *result,
			     int d);

/* The percentiles that a job wants; returns how many, at most BENCH_PERCENTILES_MAX. */
uint32_t report_percentiles(const struct job_result *result,
			    double percents[BENCH_PERCENTILES_MAX]);

const char *report_direction_name(const struct job_result *result, int d);
uint64_t report_runtime_ms(const struct job_result *result, int d);
uint64_t report_errors(const struct job_result *result);
bool report_has_latency(const struct job_result *result);
double report_percent(uint64_t part, uint64_t total);

/* fio's table of how many IOs took up to so long: 10 rows of ns, 10 of us, 12 of ms. */
#define REPORT_LATENCY_ROWS 32
extern const char *const report_latency_limits[REPORT_LATENCY_ROWS];
void report_latency_table(const struct job_result *result, double percents[REPORT_LATENCY_ROWS]);

/* One of the three distributions of struct io_depths in per cent of its sum; not 0, but at least
 * 0.1, where there was any. */
void report_depths(const _Atomic uint64_t counts[IO_DEPTHS], double percents[IO_DEPTHS]);
extern const char *const report_level_names[IO_DEPTHS];
extern const char *const report_batch_names[IO_DEPTHS];

extern const char *const report_stage_names[IOE_LATENCY_END];
double report_stage_mean_ns(const struct ioe_latency *latency);

/* report_normal_ioe.c, report_json_ioe.c: what fio does not have. */
void report_normal_ioe(FILE *out, const struct job_result *result);
struct json_t *report_json_ioe(const struct job_result *result);
struct json_t *report_json_versus(const struct versus *versus);

/* report_json.c: fio's object of one latency; with_percentiles and with_bins: if there are any. */
struct json_t *report_json_latency(const struct job_result *result, const struct histogram *h,
				   bool with_percentiles);

#endif
