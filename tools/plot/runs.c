/* SPDX-License-Identifier: MIT
 * runs.c - from fio's keys, and from ours in "ioe", to lines of points.
 * Invariants: as in the header.
 * Threads:    the main thread.
 * Ownership:  the document is freed in plot_runs_read(); points are copied.
 */
#include "tools/plot/runs.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/plot/json_file.h"

#define MSEC_PER_SECOND 1000
/* 99.9 % is 3 nines, and so are 1000 IOs; both are rounded. */
#define SLACK 1e-9

static const char *const directions[] = { "read", "write", "trim" };

/* Keys of ioe.series.<direction>. */
static const char *const series_keys[PLOT_PANELS] = {
	[PLOT_LAT_MEAN] = "lat_mean_ns",
	[PLOT_LAT_P99] = "lat_p99_ns",
	[PLOT_IOPS] = "iops",
	[PLOT_BW] = "bw_bytes",
};

/* -1: there is no such number. */
static double number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : -1;
}

/* Room for n points; NULL also for none. */
static struct plot_point *points_new(size_t n)
{
	return n ? calloc(n, sizeof(struct plot_point)) : NULL;
}

static int compare_points(const void *a, const void *b)
{
	const struct plot_point *p = a, *q = b;

	return (p->x > q->x) - (p->x < q->x);
}

/* json+: {"NS": COUNT, ...}. A step for each bin, from the share of IOs that are below it to the
 * share that are not above it, which of the last bin is all but the slowest IO: 1 - 1/n. */
static int read_bins(const json_t *latency, struct plot_line *line)
{
	json_t *bins = json_object_get(latency, "bins"), *count;
	struct plot_point *points = points_new(2 * json_object_size(bins));
	double all = 0, above = 0;
	const char *key;
	uint32_t n = 0;

	if (!points)
		return json_object_size(bins) ? -ENOMEM : 0;
	json_object_foreach(bins, key, count)
	{
		double ns = strtod(key, NULL), here = json_number_value(count);

		if (!(here > 0) || !(ns >= 0) || !isfinite(ns))
			continue;
		points[n++] = (struct plot_point){ .x = ns, .y = here };
		all += here;
	}
	qsort(points, n, sizeof(*points), compare_points);
	/* from the end: each bin is made into two points, at or behind its own place */
	for (uint32_t i = n; i-- > 0;) {
		double ns = points[i].x, here = points[i].y;
		struct plot_point *step = &points[(size_t)2 * i];

		step[1] = (struct plot_point){
			.x = above > 0 ? log10(all / above) : log10(fmax(all, 1)),
			.y = ns,
		};
		above += here;
		step[0] = (struct plot_point){ log10(all / above), ns };
	}
	*line = (struct plot_line){ .points = points, .n = 2 * n };
	return 0;
}

/* {"99.000000": NS, ...} */
static int read_percentiles(const json_t *latency, struct plot_line *line)
{
	json_t *percentiles = json_object_get(latency, "percentile"), *value;
	struct plot_point *points = points_new(json_object_size(percentiles));
	double n_ios = number(latency, "N");
	const char *key;
	uint32_t n = 0;

	if (!points)
		return json_object_size(percentiles) ? -ENOMEM : 0;
	json_object_foreach(percentiles, key, value)
	{
		double share = strtod(key, NULL) / 100, nines = -log10(1 - share);

		/* Among 500 IOs there is no 99.99 %: it is the slowest one again. */
		if (!(share >= 0 && share < 1) || (n_ios > 0 && nines > log10(n_ios) + SLACK))
			continue;
		if (json_number_value(value) >= 0)
			points[n++] = (struct plot_point){ nines, json_number_value(value) };
	}
	qsort(points, n, sizeof(*points), compare_points);
	*line = (struct plot_line){ .points = points, .n = n };
	return 0;
}

static int read_latency(const json_t *latency, struct plot_line *line)
{
	int rc = read_bins(latency, line);

	if (rc || line->n)
		return rc;
	free(line->points);
	return read_percentiles(latency, line);
}

/* What fio has percentiles of: clat, or with --lat_percentiles or --slat_percentiles another. */
static const json_t *choose_latency(const json_t *direction)
{
	static const char *const keys[] = { "clat_ns", "lat_ns" };

	for (int i = 0; i < 2; i++) {
		const json_t *latency = json_object_get(direction, keys[i]);

		if (json_object_size(json_object_get(latency, "bins")) ||
		    (number(latency, "N") > 0 &&
		     json_object_size(json_object_get(latency, "percentile"))))
			return latency;
	}
	return NULL;
}

/* [[MS, VALUE], ...] */
static int read_series(const json_t *series, struct plot_line *line)
{
	size_t n = json_array_size(series);
	struct plot_point *points = points_new(n);
	uint32_t taken = 0;

	if (!points)
		return n ? -ENOMEM : 0;
	for (size_t i = 0; i < n; i++) {
		const json_t *pair = json_array_get(series, i);
		const json_t *ms = json_array_get(pair, 0), *value = json_array_get(pair, 1);

		if (json_is_number(ms) && json_is_number(value) && json_number_value(ms) >= 0 &&
		    json_number_value(value) >= 0)
			points[taken++] = (struct plot_point){
				.x = json_number_value(ms) / MSEC_PER_SECOND,
				.y = json_number_value(value),
			};
	}
	qsort(points, taken, sizeof(*points), compare_points);
	*line = (struct plot_line){ .points = points, .n = taken };
	return 0;
}

static void run_deinit(struct plot_run *run)
{
	free(run->name);
	free(run->intended.points);
	for (int panel = 0; panel < PLOT_PANELS; panel++)
		free(run->lines[panel].points);
}

/* The lines and figures of one direction of a job. */
static int read_run(const json_t *job, const char *direction, struct plot_run *run)
{
	const json_t *object = json_object_get(job, direction), *ioe = json_object_get(job, "ioe");
	const json_t *latency = choose_latency(object);
	const json_t *series = json_object_get(json_object_get(ioe, "series"), direction);
	int rc = read_latency(latency, &run->lines[PLOT_PERCENTILES]);

	if (!rc)
		rc = read_latency(json_object_get(json_object_get(ioe, "intended_lat_ns"),
						  direction),
				  &run->intended);
	for (int panel = PLOT_LAT_MEAN; panel < PLOT_PANELS && !rc; panel++)
		rc = read_series(json_object_get(series, series_keys[panel]), &run->lines[panel]);
	run->iops = number(object, "iops");
	run->bw_bytes = number(object, "bw_bytes");
	if (run->bw_bytes < 0 && number(object, "bw") >= 0)
		run->bw_bytes = 1024 * number(object, "bw"); /* fio before 3.2 */
	run->mean_ns = latency ? number(latency, "mean") : -1;
	run->p99_ns = number(json_object_get(latency, "percentile"), "99.000000");
	return rc;
}

static bool has_run(const json_t *job, const char *direction)
{
	return number(json_object_get(job, direction), "total_ios") > 0;
}

static const char *job_name(const json_t *job)
{
	const char *name = json_string_value(json_object_get(job, "jobname"));

	return name ? name : "job";
}

/* Do jobs of this file have the same name, as the sides of --versus? */
static bool are_engines_named(const json_t *jobs)
{
	for (size_t a = 0; a < json_array_size(jobs); a++)
		for (size_t b = 0; b < a; b++)
			if (!strcmp(job_name(json_array_get(jobs, a)),
				    job_name(json_array_get(jobs, b))))
				return true;
	return false;
}

/* "FILE", "FILE: JOB", "FILE: JOB, ENGINE", "FILE: JOB, write": as much as tells it from the others
 * of its file. */
static char *name_run(const char *path, const json_t *jobs, size_t i, const char *direction)
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	size_t length = strlen(base), suffix = strlen(".json");
	const json_t *job = json_array_get(jobs, i);
	const char *engine =
		json_string_value(json_object_get(json_object_get(job, "ioe"), "ioengine"));
	bool is_one = json_array_size(jobs) == 1, is_engine_named, is_mixed;
	char *name;

	if (length > suffix && !strcmp(base + length - suffix, ".json"))
		length -= suffix;
	is_engine_named = engine && are_engines_named(jobs);
	is_mixed = false;
	for (size_t d = 0; d < sizeof(directions) / sizeof(*directions); d++)
		is_mixed |= strcmp(directions[d], direction) != 0 && has_run(job, directions[d]);
	if (asprintf(&name, "%.*s%s%s%s%s%s%s", (int)length, base, is_one ? "" : ": ",
		     is_one ? "" : job_name(job), is_engine_named ? ", " : "",
		     is_engine_named ? engine : "", is_mixed ? ", " : "",
		     is_mixed ? direction : "") < 0)
		return NULL;
	return name;
}

static int add_run(struct plot_runs *runs, const char *path, const json_t *jobs, size_t i,
		   const char *direction)
{
	struct plot_run *larger = realloc(runs->runs, (runs->n + 1) * sizeof(*larger)), *run;
	int rc;

	if (!larger)
		return -ENOMEM;
	runs->runs = larger;
	run = &larger[runs->n];
	memset(run, 0, sizeof(*run));
	rc = read_run(json_array_get(jobs, i), direction, run);
	run->name = rc ? NULL : name_run(path, jobs, i, direction);
	if (!run->name) {
		run_deinit(run);
		return -ENOMEM;
	}
	runs->n++;
	return 0;
}

static int read_jobs(struct plot_runs *runs, const char *path, const json_t *document,
		     char why[PLOT_WHY_MAX])
{
	const json_t *jobs = json_object_get(document, "jobs");
	uint32_t before = runs->n;
	int rc = 0;

	if (!json_array_size(jobs)) {
		snprintf(why, PLOT_WHY_MAX,
			 "JSON, but neither of ioe bench nor of fio: no \"jobs\"");
		return -EINVAL;
	}
	for (size_t i = 0; i < json_array_size(jobs) && !rc; i++)
		for (size_t d = 0; d < sizeof(directions) / sizeof(*directions) && !rc; d++)
			if (has_run(json_array_get(jobs, i), directions[d]))
				rc = add_run(runs, path, jobs, i, directions[d]);
	if (!rc && runs->n == before) {
		snprintf(why, PLOT_WHY_MAX, "nothing to plot: no job in it has read or written");
		return -EINVAL;
	}
	if (rc) {
		snprintf(why, PLOT_WHY_MAX, "%s", strerror(-rc));
		while (runs->n > before)
			run_deinit(&runs->runs[--runs->n]);
	}
	return rc;
}

int plot_runs_read(struct plot_runs *runs, const char *path, char why[PLOT_WHY_MAX])
{
	json_t *document;
	int rc = json_file_read(path, &document, why, PLOT_WHY_MAX);

	if (rc)
		return rc;
	rc = read_jobs(runs, path, document, why);
	json_decref(document);
	return rc;
}

int plot_runs_number(struct plot_runs *runs)
{
	/* from the end, so that those before have their plain names yet */
	for (uint32_t i = runs->n; i-- > 1;) {
		uint32_t n_before = 0;
		char *name;

		for (uint32_t k = 0; k < i; k++)
			n_before += !strcmp(runs->runs[k].name, runs->runs[i].name);
		if (!n_before)
			continue;
		if (asprintf(&name, "%s (%u)", runs->runs[i].name, n_before + 1) < 0)
			return -ENOMEM;
		free(runs->runs[i].name);
		runs->runs[i].name = name;
	}
	return 0;
}

void plot_runs_deinit(struct plot_runs *runs)
{
	for (uint32_t i = 0; i < runs->n; i++)
		run_deinit(&runs->runs[i]);
	free(runs->runs);
	*runs = (struct plot_runs){ .n = 0 };
}
