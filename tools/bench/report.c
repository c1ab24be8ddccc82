/* SPDX-License-Identifier: MIT
 * report.c - what text and JSON derive from a result.
 * Invariants: one formula for each figure, here.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#include "tools/bench/report.h"

const double report_percentiles[] = { 1,  5,  10, 20, 30,   40,   50,    60,    70,
				      80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 0 };

const char *const report_direction_names[DIRECTIONS] = { "read", "write", "nop" };

const char *const report_stage_names[IOE_LATENCY_END] = { "channel", "pending", "kernel", "worker",
							  "callback" };

double report_seconds(const struct job_result *result)
{
	return (double)result->runtime_ns / 1e9;
}

double report_iops(const struct job_result *result)
{
	double seconds = report_seconds(result);

	return seconds > 0 ? (double)job_result_ios(result) / seconds : 0;
}

double report_cpu_us_per_io(const struct job_result *result)
{
	uint64_t ios = job_result_ios(result);

	return ios ? (result->usr_ns + result->sys_ns) / 1e3 / (double)ios : 0;
}

double report_ns_per_event(const struct job_result *result)
{
	uint64_t ios = job_result_ios(result);

	return ios ? (double)result->runtime_ns / (double)ios : 0;
}

double report_mean_latency_ns(const struct job_result *result)
{
	for (int d = 0; d < DIRECTIONS; d++) {
		if (result->direction[d].lat.n)
			return histogram_mean(&result->direction[d].lat);
	}
	return 0;
}

uint64_t report_percentile_ns(const struct job_result *result, double percent)
{
	for (int d = 0; d < DIRECTIONS; d++) {
		if (result->direction[d].lat.n)
			return histogram_percentile(io_stats_clat(&result->direction[d]), percent);
	}
	return 0;
}

double report_stage_mean_ns(const struct ioe_latency *latency)
{
	return latency->n ? (double)latency->sum_ns / (double)latency->n : 0;
}

const char *report_engine_name(const struct job_result *result)
{
	return options_choice_name(bench_ioengines, result->options.ioengine);
}
