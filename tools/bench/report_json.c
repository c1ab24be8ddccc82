/* SPDX-License-Identifier: MIT
 * report_json.c - results as JSON, with fio's keys, and an object "ioe" in each job.
 * Invariants: a key that fio has too has fio's unit and type.
 * Threads:    the main thread.
 * Ownership:  the document is built and freed in report_json(); the *_new() ones of jansson hand
 *             their references on to what they are put into.
 */
#include <jansson.h>
#include <string.h>

#include "tools/bench/fio.h"
#include "tools/bench/report.h"

#define MSEC_PER_SECOND 1000

static json_t *whole(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static double percent_of(uint64_t part, uint64_t total)
{
	return total ? 100 * (double)part / (double)total : 0;
}

static json_t *latency_object(const struct histogram *h, bool with_percentiles)
{
	json_t *object = json_object();

	json_object_set_new(object, "min", whole(h->n ? h->min : 0));
	json_object_set_new(object, "max", whole(h->max));
	json_object_set_new(object, "mean", json_real(histogram_mean(h)));
	json_object_set_new(object, "stddev", json_real(histogram_stddev(h)));
	json_object_set_new(object, "N", whole(h->n));
	if (with_percentiles && h->n) {
		json_t *percentiles = json_object();

		for (int i = 0; report_percentiles[i] > 0; i++) {
			char key[32];

			snprintf(key, sizeof(key), "%f", report_percentiles[i]);
			json_object_set_new(percentiles, key,
					    whole(histogram_percentile(h, report_percentiles[i])));
		}
		json_object_set_new(object, "percentile", percentiles);
	}
	return object;
}

static void set_samples(json_t *object, const struct job_result *result, int d)
{
	const struct rate_samples *bw = &result->bytes_per_second[d], *iops = &result->iops[d];

	json_object_set_new(object, "bw_min", whole((uint64_t)(bw->min / 1024)));
	json_object_set_new(object, "bw_max", whole((uint64_t)(bw->max / 1024)));
	json_object_set_new(object, "bw_agg", json_real(bw->n ? 100.0 : 0.0));
	json_object_set_new(object, "bw_mean", json_real(rate_samples_mean(bw) / 1024));
	json_object_set_new(object, "bw_dev", json_real(rate_samples_stddev(bw) / 1024));
	json_object_set_new(object, "bw_samples", whole(bw->n));
	json_object_set_new(object, "iops_min", whole((uint64_t)iops->min));
	json_object_set_new(object, "iops_max", whole((uint64_t)iops->max));
	json_object_set_new(object, "iops_mean", json_real(rate_samples_mean(iops)));
	json_object_set_new(object, "iops_stddev", json_real(rate_samples_stddev(iops)));
	json_object_set_new(object, "iops_samples", whole(iops->n));
}

static json_t *direction_object(const struct job_result *result, int d)
{
	const struct io_stats *stats = &result->direction[d];
	uint64_t ios = stats_read(&stats->ios), bytes = stats_read(&stats->bytes);
	double seconds = report_seconds(result);
	double rate = ios && seconds > 0 ? 1 / seconds : 0;
	json_t *object = json_object();

	json_object_set_new(object, "io_bytes", whole(bytes));
	json_object_set_new(object, "io_kbytes", whole(bytes / 1024));
	json_object_set_new(object, "bw_bytes", whole((uint64_t)((double)bytes * rate)));
	json_object_set_new(object, "bw", whole((uint64_t)((double)bytes * rate / 1024)));
	json_object_set_new(object, "iops", json_real((double)ios * rate));
	json_object_set_new(object, "runtime", whole(ios ? result->runtime_ns / NS_PER_MSEC : 0));
	json_object_set_new(object, "total_ios", whole(ios));
	json_object_set_new(object, "short_ios", whole(stats->short_ios));
	json_object_set_new(object, "drop_ios", whole(0));
	json_object_set_new(object, "slat_ns", latency_object(&stats->slat, false));
	json_object_set_new(object, "clat_ns", latency_object(io_stats_clat(stats), true));
	json_object_set_new(object, "lat_ns", latency_object(&stats->lat, false));
	set_samples(object, result, d);
	return object;
}

/* fio's latency_ns, latency_us and latency_ms: percent of IOs up to so many units, from the
 * limit before on. */
static void set_distribution(json_t *job, const struct histogram *h)
{
	static const uint32_t limits[] = { 2, 4, 10, 20, 50, 100, 250, 500, 750, 1000, 2000 };
	static const struct {
		const char *key;
		uint64_t ns;
	} units[] = { { "latency_ns", 1 }, { "latency_us", 1000 }, { "latency_ms", 1000000 } };
	uint64_t from = 0;

	for (int u = 0; u < 3; u++) {
		json_t *object = json_object();

		for (int i = 0; i < (u < 2 ? 10 : 11); i++) {
			uint64_t to = limits[i] * units[u].ns;
			char key[16];

			snprintf(key, sizeof(key), "%u", limits[i]);
			json_object_set_new(
				object, key,
				json_real(percent_of(histogram_count_between(h, from, to), h->n)));
			from = to;
		}
		if (u == 2)
			json_object_set_new(
				object, ">=2000",
				json_real(percent_of(histogram_count_between(h, from, UINT64_MAX),
						     h->n)));
		json_object_set_new(job, units[u].key, object);
	}
}

/* bins: how many from so many ns on, up to twice as many. */
static json_t *stage_object(const struct ioe_latency *latency)
{
	json_t *object = json_object(), *bins = json_object();

	json_object_set_new(object, "max", whole(latency->max_ns));
	json_object_set_new(object, "mean", json_real(report_stage_mean_ns(latency)));
	json_object_set_new(object, "N", whole(latency->n));
	for (uint32_t i = 0; i < IOE_LATENCY_BUCKETS; i++) {
		char from_ns[32];

		if (!latency->histogram[i])
			continue;
		snprintf(from_ns, sizeof(from_ns), "%llu",
			 (unsigned long long)(i ? UINT64_C(1) << i : 0));
		json_object_set_new(bins, from_ns, whole(latency->histogram[i]));
	}
	json_object_set_new(object, "bins", bins);
	return object;
}

static void set_engine_stats(json_t *object, const struct ioe_stats *s)
{
	json_t *stages = json_object();
	const struct {
		const char *key;
		uint64_t value;
	} counters[] = {
		{ "depth", s->depth },
		{ "n_drivers", s->n_drivers },
		{ "events", s->events_finished },
		{ "errors", s->errors },
		{ "requests", s->requests },
		{ "merged_requests", s->merged_requests },
		{ "merged_events", s->merged_events },
		{ "resumed", s->resumed },
		{ "retries", s->retried },
		{ "split", s->split },
		{ "stale_completions", s->stale_completions },
		{ "helped", s->helped },
		{ "syscalls", s->system_calls },
		{ "wakes", s->wakes },
		{ "parks", s->parks },
		{ "channel_full_waits", s->channel_full_waits },
		{ "in_flight_max", s->in_flight_max },
	};

	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		json_object_set_new(object, counters[i].key, whole(counters[i].value));
	json_object_set_new(object, "in_flight_average", json_real(s->in_flight_average));
	for (uint32_t i = 0; i < IOE_LATENCY_END; i++)
		json_object_set_new(stages, report_stage_names[i], stage_object(&s->latency[i]));
	json_object_set_new(object, "stage_ns", stages);
}

static json_t *ioe_object(const struct job_result *result)
{
	json_t *object = json_object();

	json_object_set_new(object, "ioengine", json_string(report_engine_name(result)));
	json_object_set_new(object, "cpu_us_per_io", json_real(report_cpu_us_per_io(result)));
	json_object_set_new(object, "interrupted", json_boolean(result->interrupted));
	if (result->error)
		json_object_set_new(object, "message", json_string(result->message));
	if (result->options.ioengine == BENCH_FIO) {
		json_object_set_new(object, "fio_version", json_string(result->engine.reason));
		json_object_set_new(object, "fio_ioengine",
				    json_string(fio_engine_name(&result->options)));
		return object;
	}
	if (result->options.rw == BENCH_NOP) {
		uint64_t n = stats_read(&result->direction[DIRECTION_NOP].ios);

		json_object_set_new(object, "nops", whole(n));
		json_object_set_new(object, "nops_per_second", json_real(report_iops(result)));
		json_object_set_new(object, "ns_per_event", json_real(report_ns_per_event(result)));
	}
	if (result->slowest_share > 0)
		json_object_set_new(object, "slowest_thread_share",
				    json_real(result->slowest_share));
	if (result->engine.is_set) {
		json_object_set_new(object, "backend", json_string(result->engine.backend));
		json_object_set_new(object, "reason", json_string(result->engine.reason));
		set_engine_stats(object, &result->engine.stats);
	} else {
		json_object_set_new(object, "syscalls", whole(result->system_calls));
	}
	return object;
}

static json_t *given_object(const struct option_given *given)
{
	json_t *object = json_object();

	for (int i = 0; bench_table.defs[i].name; i++) {
		if (given->bits >> i & 1)
			json_object_set_new(object, bench_table.defs[i].name,
					    json_string(given->text[i]));
	}
	return object;
}

static json_t *job_object(const struct job_result *result, const struct option_given *given)
{
	double elapsed = (double)result->runtime_ns;
	const struct io_stats *stats = &result->direction[DIRECTION_READ];
	json_t *job = json_object();

	if (bench_is_write(&result->options))
		stats = &result->direction[DIRECTION_WRITE];
	json_object_set_new(job, "jobname", json_string(result->options.name));
	json_object_set_new(job, "groupid", whole(0));
	json_object_set_new(job, "error", whole((uint64_t)-result->error));
	json_object_set_new(job, "eta", whole(0));
	json_object_set_new(job, "elapsed",
			    whole((result->runtime_ns + NS_PER_SECOND - 1) / NS_PER_SECOND));
	json_object_set_new(job, "job options", given_object(given));
	json_object_set_new(job, "read", direction_object(result, DIRECTION_READ));
	json_object_set_new(job, "write", direction_object(result, DIRECTION_WRITE));
	json_object_set_new(job, "job_runtime", whole(result->runtime_ns / NS_PER_MSEC));
	json_object_set_new(job, "usr_cpu",
			    json_real(elapsed > 0 ? 100 * result->usr_ns / elapsed : 0));
	json_object_set_new(job, "sys_cpu",
			    json_real(elapsed > 0 ? 100 * result->sys_ns / elapsed : 0));
	json_object_set_new(job, "ctx", whole(result->context_switches));
	json_object_set_new(job, "majf", whole(result->major_faults));
	json_object_set_new(job, "minf", whole(result->minor_faults));
	set_distribution(job, &stats->lat);
	json_object_set_new(job, "latency_depth", whole(result->options.iodepth));
	json_object_set_new(job, "ioe", ioe_object(result));
	return job;
}

static json_t *spread_object(struct spread spread)
{
	json_t *object = json_object();

	json_object_set_new(object, "min", json_real(spread.min));
	json_object_set_new(object, "median", json_real(spread.median));
	json_object_set_new(object, "max", json_real(spread.max));
	return object;
}

static json_t *versus_object(const struct versus *versus)
{
	static const char *const keys[VERSUS_REPORTED] = { "iops", "cpu_us_per_io", "lat_us" };
	static const char *const sides[3] = { "a", "b", "ratio" };
	json_t *object = json_object();

	for (int side = 0; side < 2; side++) {
		const char *name =
			options_choice_name(bench_ioengines, versus->options[side].ioengine);

		json_object_set_new(object, side ? "ioengine_b" : "ioengine_a", json_string(name));
	}
	json_object_set_new(object, "rounds", whole(versus->n_rounds));
	for (uint32_t side = 0; side < 3; side++) {
		json_t *measures = json_object();

		for (enum versus_measure m = 0; m < VERSUS_REPORTED; m++)
			json_object_set_new(measures, keys[m],
					    spread_object(side < 2 ?
								  versus_value(versus, side, m) :
								  versus_ratio(versus, 0, 1, m)));
		json_object_set_new(object, sides[side], measures);
	}
	return object;
}

int report_json(FILE *out, const struct job_result results[], uint32_t n,
		const struct versus *versus, const struct option_given *given)
{
	json_t *document = json_object(), *jobs = json_array();
	char version[64], date[32] = "";
	struct timespec now;
	int rc;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(version, sizeof(version), "ioe-%s", ioe_version());
	if (ctime_r(&now.tv_sec, date))
		date[strcspn(date, "\n")] = '\0';
	json_object_set_new(document, "ioe version", json_string(version));
	json_object_set_new(document, "timestamp", whole((uint64_t)now.tv_sec));
	json_object_set_new(document, "timestamp_ms",
			    whole((uint64_t)now.tv_sec * MSEC_PER_SECOND +
				  (uint64_t)now.tv_nsec / NS_PER_MSEC));
	json_object_set_new(document, "time", json_string(date));
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(jobs, job_object(&results[i], given));
	json_object_set_new(document, "jobs", jobs);
	if (versus && versus->n_rounds)
		json_object_set_new(document, "versus", versus_object(versus));
	rc = json_dumpf(document, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	fprintf(out, "\n");
	json_decref(document);
	return rc ? -EIO : 0;
}
