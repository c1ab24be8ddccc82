/* SPDX-License-Identifier: MIT
 * report_json.c - results as JSON, with fio's keys, and an object "ioe" in each job.
 *
 * Programs that read fio's JSON look for "fio version", and some for the number in it, so as to
 * know the format: it names the fio whose keys and units these are. "ioe version" is our own.
 * Invariants: a key that fio has too has fio's unit and type.
 * Threads:    the main thread.
 * Ownership:  the document is built and freed in report_json(); the *_new() ones of jansson hand
 *             their references on to what they are put into.
 */
#include <jansson.h>
#include <string.h>

#include "tools/bench/report.h"

#define MSEC_PER_SECOND 1000
#define FORMAT_OF       "fio-3.33"

static json_t *whole(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *percentiles_object(const struct job_result *result, const struct histogram *h)
{
	double percents[BENCH_PERCENTILES_MAX];
	uint32_t n = report_percentiles(result, percents);
	json_t *object = json_object();

	for (uint32_t i = 0; i < n; i++) {
		char key[32];

		snprintf(key, sizeof(key), "%f", percents[i]);
		json_object_set_new(object, key, whole(histogram_percentile(h, percents[i])));
	}
	return object;
}

/* As fio: the middle of each bucket that has something, and how many. */
static json_t *bins_object(const struct histogram *h)
{
	json_t *object = json_object();

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		char key[32];

		if (!h->bucket[i])
			continue;
		snprintf(key, sizeof(key), "%llu", (unsigned long long)histogram_value(i));
		json_object_set_new(object, key, whole(h->bucket[i]));
	}
	return object;
}

json_t *report_json_latency(const struct job_result *result, const struct histogram *h,
			    bool with_percentiles)
{
	json_t *object = json_object();

	json_object_set_new(object, "min", whole(h->n ? h->min : 0));
	json_object_set_new(object, "max", whole(h->max));
	json_object_set_new(object, "mean", json_real(histogram_mean(h)));
	json_object_set_new(object, "stddev", json_real(histogram_stddev(h)));
	json_object_set_new(object, "N", whole(h->n));
	if (!with_percentiles || !h->n)
		return object;
	json_object_set_new(object, "percentile", percentiles_object(result, h));
	if (result->options.output_format == BENCH_JSON_PLUS)
		json_object_set_new(object, "bins", bins_object(h));
	return object;
}

static void set_samples(json_t *object, const struct report_rows *rows,
			const struct job_result *result, int d)
{
	const struct rate_samples *bw = &result->bytes_per_second[d], *iops = &result->iops[d];
	double share = bw->n ? report_share_of_group(rows, result, d) : 0;

	json_object_set_new(object, "bw_min", whole((uint64_t)(bw->min / 1024)));
	json_object_set_new(object, "bw_max", whole((uint64_t)(bw->max / 1024)));
	json_object_set_new(object, "bw_agg", json_real(share));
	json_object_set_new(object, "bw_mean", json_real(bw->mean / 1024));
	json_object_set_new(object, "bw_dev", json_real(rate_samples_stddev(bw) / 1024));
	json_object_set_new(object, "bw_samples", whole(bw->n));
	json_object_set_new(object, "iops_min", whole((uint64_t)iops->min));
	json_object_set_new(object, "iops_max", whole((uint64_t)iops->max));
	json_object_set_new(object, "iops_mean", json_real(iops->mean));
	json_object_set_new(object, "iops_stddev", json_real(rate_samples_stddev(iops)));
	json_object_set_new(object, "iops_samples", whole(iops->n));
}

static json_t *direction_object(const struct report_rows *rows, const struct job_result *result,
				int d)
{
	const struct io_stats *stats = &result->direction[d];
	const struct bench_options *options = &result->options;
	uint64_t ios = stats_read(&stats->ios), bytes = stats_read(&stats->bytes);
	double seconds = report_direction_seconds(result, d);
	double rate = ios && seconds > 0 ? 1 / seconds : 0;
	json_t *object = json_object();

	json_object_set_new(object, "io_bytes", whole(bytes));
	json_object_set_new(object, "io_kbytes", whole(bytes / 1024));
	json_object_set_new(object, "bw_bytes", whole((uint64_t)((double)bytes * rate)));
	json_object_set_new(object, "bw", whole((uint64_t)((double)bytes * rate / 1024)));
	json_object_set_new(object, "iops", json_real((double)ios * rate));
	json_object_set_new(object, "runtime", whole(ios ? report_runtime_ms(result, d) : 0));
	json_object_set_new(object, "total_ios", whole(ios));
	json_object_set_new(object, "short_ios", whole(stats_read(&stats->short_ios)));
	json_object_set_new(object, "drop_ios", whole(0));
	json_object_set_new(object, "slat_ns",
			    report_json_latency(result, &stats->slat, options->slat_percentiles));
	json_object_set_new(object, "clat_ns",
			    report_json_latency(result, io_stats_clat(stats),
						options->clat_percentiles));
	json_object_set_new(object, "lat_ns",
			    report_json_latency(result, &stats->lat, options->lat_percentiles));
	set_samples(object, rows, result, d);
	return object;
}

/* Trims, which we never do, are in fio's document too. */
static json_t *trim_object(const struct report_rows *rows, const struct job_result *result)
{
	struct job_result none;
	json_t *object;

	if (job_result_init(&none, &result->options))
		return json_null();
	object = direction_object(rows, &none, DIRECTION_READ);
	job_result_deinit(&none);
	return object;
}

static json_t *sync_object(const struct job_result *result)
{
	const struct io_stats *stats = &result->direction[DIRECTION_SYNC];
	const struct bench_options *options = &result->options;
	json_t *object = json_object();

	json_object_set_new(object, "total_ios", whole(stats_read(&stats->ios)));
	json_object_set_new(object, "lat_ns",
			    report_json_latency(result, &stats->lat,
						options->clat_percentiles ||
							options->lat_percentiles));
	return object;
}

static void set_directions(json_t *job, const struct report_rows *rows,
			   const struct job_result *result)
{
	json_object_set_new(job, report_direction_name(result, DIRECTION_READ),
			    direction_object(rows, result, DIRECTION_READ));
	/* As fio: "mixed" is all there is then. */
	if (result->options.unified_rw_reporting)
		return;
	json_object_set_new(job, "write", direction_object(rows, result, DIRECTION_WRITE));
	json_object_set_new(job, "trim", trim_object(rows, result));
	json_object_set_new(job, "sync", sync_object(result));
}

static void set_distribution(json_t *job, const struct job_result *result)
{
	static const char *const keys[] = { "latency_ns", "latency_us", "latency_ms" };
	double percents[REPORT_LATENCY_ROWS];
	int i = 0;

	report_latency_table(result, percents);
	for (int unit = 0; unit < 3; unit++) {
		json_t *object = json_object();

		for (int end = unit < 2 ? i + 10 : REPORT_LATENCY_ROWS; i < end; i++)
			json_object_set_new(object, report_latency_limits[i],
					    json_real(percents[i]));
		json_object_set_new(job, keys[unit], object);
	}
}

static json_t *depths_object(const char *const names[IO_DEPTHS],
			     const _Atomic uint64_t counts[IO_DEPTHS])
{
	double percents[IO_DEPTHS];
	json_t *object = json_object();

	report_depths(counts, percents);
	for (int i = 0; i < IO_DEPTHS; i++)
		json_object_set_new(object, names[i], json_real(percents[i]));
	return object;
}

/* Those of the job itself, or those of [global]. */
static json_t *given_object(const struct option_given *given, bool without_inherited)
{
	const struct option_def *def;
	json_t *object = json_object();

	for (int i = 0; given && (def = option_at(&bench_table, i)); i++) {
		bool inherited = option_inherited_at(given, i);

		if (option_given_at(given, i) && !(without_inherited && inherited))
			json_object_set_new(object, def->name,
					    json_string(given->text[i] ? given->text[i] : "1"));
	}
	return object;
}

static void set_cpu(json_t *job, const struct job_result *result)
{
	double runtime = (double)result->runtime_sum_ns;

	json_object_set_new(job, "job_runtime",
			    whole((result->runtime_sum_ns + NS_PER_MSEC / 2) / NS_PER_MSEC));
	json_object_set_new(job, "usr_cpu",
			    json_real(runtime > 0 ? 100 * result->usr_ns / runtime : 0));
	json_object_set_new(job, "sys_cpu",
			    json_real(runtime > 0 ? 100 * result->sys_ns / runtime : 0));
	json_object_set_new(job, "ctx", whole(result->context_switches));
	json_object_set_new(job, "majf", whole(result->major_faults));
	json_object_set_new(job, "minf", whole(result->minor_faults));
}

/* Depth and latency target, errors where the job goes on, description: as the job was asked. */
static void set_asked(json_t *job, const struct job_result *result)
{
	const struct bench_options *options = &result->options;

	if (options->continue_on_error) {
		json_object_set_new(job, "total_err", whole(report_errors(result)));
		json_object_set_new(job, "first_error", json_integer(-result->first_error));
	}
	/* fio's search for a depth by its latency_target, which we do not have. */
	json_object_set_new(job, "latency_depth", whole(options->iodepth));
	json_object_set_new(job, "latency_target", whole(0));
	json_object_set_new(job, "latency_percentile", json_real(100));
	json_object_set_new(job, "latency_window", whole(0));
	if (options->description)
		json_object_set_new(job, "desc", json_string(options->description));
}

static json_t *job_object(const struct report_rows *rows, const struct job_result *result)
{
	json_t *job = json_object();

	json_object_set_new(job, "jobname", json_string(result->options.name));
	json_object_set_new(job, "groupid", whole(result->options.group));
	json_object_set_new(job, "error", json_integer(-result->error));
	json_object_set_new(job, "eta", whole(0));
	json_object_set_new(job, "elapsed",
			    whole((result->elapsed_ns + NS_PER_SECOND - 1) / NS_PER_SECOND));
	json_object_set_new(job, "job options", given_object(result->given, true));
	set_directions(job, rows, result);
	set_cpu(job, result);
	json_object_set_new(job, "iodepth_level",
			    depths_object(report_level_names, result->depths.level));
	json_object_set_new(job, "iodepth_submit",
			    depths_object(report_batch_names, result->depths.submit));
	json_object_set_new(job, "iodepth_complete",
			    depths_object(report_batch_names, result->depths.complete));
	set_distribution(job, result);
	set_asked(job, result);
	json_object_set_new(job, "ioe", report_json_ioe(result));
	return job;
}

static json_t *disks_array(const struct disk_stats *disks)
{
	static const char *const keys[] = { "read_ios",     "write_ios",  "read_merges",
					    "write_merges", "read_ticks", "write_ticks" };
	json_t *array = json_array();

	for (uint32_t i = 0; i < disks->n; i++) {
		json_t *object = json_object();
		double util;
		struct disk_counts c = disk_counts_of(&disks->disks[i], &util);
		const uint64_t values[] = { c.ios[0],    c.ios[1],      c.merges[0],
					    c.merges[1], c.ticks_ms[0], c.ticks_ms[1] };

		json_object_set_new(object, "name", json_string(disks->disks[i].name));
		for (int k = 0; k < 6; k++)
			json_object_set_new(object, keys[k], whole(values[k]));
		json_object_set_new(object, "in_queue", whole(c.in_queue_ms));
		json_object_set_new(object, "util", json_real(util));
		json_array_append_new(array, object);
	}
	return array;
}

static void set_heading(json_t *document, const struct report *report)
{
	char version[64], date[32] = "";
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(version, sizeof(version), "ioe-%s", ioe_version());
	if (ctime_r(&now.tv_sec, date))
		date[strcspn(date, "\n")] = '\0';
	json_object_set_new(document, "fio version", json_string(FORMAT_OF));
	json_object_set_new(document, "ioe version", json_string(version));
	json_object_set_new(document, "timestamp", whole((uint64_t)now.tv_sec));
	json_object_set_new(document, "timestamp_ms",
			    whole((uint64_t)now.tv_sec * MSEC_PER_SECOND +
				  (uint64_t)now.tv_nsec / NS_PER_MSEC));
	json_object_set_new(document, "time", json_string(date));
	if (report->global) {
		json_t *global = given_object(report->global, false);

		/* As fio: an empty one is not there. */
		if (json_object_size(global))
			json_object_set(document, "global options", global);
		json_decref(global);
	}
}

int report_json(FILE *out, const struct report *report)
{
	json_t *document, *jobs;
	struct report_rows rows;
	int rc = report_rows_make(report, &rows);

	if (rc)
		return rc;
	document = json_object();
	jobs = json_array();
	set_heading(document, report);
	for (uint32_t i = 0; i < rows.n; i++) {
		/* The runs of a comparison are one after another: each is all of its group. */
		struct report_rows one = { .rows = &rows.rows[i], .n = 1 };

		json_array_append_new(jobs, job_object(report->versus ? &one : &rows,
						       rows.rows[i].result));
	}
	json_object_set_new(document, "jobs", jobs);
	if (report->disks && report->disks->n)
		json_object_set_new(document, "disk_util", disks_array(report->disks));
	if (report->versus && report->versus->n_rounds)
		json_object_set_new(document, "versus", report_json_versus(report->versus));
	rc = json_dumpf(document, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	fprintf(out, "\n");
	fflush(out);
	json_decref(document);
	report_rows_free(&rows);
	return rc ? -EIO : 0;
}
