/* SPDX-License-Identifier: MIT
 * report.c - what text and JSON derive from results.
 * Invariants: one formula for each figure, here.
 * Threads:    the main thread.
 * Ownership:  see report.h.
 */
#include "tools/bench/report.h"

#include <assert.h>
#include <stdlib.h>

static const double default_percentiles[] = { 1,  5,  10, 20, 30,   40,   50,    60,   70,
					      80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99 };

#define DEFAULT_PERCENTILES (sizeof(default_percentiles) / sizeof(default_percentiles[0]))
static_assert(DEFAULT_PERCENTILES <= BENCH_PERCENTILES_MAX, "there is room for fio's own list");

const char *const report_stage_names[IOE_LATENCY_END] = { "channel", "pending", "kernel", "worker",
							  "callback" };
const char *const report_level_names[IO_DEPTHS] = { "1", "2", "4", "8", "16", "32", ">=64" };
const char *const report_batch_names[IO_DEPTHS] = { "0", "4", "8", "16", "32", "64", ">=64" };

#define LIMITS_TO_1000 "2", "4", "10", "20", "50", "100", "250", "500", "750", "1000"
const char *const report_latency_limits[REPORT_LATENCY_ROWS] = { LIMITS_TO_1000, LIMITS_TO_1000,
								 LIMITS_TO_1000, "2000", ">=2000" };

double report_seconds(const struct job_result *result)
{
	return (double)result->runtime_ns / 1e9;
}

double report_direction_seconds(const struct job_result *result, int d)
{
	return (double)job_result_runtime_ns(result, d) / 1e9;
}

/* Not 0 when there was any: fio says nothing of a job without a runtime. */
uint64_t report_runtime_ms(const struct job_result *result, int d)
{
	uint64_t ns = job_result_runtime_ns(result, d);
	uint64_t ms = (ns + NS_PER_MSEC / 2) / NS_PER_MSEC;

	return ms || !ns ? ms : 1;
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
	double sum = 0, n = 0;

	for (int d = 0; d < DIRECTION_SYNC; d++) {
		sum += (double)result->direction[d].lat.sum;
		n += (double)result->direction[d].lat.n;
	}
	return n > 0 ? sum / n : 0;
}

uint64_t report_percentile_ns(const struct job_result *result, double percent)
{
	for (int d = 0; d < DIRECTION_SYNC; d++) {
		const struct histogram *h = io_stats_clat(&result->direction[d]);

		if (h->n)
			return histogram_percentile(h, percent);
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

const char *report_direction_name(const struct job_result *result, int d)
{
	static const char *const names[DIRECTIONS] = { "read", "write", "sync", "nop" };

	if (d == DIRECTION_READ && result->options.unified_rw_reporting)
		return "mixed";
	return names[d];
}

uint64_t report_errors(const struct job_result *result)
{
	uint64_t errors = 0;

	for (int d = 0; d < DIRECTIONS; d++)
		errors += stats_read(&result->direction[d].errors);
	return errors;
}

bool report_has_latency(const struct job_result *result)
{
	return io_stats_clat(&result->direction[DIRECTION_READ])->n ||
	       io_stats_clat(&result->direction[DIRECTION_WRITE])->n;
}

double report_percent(uint64_t part, uint64_t total)
{
	return total ? 100 * (double)part / (double)total : 0;
}

uint32_t report_percentiles(const struct job_result *result, double percents[BENCH_PERCENTILES_MAX])
{
	const struct bench_percentiles *list = &result->options.percentile_list;
	uint32_t n = (uint32_t)list->n;

	if (!n)
		n = DEFAULT_PERCENTILES;
	for (uint32_t i = 0; i < n; i++)
		percents[i] = list->n ? list->percent[i] : default_percentiles[i];
	return n;
}

/* By the middle of the bucket, so what is within 0.8 % of a limit may be told of its neighbour. */
void report_latency_table(const struct job_result *result, double percents[REPORT_LATENCY_ROWS])
{
	static const uint64_t units[] = { 1, 1000, 1000000 };
	const struct histogram *read = io_stats_clat(&result->direction[DIRECTION_READ]);
	const struct histogram *write = io_stats_clat(&result->direction[DIRECTION_WRITE]);
	uint64_t total = read->n + write->n, from = 0;

	for (int i = 0; i < REPORT_LATENCY_ROWS; i++) {
		int unit = i < 30 ? i / 10 : 2;
		uint64_t to = UINT64_MAX, n;

		if (i + 1 < REPORT_LATENCY_ROWS)
			to = strtoull(report_latency_limits[i], NULL, 10) * units[unit];
		n = histogram_count_between(read, from, to) +
		    histogram_count_between(write, from, to);
		percents[i] = report_percent(n, total);
		if (n && percents[i] < 0.01)
			percents[i] = 0.01;
		from = to;
	}
}

void report_depths(const _Atomic uint64_t counts[IO_DEPTHS], double percents[IO_DEPTHS])
{
	uint64_t total = 0;

	for (int i = 0; i < IO_DEPTHS; i++)
		total += stats_read(&counts[i]);
	for (int i = 0; i < IO_DEPTHS; i++) {
		percents[i] = report_percent(stats_read(&counts[i]), total);
		if (percents[i] < 0.1 && stats_read(&counts[i]))
			percents[i] = 0.1;
	}
}

/* Rows --------------------------------------------------------------------------------------- */

/* Make the row a sum of its own, if it is not one yet. */
static int own(struct report_row *row)
{
	struct job_result *sum;
	int rc;

	if (row->sum)
		return 0;
	sum = malloc(sizeof(*sum));
	if (!sum)
		return -ENOMEM;
	rc = job_result_init(sum, &row->result->options);
	if (!rc) {
		sum->given = row->result->given;
		sum->n_jobs = 0;
		rc = job_result_merge(sum, row->result);
	}
	if (rc) {
		job_result_deinit(sum);
		free(sum);
		return rc;
	}
	row->sum = sum;
	row->result = sum;
	return 0;
}

static int fold_directions(struct report_row *row)
{
	struct io_stats *read, *write;
	int rc = own(row);

	if (rc)
		return rc;
	read = &row->sum->direction[DIRECTION_READ];
	write = &row->sum->direction[DIRECTION_WRITE];
	if (write->intended)
		rc = io_stats_want_intended(read);
	if (!rc)
		rc = series_merge(&row->sum->series[DIRECTION_READ],
				  &row->sum->series[DIRECTION_WRITE]);
	if (rc)
		return rc;
	io_stats_merge(read, write);
	rate_samples_merge(&row->sum->iops[DIRECTION_READ], &row->sum->iops[DIRECTION_WRITE]);
	rate_samples_merge(&row->sum->bytes_per_second[DIRECTION_READ],
			   &row->sum->bytes_per_second[DIRECTION_WRITE]);
	io_stats_deinit(write);
	io_stats_init(write);
	series_deinit(&row->sum->series[DIRECTION_WRITE]);
	row->sum->iops[DIRECTION_WRITE] = (struct rate_samples){ .n = 0 };
	row->sum->bytes_per_second[DIRECTION_WRITE] = (struct rate_samples){ .n = 0 };
	return 0;
}

/* The row that a job with group_reporting joins. */
static struct report_row *row_of_group(struct report_rows *rows, const struct job_result *result)
{
	for (uint32_t i = 0; result->options.group_reporting && i < rows->n; i++) {
		const struct bench_options *options = &rows->rows[i].result->options;

		if (options->group_reporting && options->group == result->options.group)
			return &rows->rows[i];
	}
	return NULL;
}

int report_rows_make(const struct report *report, struct report_rows *ret_rows)
{
	struct report_rows rows = { .rows = calloc(report->n + 1, sizeof(*rows.rows)) };
	int rc = rows.rows ? 0 : -ENOMEM;

	for (uint32_t i = 0; !rc && i < report->n; i++) {
		const struct job_result *result = &report->results[i];
		/* The runs of a comparison are of one job, and no group. */
		struct report_row *row = report->versus ? NULL : row_of_group(&rows, result);

		if (!row)
			rows.rows[rows.n++].result = result;
		else if (!(rc = own(row)))
			rc = job_result_merge(row->sum, result);
	}
	for (uint32_t i = 0; !rc && i < rows.n; i++) {
		if (rows.rows[i].result->options.unified_rw_reporting)
			rc = fold_directions(&rows.rows[i]);
	}
	if (rc)
		report_rows_free(&rows);
	else
		*ret_rows = rows;
	return rc;
}

void report_rows_free(struct report_rows *rows)
{
	for (uint32_t i = 0; i < rows->n; i++) {
		if (rows->rows[i].sum)
			job_result_deinit(rows->rows[i].sum);
		free(rows->rows[i].sum);
	}
	free(rows->rows);
	rows->rows = NULL;
	rows->n = 0;
}

struct report_group report_group_of(const struct report_rows *rows, uint64_t group, int d)
{
	struct report_group sum = { .n = 0 };
	uint64_t longest_ns = 0;

	for (uint32_t i = 0; i < rows->n; i++) {
		const struct job_result *result = rows->rows[i].result;
		uint64_t bytes = stats_read(&result->direction[d].bytes);
		uint64_t run_ms = report_runtime_ms(result, d);
		double bw;

		if (result->options.group != group || !bytes || !result->runtime_ns)
			continue;
		bw = (double)bytes / report_direction_seconds(result, d);
		if (!sum.n || bw < sum.bw_min)
			sum.bw_min = bw;
		if (!sum.n || bw > sum.bw_max)
			sum.bw_max = bw;
		if (!sum.n || run_ms < sum.run_min_ms)
			sum.run_min_ms = run_ms;
		if (!sum.n || run_ms > sum.run_max_ms)
			sum.run_max_ms = run_ms;
		if (job_result_runtime_ns(result, d) > longest_ns)
			longest_ns = job_result_runtime_ns(result, d);
		sum.bytes += bytes;
		sum.n++;
	}
	if (sum.n)
		sum.bw = (double)sum.bytes / ((double)longest_ns / 1e9);
	return sum;
}

double report_share_of_group(const struct report_rows *rows, const struct job_result *result, int d)
{
	struct report_group group = report_group_of(rows, result->options.group, d);
	double percent = 100;

	/* fio's rule, below which its whole KiB say nothing. */
	if (group.bw > 1024)
		percent = 100 * result->bytes_per_second[d].mean / group.bw;
	return percent < 100 ? percent : 100;
}
