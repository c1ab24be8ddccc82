/* SPDX-License-Identifier: MIT
 * fio_result.c - what fio says (--output-format=json+) as a result of ours.
 *
 * fio gives the completion latencies as a histogram whose buckets are ours, of the others only
 * count, min, max, mean and deviation. CPU is that of fio's jobs while they run, without its
 * starting and ending, from getrusage(RUSAGE_THREAD): usr_cpu and sys_cpu are percent of
 * job_runtime, which with group_reporting is the sum of the times of all jobs.
 * Of each job fio counts whole milliseconds, of user and of system time, and drops the rest: of a
 * short run of many jobs that is far too little.
 * Worked: two jobs of 704 and 699 ms, usr_cpu 2.0 and sys_cpu 15.1: 1403 ms x 0.171 = 240 ms of
 *         CPU; 39061 IOs: 6.1 us for each.
 * Invariants: the sum of a histogram's buckets is its n, also where fio says less.
 * Threads:    the main thread.
 * Ownership:  the document is freed here.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/fio.h"

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static uint64_t whole(const json_t *object, const char *key)
{
	double value = number(object, key);

	return value > 0 ? (uint64_t)value : 0;
}

/* Count, sums and ends; no buckets. */
static void read_moments(const json_t *object, struct histogram *h)
{
	double mean = number(object, "mean"), deviation = number(object, "stddev");

	h->n = whole(object, "N");
	if (!h->n)
		return;
	h->min = whole(object, "min");
	h->max = whole(object, "max");
	h->sum = (uint64_t)(mean * (double)h->n + 0.5);
	h->sum_squares = deviation * deviation * (double)(h->n - 1) + mean * (double)h->sum;
}

/* The buckets of fio's clat into *h, each moved by so much. */
static void read_bins(const json_t *clat, uint64_t move_ns, struct histogram *h)
{
	json_t *bins = json_object_get(clat, "bins"), *count;
	uint64_t n = 0;
	const char *key;

	json_object_foreach(bins, key, count)
	{
		uint64_t here = (uint64_t)json_integer_value(count);

		h->bucket[histogram_index(strtoull(key, NULL, 10) + move_ns)] += here;
		n += here;
	}
	/* Without bins (percentiles turned off by a default of the distribution's) the mean stands
	 * for all. */
	if (h->n > n)
		h->bucket[histogram_index((uint64_t)histogram_mean(h))] += h->n - n;
	else
		h->n = n;
}

static void read_latencies(const json_t *object, struct io_stats *stats)
{
	const json_t *clat = json_object_get(object, "clat_ns");

	read_moments(json_object_get(object, "slat_ns"), &stats->slat);
	read_moments(clat, &stats->clat);
	read_moments(json_object_get(object, "lat_ns"), &stats->lat);
	if (stats->slat.n)
		stats->slat.bucket[histogram_index((uint64_t)histogram_mean(&stats->slat))] =
			stats->slat.n;
	if (stats->clat.n)
		read_bins(clat, 0, &stats->clat);
	if (stats->lat.n)
		read_bins(clat, (uint64_t)histogram_mean(&stats->slat), &stats->lat);
}

static void read_samples(const json_t *object, const char *name, double unit,
			 struct rate_samples *samples)
{
	static const char *const parts[] = { "_samples", "_min", "_max", "_mean" };
	double values[4], deviation;
	char key[32];

	for (int i = 0; i < 4; i++) {
		snprintf(key, sizeof(key), "%s%s", name, parts[i]);
		values[i] = number(object, key) * (i ? unit : 1);
	}
	snprintf(key, sizeof(key), "%s_%s", name, strcmp(name, "bw") ? "stddev" : "dev");
	deviation = number(object, key) * unit;
	if (values[0] < 1)
		return;
	samples->n = (uint64_t)values[0];
	samples->min = values[1];
	samples->max = values[2];
	samples->mean = values[3];
	samples->squares = deviation * deviation * (values[0] - 1);
}

static void read_direction(const json_t *job, const char *name, enum direction d,
			   struct job_result *result)
{
	const json_t *object = json_object_get(job, name);
	struct io_stats *stats = &result->direction[d];
	uint64_t runtime_ns = whole(object, "runtime") * NS_PER_MSEC;

	stats_count(&stats->ios, whole(object, "total_ios"));
	stats_count(&stats->bytes, whole(object, "io_bytes"));
	stats->short_ios = whole(object, "short_ios");
	if (!stats_read(&stats->ios))
		return;
	result->runtime_ns = runtime_ns;
	result->elapsed_ns = runtime_ns;
	read_latencies(object, stats);
	read_samples(object, "iops", 1, &result->iops[d]);
	read_samples(object, "bw", 1024, &result->bytes_per_second[d]);
}

static void read_job(const json_t *job, struct job_result *result)
{
	double jobs_ns = number(job, "job_runtime") * (double)NS_PER_MSEC;

	read_direction(job, "read", DIRECTION_READ, result);
	read_direction(job, "write", DIRECTION_WRITE, result);
	result->runtime_sum_ns = (uint64_t)jobs_ns;
	result->usr_ns = number(job, "usr_cpu") / 100 * jobs_ns;
	result->sys_ns = number(job, "sys_cpu") / 100 * jobs_ns;
	result->context_switches = whole(job, "ctx");
	result->major_faults = whole(job, "majf");
	result->minor_faults = whole(job, "minf");
	result->error = -(int)number(job, "error");
}

/* Where the document begins: the first line that is "{". fio writes its notes before it. */
static const char *find_document(const char *text, size_t length)
{
	for (const char *line = text; line < text + length;) {
		const char *end = memchr(line, '\n', (size_t)(text + length - line));

		if (*line == '{')
			return line;
		if (!end)
			break;
		line = end + 1;
	}
	return NULL;
}

int fio_result_read(const char *text, size_t length, struct job_result *result)
{
	const char *start = find_document(text, length), *version;
	json_t *document, *job;
	int rc = -EINVAL;

	if (!start)
		return rc;
	document = json_loadb(start, length - (size_t)(start - text), JSON_DISABLE_EOF_CHECK, NULL);
	job = json_array_get(json_object_get(document, "jobs"), 0);
	version = json_string_value(json_object_get(document, "fio version"));
	if (job && version) {
		read_job(job, result);
		snprintf(result->engine.reason, sizeof(result->engine.reason), "%s", version);
		rc = 0;
	}
	json_decref(document);
	return rc;
}
