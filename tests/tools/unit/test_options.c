/* SPDX-License-Identifier: MIT
 * test_options.c - what the options of `ioe bench` become: values, jobs, groups.
 * Invariants: none.
 * Threads:    none.
 * Ownership:  a plan is made and freed by each test. */
#include <stdio.h>
#include <string.h>

#include "tests/check.h"
#include "tools/bench/plan.h"
#include "tools/sys.h"

#define ARGS_MAX 32

static struct bench_plan plan;

/* Parse a command line of words with blanks between. */
static int parse(const char *line)
{
	static char words[1024];
	static char *argv[ARGS_MAX];
	int argc = 0;
	char *rest;

	snprintf(words, sizeof(words), "bench %s", line);
	for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	return command_line_parse(argc, argv, &plan);
}

/* The one job of a command line. */
static struct bench_options *job_of(const char *line)
{
	cr_assert_eq(parse(line), 0, "%s", line);
	check_eq(plan.n_jobs, 1);
	return &plan.jobs[0];
}

static void done(void)
{
	plan_deinit(&plan);
}

TestSuite(options, .fini = done);

Test(options, one_size_leaves_the_lists_empty)
{
	struct bench_options *job = job_of("--size=1m --bs=8k");

	check_eq(job->bs_bytes, 8192);
	check_eq(job->sizes[0].max_bytes, 0);
	check_eq(job->sizes[1].max_bytes, 0);
}

Test(options, sizes_of_reads_and_writes_are_apart)
{
	struct bench_options *job = job_of("--size=1m --rw=rw --bs=,8k");

	check_eq(job->bs_bytes, 8192);
	check_eq(job->sizes[0].min_bytes, 4096);
	check_eq(job->sizes[0].max_bytes, 4096);
	check_eq(job->sizes[1].min_bytes, 8192);
	check_eq(job->sizes[1].max_bytes, 8192);
}

Test(options, a_range_wins_over_a_size_wherever_it_stands)
{
	struct bench_options *job = job_of("--size=1m --rw=rw --bsrange=1k-4k,32k-8k --bs=64k");

	check_eq(job->bs_bytes, 32768);
	check_eq(job->sizes[0].min_bytes, 1024);
	check_eq(job->sizes[0].max_bytes, 4096);
	check_eq(job->sizes[1].min_bytes, 8192);
	check_eq(job->sizes[1].max_bytes, 32768);
}

Test(options, splits_share_what_is_left)
{
	struct bench_options *job = job_of("--size=1m --bssplit=4k/50:8k/:16k/");

	check_eq(job->bs_bytes, 16384);
	check_eq(job->sizes[0].n_splits, 3);
	check_eq(job->sizes[0].min_bytes, 4096);
	check_eq(job->sizes[0].splits[0].percent, 50);
	check_eq(job->sizes[0].splits[1].bytes, 8192);
	check_eq(job->sizes[0].splits[1].percent, 25);
	check_eq(job->sizes[0].splits[2].percent, 25);
	check_eq(job->sizes[1].n_splits, 3);
}

Test(options, steps_and_runs_stand_behind_the_kind)
{
	struct bench_options *job = job_of("--size=1m --rw=read:-8k");

	check_eq((int64_t)job->rw_skip_bytes, -8192);
	check_eq(job->rw_nr, 1);
	done();
	job = job_of("--size=1m --rw=randread:8");
	check_eq(job->rw_nr, 8);
	check_eq(job->rw_skip_bytes, 0);
}

Test(options, the_last_of_both_mixes_counts)
{
	check_eq(job_of("--size=1m --rw=rw --rwmixread=60 --rwmixwrite=30")->rwmixread, 70);
	done();
	check_eq(job_of("--size=1m --rw=rw --rwmixwrite=30 --rwmixread=60")->rwmixread, 60);
}

Test(options, buffered_is_the_opposite_of_direct)
{
	check_eq(job_of("--size=1m --buffered=0")->direct, 1);
	done();
	check_eq(job_of("--size=1m --direct --buffered")->direct, 0);
}

Test(options, an_amount_is_bytes_or_per_cent)
{
	struct bench_options *job = job_of("--filename=f --size=50% --io_size=8k --offset=10%");

	check_eq(job->size_bytes, 0);
	check_eq(job->size_percent, 50);
	check_eq(job->io_size_bytes, 8192);
	check_eq(job->io_size_percent, 0);
	check_eq(job->offset_percent, 10);
}

Test(options, times_have_fio_s_units)
{
	struct bench_options *job = job_of("--size=1m --runtime=2 --thinktime=3 --rate_cycle=4 "
					   "--log_avg_msec=5 --max_latency=6 --startdelay=7-9s");

	check_eq(job->runtime_ns, 2 * NS_PER_SECOND);
	check_eq(job->thinktime_ns, 3000);
	check_eq(job->rate_cycle_ns, 4 * NS_PER_MSEC);
	check_eq(job->log_avg_ns, 5 * NS_PER_MSEC);
	check_eq(job->max_latency_ns, 6000);
	check_eq(job->startdelay_ns, 7 * NS_PER_SECOND);
	check_eq(job->startdelay_max_ns, 9 * NS_PER_SECOND);
}

Test(options, rates_of_both_or_of_one)
{
	struct bench_options *job = job_of("--size=1m --rw=rw --rate=1m");

	check_eq(job->rate_bytes[0], 1 << 20);
	check_eq(job->rate_bytes[1], 1 << 20);
	done();
	job = job_of("--size=1m --rw=rw --rate_iops=,2k");
	check_eq(job->rate_iops[0], 0);
	check_eq(job->rate_iops[1], 2048);
}

Test(options, zones_name_their_kind_once)
{
	struct bench_options *job =
		job_of("--size=1m --rw=randrw --random_distribution=zoned:50/5:50/95,100/100");

	check_eq(job->random_distribution[0].kind, DISTRIBUTION_ZONED);
	check_eq(job->random_distribution[0].n_zones, 2);
	check_eq(job->random_distribution[1].kind, DISTRIBUTION_ZONED);
	check_eq(job->random_distribution[1].n_zones, 1);
}

Test(options, cpus_are_bits)
{
	struct bench_options *job = job_of("--size=1m --cpus_allowed=0,2-5,70");

	check_eq(job->cpus_allowed.n, 6);
	check_eq(job->cpus_allowed.bits[0], 0x3d);
	check_eq(job->cpus_allowed.bits[1], 1 << 6);
}

/* The examples of fio's lib/pattern.c say what bytes these are. */
Test(options, patterns_are_fio_s)
{
	static const struct {
		const char *option;
		size_t n;
		const char *bytes;
	} rows[] = {
		{ "\"abcd\"", 4, "abcd" },
		{ "-1024", 4, "\x00\xfc\xff\xff" },
		{ "66", 1, "\x42" },
		{ "0", 1, "\x00" },
		{ "0xFF0X1", 2, "\xff\x01" },
		{ "%o", 8, "\0\0\0\0\0\0\0\0" },
		{ "\"123\"0xFFeeCC", 6, "123\xff\xee\xcc" },
		{ "-100xab\"1\"%o\"2\"", 15,
		  "\xf6\xff\xff\xff\xab"
		  "1\0\0\0\0\0\0\0\0"
		  "2" },
		{ "%o0xdeadbeef%o", 20, "\0\0\0\0\0\0\0\0\xde\xad\xbe\xef\0\0\0\0\0\0\0\0" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bench_pattern *pattern;
		char line[128];

		snprintf(line, sizeof(line), "--size=1m --buffer_pattern=%s", rows[i].option);
		pattern = &job_of(line)->buffer_pattern;
		check_eq(pattern->n_bytes, rows[i].n);
		cr_assert(!memcmp(pattern->bytes, rows[i].bytes, rows[i].n), "%s", rows[i].option);
		done();
	}
}

Test(options, a_pattern_knows_where_its_offsets_are)
{
	struct bench_pattern *pattern =
		&job_of("--size=1m --buffer_pattern=%o0xdeadbeef%o")->buffer_pattern;

	check_eq(pattern->n_offsets, 2);
	check_eq(pattern->offset_at[0], 0);
	check_eq(pattern->offset_at[1], 12);
}

Test(options, percentiles_are_sorted)
{
	struct bench_percentiles *list =
		&job_of("--size=1m --percentile_list=99.9:50:75.5")->percentile_list;

	check_eq(list->n, 3);
	cr_assert(list->percent[0] == 50 && list->percent[1] == 75.5 && list->percent[2] == 99.9);
}

Test(options, options_before_the_first_name_are_of_all_jobs)
{
	cr_assert_eq(parse("--bs=8k --size=1m --name=a --bs=16k --name=b --iodepth=4"), 0);
	check_eq(plan.n_jobs, 2);
	cr_assert_str_eq(plan.jobs[0].name, "a");
	check_eq(plan.jobs[0].bs_bytes, 16384);
	check_eq(plan.jobs[1].bs_bytes, 8192);
	check_eq(plan.jobs[0].iodepth, 1);
	check_eq(plan.jobs[1].iodepth, 4);
	check_eq(plan.jobs[1].size_bytes, 1 << 20);
}

Test(options, what_came_from_global_is_told_from_a_job_s_own)
{
	int bs = options_find(&bench_table, "bs"), size = options_find(&bench_table, "size");

	cr_assert_eq(parse("--bs=8k --size=1m --name=a --bs=16k"), 0);
	cr_assert(option_given_at(&plan.global, bs) && option_given_at(&plan.global, size));
	cr_assert(option_given_at(&plan.given[0], bs) && !option_inherited_at(&plan.given[0], bs));
	cr_assert(option_given_at(&plan.given[0], size));
	cr_assert(option_inherited_at(&plan.given[0], size));
	cr_assert_str_eq(plan.given[0].text[bs], "16k");
}

Test(options, a_line_without_a_name_is_one_job_with_options_of_its_own)
{
	int size = options_find(&bench_table, "size");

	cr_assert_eq(parse("--size=1m"), 0);
	check_eq(plan.n_jobs, 1);
	cr_assert_str_eq(plan.jobs[0].name, "bench");
	cr_assert(option_given_at(&plan.given[0], size));
	cr_assert(!option_inherited_at(&plan.given[0], size));
	cr_assert(!option_given_at(&plan.global, size));
}

Test(options, walls_and_groups_are_counted_up)
{
	cr_assert_eq(parse("--size=1m --name=a --stonewall --name=b --new_group --name=c "
			   "--name=d --stonewall"),
		     0);
	check_eq(plan.n_jobs, 4);
	/* Before the first job there is nothing to wait for. */
	check_eq(plan.jobs[0].wall, 0);
	check_eq(plan.jobs[0].group, 0);
	check_eq(plan.jobs[1].wall, 0);
	check_eq(plan.jobs[1].group, 1);
	check_eq(plan.jobs[2].wall, 0);
	check_eq(plan.jobs[2].group, 1);
	check_eq(plan.jobs[3].wall, 1);
	check_eq(plan.jobs[3].group, 2);
}

Test(options, a_plan_that_was_refused_can_be_freed)
{
	cr_assert_eq(parse("--size=1m --name=a --bs=4q"), -EINVAL);
	done();
	cr_assert_eq(parse("--size=1m --name=a --time_based"), -EINVAL);
	done();
	done();
}
