/* SPDX-License-Identifier: MIT
 * report_normal.c - results as text, in the lines and the order of fio's.
 * Invariants: a line that fio has is as fio prints it, so that scripts find it; what fio does not
 *             have comes after it, under "ioe".
 * Threads:    the main thread.
 * Ownership:  none.
 */
#include <string.h>
#include <unistd.h>

#include "tools/bench/fio.h"
#include "tools/bench/report.h"
#include "tools/units.h"

struct scale {
	const char *name;
	double factor;
};

/* fio's rule: the unit in which neither the smallest nor the largest is unreadable. */
static struct scale scale_of(uint64_t min, uint64_t max)
{
	if (min > 2000000 && max > 99999999)
		return (struct scale){ "msec", 1e6 };
	if (min > 2000 && max > 99999)
		return (struct scale){ "usec", 1e3 };
	return (struct scale){ "nsec", 1 };
}

static void print_latency(FILE *out, const char *name, const struct histogram *h)
{
	struct scale scale = scale_of(h->min, h->max);

	if (!h->n)
		return;
	fprintf(out, "    %s (%s): min=%.0f, max=%.0f, avg=%5.2f, stdev=%5.2f\n", name, scale.name,
		(double)(uint64_t)((double)h->min / scale.factor),
		(double)(uint64_t)((double)h->max / scale.factor), histogram_mean(h) / scale.factor,
		histogram_stddev(h) / scale.factor);
}

static void print_percentiles(FILE *out, const struct histogram *h)
{
	struct scale scale = scale_of(histogram_percentile(h, report_percentiles[0]), h->max);
	const int per_line = 4;

	fprintf(out, "    clat percentiles (%s):\n", scale.name);
	for (int i = 0; report_percentiles[i] > 0; i++) {
		bool last = report_percentiles[i + 1] <= 0;

		fprintf(out, "%s%5.2fth=[%5.0f]%s", i % per_line ? " " : "     | ",
			report_percentiles[i],
			(double)histogram_percentile(h, report_percentiles[i]) / scale.factor,
			last                         ? "\n" :
			i % per_line == per_line - 1 ? ",\n" :
						       ",");
	}
}

static void print_rates(FILE *out, const struct job_result *result, int d)
{
	const struct rate_samples *bw = &result->bytes_per_second[d], *iops = &result->iops[d];

	if (!iops->n)
		return;
	if (d != DIRECTION_NOP)
		fprintf(out,
			"   bw (  KiB/s): min=%.0f, max=%.0f, per=100.00%%, avg=%.2f, stdev=%.2f, "
			"samples=%llu\n",
			bw->min / 1024, bw->max / 1024, rate_samples_mean(bw) / 1024,
			rate_samples_stddev(bw) / 1024, (unsigned long long)bw->n);
	fprintf(out, "   iops        : min=%.0f, max=%.0f, avg=%.2f, stdev=%.2f, samples=%llu\n",
		iops->min, iops->max, rate_samples_mean(iops), rate_samples_stddev(iops),
		(unsigned long long)iops->n);
}

/* fio's table of how many IOs took up to so long. */
static void print_distribution(FILE *out, const struct histogram *h)
{
	static const uint32_t limits[] = { 2, 4, 10, 20, 50, 100, 250, 500, 750, 1000, 2000 };
	static const struct scale units[] = { { "nsec", 1 }, { "usec", 1e3 }, { "msec", 1e6 } };
	uint64_t from = 0;

	for (int u = 0; u < 3; u++) {
		int printed = 0;

		for (int i = 0; i < (u < 2 ? 10 : 11); i++) {
			uint64_t to = (uint64_t)(limits[i] * units[u].factor);
			uint64_t n = histogram_count_between(h, from, to);

			from = to;
			if (!n)
				continue;
			if (!printed++)
				fprintf(out, "  lat (%s)   : ", units[u].name);
			else
				fprintf(out, ", ");
			fprintf(out, "%u=%.2f%%", limits[i],
				100 * (double)n / (double)h->n < 0.01 ?
					0.01 :
					100 * (double)n / (double)h->n);
		}
		if (printed)
			fprintf(out, "\n");
	}
	if (histogram_count_between(h, from, UINT64_MAX))
		fprintf(out, "  lat (msec)   : >=2000=%.2f%%\n",
			100 * (double)histogram_count_between(h, from, UINT64_MAX) / (double)h->n);
}

static void print_direction(FILE *out, const struct job_result *result, int d)
{
	const struct io_stats *stats = &result->direction[d];
	double seconds = report_seconds(result), bytes = (double)stats_read(&stats->bytes);
	double ios = (double)stats_read(&stats->ios);
	char iops[UNITS_TEXT_MAX], bw[UNITS_TEXT_MAX], bw1000[UNITS_TEXT_MAX], io[UNITS_TEXT_MAX];

	if (ios <= 0)
		return;
	units_format(seconds > 0 ? ios / seconds : 0, UNITS_THOUSAND, iops);
	if (d == DIRECTION_NOP) {
		fprintf(out, "  nop: IOPS=%s (%.0f events/%.0fmsec), %.1f ns per event\n", iops,
			ios, seconds * 1e3, report_ns_per_event(result));
		print_rates(out, result, d);
		return;
	}
	fprintf(out, "  %s: IOPS=%s, BW=%s/s (%s/s)(%s/%.0fmsec)\n", report_direction_names[d],
		iops, units_format_bytes(bytes / seconds, UNITS_1024, bw),
		units_format_bytes(bytes / seconds, UNITS_THOUSAND, bw1000),
		units_format_bytes(bytes, UNITS_1024, io), seconds * 1e3);
	if (stats->lat.n) {
		print_latency(out, "slat", &stats->slat);
		print_latency(out, "clat", io_stats_clat(stats));
		print_latency(out, " lat", &stats->lat);
		print_percentiles(out, io_stats_clat(stats));
	}
	print_rates(out, result, d);
	if (stats->lat.n)
		print_distribution(out, &stats->lat);
}

/* Mean and maximum of each stage, of the events that the engine has timed. */
static void print_stages(FILE *out, const struct ioe_stats *s)
{
	if (!s->latency[0].n)
		return;
	fprintf(out, "     stages    : timed events=%llu, avg/max in usec:",
		(unsigned long long)s->latency[0].n);
	for (uint32_t i = 0; i < IOE_LATENCY_END; i++)
		fprintf(out, "%s %s=%.2f/%.2f", i ? "," : "", report_stage_names[i],
			report_stage_mean_ns(&s->latency[i]) / 1e3,
			(double)s->latency[i].max_ns / 1e3);
	fprintf(out, "\n");
}

static void print_engine(FILE *out, const struct job_result *result)
{
	const struct ioe_stats *s = &result->engine.stats;
	uint64_t ios = job_result_ios(result);
	double n = ios ? (double)ios : 1;

	fprintf(out, "  ioe          : cpu/io=%.3f us (usr=%.3f, sys=%.3f)",
		report_cpu_us_per_io(result), result->usr_ns / 1e3 / n, result->sys_ns / 1e3 / n);
	if (!result->engine.is_set) {
		fprintf(out, ", syscalls/io=%.3f\n", (double)result->system_calls / n);
		return;
	}
	fprintf(out, "\n     backend   : %s (%s)\n", result->engine.backend, result->engine.reason);
	fprintf(out,
		"     requests  : events=%llu, requests=%llu, "
		"merged events=%llu in %llu requests\n",
		(unsigned long long)s->events_finished, (unsigned long long)s->requests,
		(unsigned long long)s->merged_events, (unsigned long long)s->merged_requests);
	fprintf(out, "     repairs   : resumed=%llu, retried=%llu, split=%llu, helped=%llu\n",
		(unsigned long long)s->resumed, (unsigned long long)s->retried,
		(unsigned long long)s->split, (unsigned long long)s->helped);
	fprintf(out,
		"     driver    : syscalls=%llu (%.3f/io), wakes=%llu, parks=%llu, "
		"full channel=%llu\n",
		(unsigned long long)s->system_calls, (double)s->system_calls / n,
		(unsigned long long)s->wakes, (unsigned long long)s->parks,
		(unsigned long long)s->channel_full_waits);
	fprintf(out, "     in flight : avg=%.2f, max=%llu, depth=%u\n", s->in_flight_average,
		(unsigned long long)s->in_flight_max, s->depth);
	print_stages(out, s);
}

static void print_status_group(FILE *out, const struct job_result *result)
{
	static const char *const names[] = { "   READ", "  WRITE" };
	double seconds = report_seconds(result);

	fprintf(out, "\nRun status group 0 (all jobs):\n");
	for (int d = 0; d < DIRECTION_NOP; d++) {
		double bytes = (double)stats_read(&result->direction[d].bytes);
		char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX], c[UNITS_TEXT_MAX], e[UNITS_TEXT_MAX];

		if (bytes <= 0)
			continue;
		units_format_bytes(bytes / seconds, UNITS_1024, a);
		units_format_bytes(bytes / seconds, UNITS_THOUSAND, b);
		units_format_bytes(bytes, UNITS_1024, c);
		units_format_bytes(bytes, UNITS_THOUSAND, e);
		fprintf(out,
			"%s: bw=%s/s (%s/s), %s/s-%s/s (%s/s-%s/s), io=%s (%s), "
			"run=%.0f-%.0fmsec\n",
			names[d], a, b, a, a, b, b, c, e, seconds * 1e3, seconds * 1e3);
	}
}

void report_normal_head(FILE *out, const struct bench_options *options)
{
	const bool is_fio = options->ioengine == BENCH_FIO;

	fprintf(out, "%s: (g=0): rw=%s, bs=%lluB, ioengine=%s%s%s, iodepth=%llu\nioe-%s\n",
		options->name, options_choice_name(bench_rws, options->rw),
		(unsigned long long)options->bs_bytes,
		options_choice_name(bench_ioengines, options->ioengine), is_fio ? " " : "",
		is_fio ? fio_engine_name(options) : "", (unsigned long long)options->iodepth,
		ioe_version());
	fflush(out);
}

void report_normal(FILE *out, const struct job_result *result)
{
	const struct io_stats *read = &result->direction[DIRECTION_READ];
	const struct io_stats *write = &result->direction[DIRECTION_WRITE];
	uint64_t n_errors = read->errors + write->errors + result->direction[DIRECTION_NOP].errors;
	double elapsed = (double)result->runtime_ns;
	time_t now = time(NULL);
	char date[32] = "";

	fprintf(out, "\n%s: (groupid=0, jobs=1): err=%2d%s%s%s: pid=%d: %s", result->options.name,
		-result->error, result->error ? " (" : "",
		result->error ? strerror(-result->error) : "", result->error ? ")" : "",
		(int)getpid(), ctime_r(&now, date) ? date : "\n");
	for (int d = 0; d < DIRECTIONS; d++)
		print_direction(out, result, d);
	if (elapsed > 0)
		fprintf(out,
			"  cpu          : usr=%.2f%%, sys=%.2f%%, ctx=%llu, majf=%llu, minf=%llu\n",
			100 * result->usr_ns / elapsed, 100 * result->sys_ns / elapsed,
			(unsigned long long)result->context_switches,
			(unsigned long long)result->major_faults,
			(unsigned long long)result->minor_faults);
	fprintf(out, "     issued rwts: total=%llu,%llu,0,0 short=%llu,%llu,0,0 dropped=0,0,0,0\n",
		(unsigned long long)stats_read(&read->ios),
		(unsigned long long)stats_read(&write->ios), (unsigned long long)read->short_ios,
		(unsigned long long)write->short_ios);
	if (result->error)
		fprintf(out, "     errors    : total=%llu, first: %s\n",
			(unsigned long long)n_errors, result->message);
	print_engine(out, result);
	print_status_group(out, result);
}

void report_normal_line(FILE *out, const struct job_result *result)
{
	char iops[UNITS_TEXT_MAX];

	fprintf(out, "  %-14s IOPS=%s, cpu/io=%.3f us, lat avg=%.2f us%s%s\n",
		report_engine_name(result), units_format(report_iops(result), UNITS_THOUSAND, iops),
		report_cpu_us_per_io(result), report_mean_latency_ns(result) / 1e3,
		result->error ? ": " : "", result->error ? result->message : "");
}

void report_versus_normal(FILE *out, const struct versus *versus)
{
	static const char *const measures[VERSUS_REPORTED] = { "IOPS", "CPU us/IO",
							       "mean latency us" };
	const char *a = options_choice_name(bench_ioengines, versus->options[0].ioengine);
	const char *b = options_choice_name(bench_ioengines, versus->options[1].ioengine);

	fprintf(out, "\nversus: %s against %s, %u rounds in turn\n", a, b, versus->n_rounds);
	fprintf(out, "%-16s %-14s %12s %12s %12s\n", "", "", "min", "median", "max");
	for (enum versus_measure m = 0; m < VERSUS_REPORTED; m++) {
		struct spread ratio = versus_ratio(versus, 0, 1, m);

		for (uint32_t side = 0; side < 2; side++) {
			struct spread s = versus_value(versus, side, m);
			int digits = m == VERSUS_IOPS ? 0 : 2;

			fprintf(out, "%-16s %-14s %12.*f %12.*f %12.*f\n", side ? "" : measures[m],
				side ? b : a, digits, s.min, digits, s.median, digits, s.max);
		}
		fprintf(out, "%-16s %-14s %12.3f %12.3f %12.3f\n", "", "ratio", ratio.min,
			ratio.median, ratio.max);
	}
}
