/* SPDX-License-Identifier: MIT
 * report.h - results as text and as JSON, from the same numbers.
 * Invariants: reading only.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#ifndef IOE_TOOLS_REPORT_H
#define IOE_TOOLS_REPORT_H

#include <stdio.h>

#include "tools/bench/job.h"
#include "tools/bench/versus.h"

/* What both forms print of a result. */
extern const double report_percentiles[];
extern const char *const report_direction_names[DIRECTIONS];
extern const char *const report_stage_names[IOE_LATENCY_END];

double report_seconds(const struct job_result *result);
double report_iops(const struct job_result *result);
double report_cpu_us_per_io(const struct job_result *result);
double report_ns_per_event(const struct job_result *result);
double report_mean_latency_ns(const struct job_result *result);
/* Of the completion latency, which is fio's clat, and ours from before submitting. */
uint64_t report_percentile_ns(const struct job_result *result, double percent);
double report_stage_mean_ns(const struct ioe_latency *latency);
const char *report_engine_name(const struct job_result *result);

void report_normal_head(FILE *out, const struct bench_options *options);
void report_normal(FILE *out, const struct job_result *result);
/* The one line of a result among many. */
void report_normal_line(FILE *out, const struct job_result *result);
void report_versus_normal(FILE *out, const struct versus *versus);

/* Print a whole document: n results, which are one run, or the rounds of versus. given: what was
 * typed. Returns 0 or -errno. */
int report_json(FILE *out, const struct job_result results[], uint32_t n,
		const struct versus *versus, const struct option_given *given);

#endif
