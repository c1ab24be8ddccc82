/* SPDX-License-Identifier: MIT
 * report_normal.c - results as text, in the lines and the order of fio's.
 * Invariants: a line that fio has is as fio prints it, so that scripts find it; what fio does not
 *             have comes after the lines of its job, under "ioe".
 * Threads:    the main thread.
 * Ownership:  none.
 */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/fio.h"
#include "tools/bench/report.h"
#include "tools/units.h"

struct scale {
	const char *name;
	double factor;
	int steps; /* of 1000 */
};

/* fio's rule: the unit in which neither the smallest nor the largest is unreadable, and the
 * deviation, where there is one, is not less than 1. */
static struct scale scale_of(uint64_t min, uint64_t max, double deviation)
{
	if (min > 2000000 && max > 99999999 && deviation > 1e6)
		return (struct scale){ "msec", 1e6, 2 };
	if (min > 2000 && max > 99999 && deviation > 1e3)
		return (struct scale){ "usec", 1e3, 1 };
	return (struct scale){ "nsec", 1, 0 };
}

/* Six digits at most: 999999, but 5257.2k. */
static const char *format_six(uint64_t value, char text[UNITS_TEXT_MAX])
{
	static const char suffixes[] = "kMGTPE";
	double number = (double)value;
	int power = 0, digits = 0;

	while (number >= 999999.5 && suffixes[power]) {
		number /= 1000;
		power++;
	}
	if (power)
		digits = number >= 9999.5 ? 0 : number >= 999.5 ? 1 : number >= 99.5 ? 2 : 3;
	snprintf(text, UNITS_TEXT_MAX, "%.*f%.*s", digits, number, power ? 1 : 0,
		 &suffixes[power ? power - 1 : 0]);
	return text;
}

static void print_latency(FILE *out, const char *name, const struct histogram *h)
{
	double deviation = histogram_stddev(h);
	struct scale scale = scale_of(h->min, h->max, deviation);
	char min[UNITS_TEXT_MAX], max[UNITS_TEXT_MAX];

	if (!h->n)
		return;
	fprintf(out, "    %s (%s): min=%s, max=%s, avg=%5.2f, stdev=%5.2f\n", name, scale.name,
		format_six((uint64_t)((double)h->min / scale.factor), min),
		format_six((uint64_t)((double)h->max / scale.factor), max),
		histogram_mean(h) / scale.factor, deviation / scale.factor);
}

/* Digits behind the point that the list needs. */
static int precision_of(const double percents[], uint32_t n)
{
	int precision = 0;

	for (uint32_t i = 0; i < n; i++) {
		double scaled = percents[i] * pow(10, precision);

		while (precision < 6 && fabs(scaled - round(scaled)) > 1e-6 * scaled)
			scaled = percents[i] * pow(10, ++precision);
	}
	return precision;
}

/* As wide as the largest, as many on a line as 80 columns hold; rounded up, as fio does. */
static void print_percentiles(FILE *out, const struct job_result *result, const char *name,
			      const struct histogram *h)
{
	double percents[BENCH_PERCENTILES_MAX];
	uint32_t n = report_percentiles(result, percents), per_line;
	uint64_t last = histogram_percentile(h, percents[n - 1]);
	struct scale scale = scale_of(histogram_percentile(h, percents[0]), last, INFINITY);
	int precision = precision_of(percents, n), width = 5;

	if (!h->n)
		return;
	for (uint64_t rest = (uint64_t)((double)last / scale.factor); rest >= 100000; rest /= 10)
		width++;
	per_line = 73 / (uint32_t)(precision + 10 + width);
	fprintf(out, "    %s percentiles (%s):\n", name, scale.name);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t value = histogram_percentile(h, percents[i]);

		for (int step = 0; step < scale.steps; step++)
			value = (value + 999) / 1000;
		fprintf(out, "%s %*.*fth=[%*llu]%s%s", i % per_line ? "" : "     |", precision + 3,
			precision, percents[i], width, (unsigned long long)value,
			i + 1 < n ? "," : "\n",
			i + 1 < n && i % per_line == per_line - 1 ? "\n" : "");
	}
}

static void print_rates(FILE *out, const struct report_rows *rows, const struct job_result *result,
			int d)
{
	const struct rate_samples *bw = &result->bytes_per_second[d], *iops = &result->iops[d];
	bool mib = bw->mean > 1024.0 * 1024 * 1024;
	double unit = mib ? 1024 * 1024 : 1024;

	if (!iops->n)
		return;
	if (d != DIRECTION_NOP)
		fprintf(out,
			"   bw (  %s/s): min=%5.0f, max=%5.0f, per=%3.2f%%, avg=%5.2f, "
			"stdev=%5.2f, samples=%llu\n",
			mib ? "MiB" : "KiB", bw->min / unit, bw->max / unit,
			report_share_of_group(rows, result, d), bw->mean / unit,
			rate_samples_stddev(bw) / unit, (unsigned long long)bw->n);
	fprintf(out,
		"   iops        : min=%5.0f, max=%5.0f, avg=%5.2f, stdev=%5.2f, samples=%llu\n",
		iops->min, iops->max, iops->mean, rate_samples_stddev(iops),
		(unsigned long long)iops->n);
}

/* fio's table of how many IOs took up to so long, five on a line. */
static void print_distribution(FILE *out, const struct job_result *result)
{
	static const char *const units[] = { "nsec", "usec", "msec" };
	double percents[REPORT_LATENCY_ROWS];
	int printed = 0;

	report_latency_table(result, percents);
	for (int i = 0; i < REPORT_LATENCY_ROWS; i++) {
		if (i == 10 || i == 20) {
			fprintf(out, "%s", printed ? "\n" : "");
			printed = 0;
		}
		if (percents[i] <= 0)
			continue;
		if (printed % 5 == 0)
			fprintf(out, "%s  lat (%s)   : ", printed ? "\n" : "",
				units[i < 20 ? i / 10 : 2]);
		else
			fprintf(out, ", ");
		fprintf(out, "%s=%3.2f%%", report_latency_limits[i], percents[i]);
		printed++;
	}
	fprintf(out, "%s", printed ? "\n" : "");
}

static void print_direction(FILE *out, const struct report_rows *rows,
			    const struct job_result *result, int d)
{
	const struct io_stats *stats = &result->direction[d];
	const struct bench_options *options = &result->options;
	double seconds = report_direction_seconds(result, d),
	       bytes = (double)stats_read(&stats->bytes);
	double ios = (double)stats_read(&stats->ios);
	unsigned long long ms = report_runtime_ms(result, d);
	char iops[UNITS_TEXT_MAX], bw[UNITS_TEXT_MAX], bw1000[UNITS_TEXT_MAX], io[UNITS_TEXT_MAX];

	if (ios <= 0 || seconds <= 0)
		return;
	units_format(ios / seconds, UNITS_THOUSAND, iops);
	if (d == DIRECTION_NOP) {
		fprintf(out, "  nop: IOPS=%s (%.0f events/%llumsec), %.1f ns per event\n", iops,
			ios, ms, report_ns_per_event(result));
		print_rates(out, rows, result, d);
		return;
	}
	fprintf(out, "  %s: IOPS=%s, BW=%s/s (%s/s)(%s/%llumsec)\n",
		report_direction_name(result, d), iops,
		units_format_bytes(bytes / seconds, UNITS_1024, bw),
		units_format_bytes(bytes / seconds, UNITS_THOUSAND, bw1000),
		units_format_bytes(bytes, UNITS_1024, io), ms);
	print_latency(out, "slat", &stats->slat);
	print_latency(out, "clat", io_stats_clat(stats));
	print_latency(out, " lat", &stats->lat);
	if (options->slat_percentiles)
		print_percentiles(out, result, "slat", &stats->slat);
	if (options->clat_percentiles)
		print_percentiles(out, result, "clat", io_stats_clat(stats));
	if (options->lat_percentiles)
		print_percentiles(out, result, "lat", &stats->lat);
	print_rates(out, rows, result, d);
}

static void print_syncs(FILE *out, const struct job_result *result)
{
	const struct histogram *h = &result->direction[DIRECTION_SYNC].lat;

	if (!h->n)
		return;
	fprintf(out, "  fsync/fdatasync/sync_file_range:\n");
	print_latency(out, "sync", h);
	print_percentiles(out, result, "sync", h);
}

static void print_depths(FILE *out, const char *what, const char *const names[IO_DEPTHS],
			 const _Atomic uint64_t counts[IO_DEPTHS])
{
	double percents[IO_DEPTHS];

	report_depths(counts, percents);
	fprintf(out, "%s: ", what);
	for (int i = 0; i < IO_DEPTHS; i++)
		fprintf(out, "%s%s=%3.1f%%", i ? ", " : "", names[i], percents[i]);
	fprintf(out, "\n");
}

static void print_counts(FILE *out, const struct job_result *result)
{
	const struct io_stats *read = &result->direction[DIRECTION_READ];
	const struct io_stats *write = &result->direction[DIRECTION_WRITE];
	const struct bench_options *options = &result->options;

	print_depths(out, "  IO depths    ", report_level_names, result->depths.level);
	print_depths(out, "     submit    ", report_batch_names, result->depths.submit);
	print_depths(out, "     complete  ", report_batch_names, result->depths.complete);
	fprintf(out,
		"     issued rwts: total=%llu,%llu,0,%llu short=%llu,%llu,0,0 dropped=0,0,0,0\n",
		(unsigned long long)stats_read(&read->ios),
		(unsigned long long)stats_read(&write->ios),
		(unsigned long long)stats_read(&result->direction[DIRECTION_SYNC].ios),
		(unsigned long long)stats_read(&read->short_ios),
		(unsigned long long)stats_read(&write->short_ios));
	if (options->continue_on_error || report_errors(result))
		fprintf(out, "     errors    : total=%llu, first_error=%d/<%s>\n",
			(unsigned long long)report_errors(result),
			result->first_error ? -result->first_error : -result->error,
			strerror(result->first_error ? -result->first_error : -result->error));
	/* fio's search for a depth by its latency_target, which we do not have. */
	fprintf(out, "     latency   : target=0, window=0, percentile=100.00%%, depth=%llu\n",
		(unsigned long long)options->iodepth);
}

static void print_job(FILE *out, const struct report_rows *rows, const struct job_result *result)
{
	double runtime = (double)result->runtime_sum_ns;
	time_t now = time(NULL);
	char date[32] = "";

	/* As fio: a job that did nothing (create_only) has nothing to say; but why, it has. */
	if (!job_result_ios(result) && !result->read_back_ios && !result->error &&
	    !result->n_missing && !result->interrupted)
		return;
	fprintf(out, "%s: (groupid=%llu, jobs=%u): err=%2d%s%s%s: pid=%d: %s", result->options.name,
		(unsigned long long)result->options.group, result->n_jobs, -result->error,
		result->error ? " (" : "", result->error ? strerror(-result->error) : "",
		result->error ? ")" : "", (int)getpid(), ctime_r(&now, date) ? date : "\n");
	if (result->options.description)
		fprintf(out, "  Description  : [%s]\n", result->options.description);
	for (int d = 0; d < DIRECTIONS; d++) {
		if (d != DIRECTION_SYNC)
			print_direction(out, rows, result, d);
	}
	if (report_has_latency(result))
		print_distribution(out, result);
	print_syncs(out, result);
	fprintf(out, "  cpu          : usr=%3.2f%%, sys=%3.2f%%, ctx=%llu, majf=%llu, minf=%llu\n",
		runtime > 0 ? 100 * result->usr_ns / runtime : 0,
		runtime > 0 ? 100 * result->sys_ns / runtime : 0,
		(unsigned long long)result->context_switches,
		(unsigned long long)result->major_faults, (unsigned long long)result->minor_faults);
	print_counts(out, result);
	report_normal_ioe(out, result);
}

/* first: the first row of the group. */
static void print_group(FILE *out, const struct report_rows *rows, const struct job_result *first)
{
	const uint64_t group = first->options.group;
	static const char *const names[] = { "   READ", "  WRITE" };

	fprintf(out, "\nRun status group %llu (all jobs):\n", (unsigned long long)group);
	for (int d = 0; d < DIRECTION_SYNC; d++) {
		struct report_group sum = report_group_of(rows, group, d);
		const double bytes[] = { sum.bw, sum.bw_min, sum.bw_max, (double)sum.bytes };
		char text[4][2][UNITS_TEXT_MAX];
		bool mixed = first->options.unified_rw_reporting;

		if (!sum.n)
			continue;
		for (int i = 0; i < 4; i++) {
			units_format_bytes(bytes[i], UNITS_1024, text[i][0]);
			units_format_bytes(bytes[i], UNITS_THOUSAND, text[i][1]);
		}
		fprintf(out,
			"%s: bw=%s/s (%s/s), %s/s-%s/s (%s/s-%s/s), io=%s (%s), "
			"run=%llu-%llumsec\n",
			mixed ? "  MIXED" : names[d], text[0][0], text[0][1], text[1][0],
			text[2][0], text[1][1], text[2][1], text[3][0], text[3][1],
			(unsigned long long)sum.run_min_ms, (unsigned long long)sum.run_max_ms);
	}
}

static void print_disks(FILE *out, const struct disk_stats *disks)
{
	if (!disks || !disks->n)
		return;
	fprintf(out, "\nDisk stats (read/write):\n");
	for (uint32_t i = 0; i < disks->n; i++) {
		double util;
		struct disk_counts c = disk_counts_of(&disks->disks[i], &util);

		fprintf(out,
			"  %s: ios=%llu/%llu, merge=%llu/%llu, ticks=%llu/%llu, in_queue=%llu, "
			"util=%3.2f%%\n",
			disks->disks[i].name, (unsigned long long)c.ios[0],
			(unsigned long long)c.ios[1], (unsigned long long)c.merges[0],
			(unsigned long long)c.merges[1], (unsigned long long)c.ticks_ms[0],
			(unsigned long long)c.ticks_ms[1], (unsigned long long)c.in_queue_ms, util);
	}
}

int report_normal(FILE *out, const struct report *report)
{
	struct report_rows rows;
	uint64_t group = UINT64_MAX;
	int rc = report_rows_make(report, &rows);

	if (rc)
		return rc;
	fprintf(out, "\n");
	for (uint32_t i = 0; i < rows.n; i++)
		print_job(out, &rows, rows.rows[i].result);
	/* Jobs are in the order of their groups. */
	for (uint32_t i = 0; i < rows.n; i++) {
		if (rows.rows[i].result->options.group == group)
			continue;
		group = rows.rows[i].result->options.group;
		print_group(out, &rows, rows.rows[i].result);
	}
	print_disks(out, report->disks);
	fflush(out);
	report_rows_free(&rows);
	return 0;
}

/* Sizes that the IOs of a direction have: "4096B-64.0KiB". */
static void print_sizes(FILE *out, const struct bench_options *options, int d)
{
	const struct bench_sizes *sizes = &options->sizes[d];
	double min = (double)(sizes->max_bytes ? sizes->min_bytes : options->bs_bytes);
	double max = (double)(sizes->max_bytes ? sizes->max_bytes : options->bs_bytes);
	char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX];

	fprintf(out, "%s-%s", units_format_bytes(min, UNITS_1024, a),
		units_format_bytes(max, UNITS_1024, b));
}

void report_head(FILE *out, const struct bench_options jobs[], uint32_t n)
{
	uint64_t threads = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct bench_options *job = &jobs[i];
		const bool is_fio = job->ioengine == BENCH_FIO;

		fprintf(out, "%s: (g=%llu): rw=%s, bs=(R) ", job->name,
			(unsigned long long)job->group, options_choice_name(bench_rws, job->rw));
		print_sizes(out, job, BENCH_DIRECTION_READ);
		fprintf(out, ", (W) ");
		print_sizes(out, job, BENCH_DIRECTION_WRITE);
		fprintf(out, ", (T) ");
		print_sizes(out, job, BENCH_DIRECTION_WRITE);
		fprintf(out, ", ioengine=%s%s%s, iodepth=%llu\n",
			options_choice_name(bench_ioengines, job->ioengine), is_fio ? " " : "",
			is_fio ? fio_engine_name(job) : "", (unsigned long long)job->iodepth);
		if (job->numjobs > 1)
			fprintf(out, "...\n");
		threads += job->numjobs > 1 ? job->numjobs : 1;
	}
	fprintf(out, "ioe-%s\nStarting %llu thread%s\n", ioe_version(), (unsigned long long)threads,
		threads > 1 ? "s" : "");
	fflush(out);
}
