/* SPDX-License-Identifier: MIT
 * test_report.c - text and JSON of results that are made up, so that every figure is known.
 * Invariants: none.
 * Threads:    one.
 * Ownership:  a test frees what it has made. */
#include <jansson.h>

#include "tests/check.h"
#include "tools/bench/report.h"

/* A job of 2 s: n IOs of 4 KiB, each with this latency. */
static void make_job(struct job_result *result, const char *name, uint64_t group, int d, uint64_t n,
		     uint64_t latency_ns)
{
	struct bench_options options = { .name = name,
					 .group = group,
					 .iodepth = 4,
					 .clat_percentiles = 1,
					 .rw = d == DIRECTION_READ ? BENCH_READ : BENCH_WRITE,
					 .ioengine = BENCH_PSYNC };

	check_eq(job_result_init(result, &options), 0);
	result->runtime_ns = 2000000000;
	result->runtime_sum_ns = 2000000000;
	result->elapsed_ns = 2000000000;
	result->usr_ns = 500000000;
	for (uint64_t i = 0; i < n; i++) {
		stats_count(&result->direction[d].ios, 1);
		stats_count(&result->direction[d].bytes, 4096);
		histogram_add(&result->direction[d].lat, latency_ns);
	}
	io_depths_fill(&result->depths, n, 4);
	rate_samples_add(&result->iops[d], (double)n / 2);
	rate_samples_add(&result->bytes_per_second[d], (double)n / 2 * 4096);
}

static char *text_of(const struct report *report)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	cr_assert(out);
	check_eq(report_normal(out, report), 0);
	fclose(out);
	return text;
}

static json_t *json_of(const struct report *report)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_t *document;

	cr_assert(out);
	check_eq(report_json(out, report), 0);
	fclose(out);
	document = json_loads(text, 0, NULL);
	cr_assert(document, "no JSON: %s", text);
	free(text);
	return document;
}

static void check_has(const char *text, const char *line)
{
	cr_assert(strstr(text, line), "no '%s' in\n%s", line, text);
}

Test(report, text_of_a_job_whose_figures_are_known)
{
	struct job_result result;
	const struct report report = { .results = &result, .n = 1 };
	char *text;

	make_job(&result, "known", 0, DIRECTION_READ, 10000, 3000000);
	text = text_of(&report);
	check_has(text, "\nknown: (groupid=0, jobs=1): err= 0: pid=");
	check_has(text, "\n  read: IOPS=5000, BW=19.5MiB/s (20.5MB/s)(39.1MiB/2000msec)\n");
	check_has(text,
		  "\n    clat (nsec): min=3000.0k, max=3000.0k, avg=3000000.00, stdev= 0.00\n");
	check_has(text, "\n    clat percentiles (usec):\n     |  1.00th=[ 3000],  5.00th=[ 3000]");
	check_has(text, "\n   bw (  KiB/s): min=20000, max=20000, per=100.00%, avg=20000.00, "
			"stdev= 0.00, samples=1\n");
	check_has(text, "\n   iops        : min= 5000, max= 5000, avg=5000.00");
	check_has(text, "\n  lat (msec)   : 4=100.00%\n");
	check_has(text, "\n  cpu          : usr=25.00%, sys=0.00%, ctx=0, majf=0, minf=0\n");
	check_has(text, "\n  IO depths    : 1=0.1%, 2=0.1%, 4=100.0%, 8=0.0%, 16=0.0%, 32=0.0%, "
			">=64=0.0%\n");
	check_has(text, "\n     submit    : 0=0.0%, 4=100.0%");
	check_has(text, "\n     issued rwts: total=10000,0,0,0 short=0,0,0,0 dropped=0,0,0,0\n");
	check_has(text, "\n     latency   : target=0, window=0, percentile=100.00%, depth=4\n");
	check_has(text, "\nRun status group 0 (all jobs):\n   READ: bw=19.5MiB/s (20.5MB/s), "
			"19.5MiB/s-19.5MiB/s (20.5MB/s-20.5MB/s), io=39.1MiB (41.0MB), "
			"run=2000-2000msec\n");
	free(text);
	job_result_deinit(&result);
}

Test(report, a_group_has_the_ends_of_its_jobs_and_the_bytes_of_all)
{
	struct job_result results[3];
	const struct report report = { .results = results, .n = 3 };
	char *text;

	make_job(&results[0], "a", 0, DIRECTION_READ, 10000, 1000);
	make_job(&results[1], "b", 0, DIRECTION_READ, 30000, 1000);
	make_job(&results[2], "c", 1, DIRECTION_WRITE, 5000, 1000);
	results[1].runtime_ns = 4000000000;
	text = text_of(&report);
	check_has(text, "\nb: (groupid=0, jobs=1)");
	check_has(text, "\nc: (groupid=1, jobs=1)");
	check_has(text, "\nRun status group 0 (all jobs):\n   READ: bw=39.1MiB/s (41.0MB/s), "
			"19.5MiB/s-29.3MiB/s (20.5MB/s-30.7MB/s), io=156MiB (164MB), "
			"run=2000-4000msec\n");
	check_has(text, "\nRun status group 1 (all jobs):\n  WRITE: bw=");
	free(text);
	for (int i = 0; i < 3; i++)
		job_result_deinit(&results[i]);
}

Test(report, group_reporting_makes_one_row_of_the_jobs_of_a_group)
{
	struct job_result results[3];
	const struct report report = { .results = results, .n = 3 };
	json_t *document, *jobs, *read;
	char *text;

	make_job(&results[0], "a", 0, DIRECTION_READ, 9000, 1000);
	make_job(&results[1], "b", 0, DIRECTION_READ, 1000, 500000);
	make_job(&results[2], "c", 1, DIRECTION_READ, 5000, 1000);
	results[0].options.group_reporting = 1;
	results[1].options.group_reporting = 1;
	results[1].n_missing = 3;
	text = text_of(&report);
	check_has(text, "\na: (groupid=0, jobs=2): err= 0");
	check_has(text, "issued rwts: total=10000,0,0,0");
	check_has(text, "cpu          : usr=25.00%");
	check_has(text, "missing   : 3 IOs");
	cr_assert(!strstr(text, "\nb: "));
	free(text);
	document = json_of(&report);
	jobs = json_object_get(document, "jobs");
	check_eq(json_array_size(jobs), 2);
	read = json_object_get(json_array_get(jobs, 0), "read");
	check_eq(json_integer_value(json_object_get(read, "total_ios")), 10000);
	check_eq(json_integer_value(json_object_get(read, "iops_samples")), 2);
	cr_assert_eq(json_real_value(json_object_get(read, "iops_mean")), 5000);
	read = json_object_get(json_object_get(read, "clat_ns"), "percentile");
	check_eq(json_integer_value(json_object_get(read, "90.000000")), 1004);
	check_op(json_integer_value(json_object_get(read, "95.000000")), >=, 496000);
	json_decref(document);
	for (int i = 0; i < 3; i++)
		job_result_deinit(&results[i]);
}

Test(report, unified_reads_and_writes_are_one_direction)
{
	struct job_result result;
	const struct report report = { .results = &result, .n = 1 };
	json_t *document, *job;

	make_job(&result, "both", 0, DIRECTION_READ, 100, 1000);
	result.options.unified_rw_reporting = 1;
	stats_count(&result.direction[DIRECTION_WRITE].ios, 50);
	stats_count(&result.direction[DIRECTION_WRITE].bytes, 50 * 4096);
	document = json_of(&report);
	job = json_array_get(json_object_get(document, "jobs"), 0);
	check_eq(json_integer_value(json_object_get(json_object_get(job, "mixed"), "total_ios")),
		 150);
	cr_assert(!json_object_get(job, "read") && !json_object_get(job, "write"));
	json_decref(document);
	job_result_deinit(&result);
}

/* The bins of json+ are what the percentiles are of. */
Test(report, bins_add_up_to_the_number_of_samples)
{
	struct job_result result;
	const struct report report = { .results = &result, .n = 1 };
	json_t *document, *clat, *count;
	json_int_t n = 0;
	const char *key;

	make_job(&result, "bins", 0, DIRECTION_WRITE, 77, 1000);
	result.options.output_format = BENCH_JSON_PLUS;
	histogram_add(&result.direction[DIRECTION_WRITE].lat, UINT64_C(1) << 62);
	document = json_of(&report);
	clat = json_object_get(json_object_get(json_array_get(json_object_get(document, "jobs"), 0),
					       "write"),
			       "clat_ns");
	json_object_foreach(json_object_get(clat, "bins"), key, count) n +=
		json_integer_value(count);
	check_eq(n, 78);
	check_eq(json_integer_value(json_object_get(json_object_get(clat, "bins"), "1004")), 77);
	check_eq(json_integer_value(json_object_get(clat, "N")), 78);
	json_decref(document);
	job_result_deinit(&result);
}

Test(report, syncs_are_apart_from_the_ios)
{
	struct job_result result;
	const struct report report = { .results = &result, .n = 1 };
	char *text;

	make_job(&result, "syncs", 0, DIRECTION_WRITE, 100, 1000);
	for (int i = 0; i < 25; i++) {
		stats_count(&result.direction[DIRECTION_SYNC].ios, 1);
		histogram_add(&result.direction[DIRECTION_SYNC].lat, 5000);
	}
	check_eq(job_result_ios(&result), 100);
	text = text_of(&report);
	check_has(text,
		  "\n  fsync/fdatasync/sync_file_range:\n    sync (nsec): min=5000, max=5000,");
	check_has(text, "\n    sync percentiles (nsec):\n     |  1.00th=[ 5000]");
	check_has(text, "issued rwts: total=0,100,0,25 short=0,0,0,0");
	free(text);
	job_result_deinit(&result);
}

Test(report, a_failed_job_says_why_and_the_other_has_its_figures)
{
	struct job_result results[2];
	const struct report report = { .results = results, .n = 2 };
	char *text;

	make_job(&results[0], "fails", 0, DIRECTION_READ, 0, 0);
	make_job(&results[1], "works", 0, DIRECTION_READ, 100, 1000);
	results[0].error = -EIO;
	snprintf(results[0].message, sizeof(results[0].message), "it broke");
	text = text_of(&report);
	check_has(text, "\nfails: (groupid=0, jobs=1): err= 5 (Input/output error): pid=");
	check_has(text, "it broke");
	check_has(text, "\nworks: (groupid=0, jobs=1): err= 0: pid=");
	free(text);
	job_result_deinit(&results[0]);
	job_result_deinit(&results[1]);
}

/* 41 s of which 10 s had something to do. */
Test(report, disks_are_counted_between_two_moments)
{
	struct disk disk = { .start_ns = 1000000000, .end_ns = 41000000000 };
	double util;
	struct disk_counts counts;

	disk.start.ios[0] = 10;
	disk.end.ios[0] = 17;
	disk.end.ticks_ms[1] = 5;
	disk.start.io_ticks_ms = 500;
	disk.end.io_ticks_ms = 10500;
	counts = disk_counts_of(&disk, &util);
	check_eq(counts.ios[0], 7);
	check_eq(counts.ticks_ms[1], 5);
	cr_assert_eq(util, 25);
	disk.end.io_ticks_ms = 100500;
	(void)disk_counts_of(&disk, &util);
	cr_assert_eq(util, 100);
}
