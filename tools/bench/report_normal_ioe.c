/* SPDX-License-Identifier: MIT
 * report_normal_ioe.c - what our text says beyond fio's: the engine, CPU for each IO, comparisons.
 * Invariants: no line of it looks like one of fio's.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#include "tools/bench/report.h"
#include "tools/units.h"

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

/* With a rate: latency from when the IO was due, which does not shrink when the tool is late. */
static void print_intended(FILE *out, const struct job_result *result)
{
	for (int d = 0; d < DIRECTION_SYNC; d++) {
		const struct histogram *h = result->direction[d].intended;

		if (!h || !h->n)
			continue;
		fprintf(out,
			"     intended  : %s, from when it was due, usec: avg=%.2f, max=%.2f, "
			"50.00th=[%.0f], 99.00th=[%.0f], 99.90th=[%.0f]\n",
			report_direction_name(result, d), histogram_mean(h) / 1e3,
			(double)h->max / 1e3, (double)histogram_percentile(h, 50) / 1e3,
			(double)histogram_percentile(h, 99) / 1e3,
			(double)histogram_percentile(h, 99.9) / 1e3);
	}
}

static void print_engine(FILE *out, const struct job_engine *engine, double ios)
{
	const struct ioe_stats *s = &engine->stats;

	fprintf(out, "\n     backend   : %s (%s)\n", engine->backend, engine->reason);
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
		(unsigned long long)s->system_calls, (double)s->system_calls / ios,
		(unsigned long long)s->wakes, (unsigned long long)s->parks,
		(unsigned long long)s->channel_full_waits);
	fprintf(out, "     in flight : avg=%.2f, max=%llu, depth=%u\n", s->in_flight_average,
		(unsigned long long)s->in_flight_max, s->depth);
	print_stages(out, s);
}

void report_normal_ioe(FILE *out, const struct job_result *result)
{
	uint64_t ios = job_result_ios(result);
	double n = ios ? (double)ios : 1;

	fprintf(out, "  ioe          : cpu/io=%.3f us (usr=%.3f, sys=%.3f)",
		report_cpu_us_per_io(result), result->usr_ns / 1e3 / n, result->sys_ns / 1e3 / n);
	if (result->engine.is_set)
		print_engine(out, &result->engine, n);
	else
		fprintf(out, ", syscalls/io=%.3f\n", (double)result->system_calls / n);
	print_intended(out, result);
	if (result->n_missing)
		fprintf(out, "     missing   : %llu IOs had not come back\n",
			(unsigned long long)result->n_missing);
	if (result->error)
		fprintf(out, "     error     : %s\n", result->message);
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
