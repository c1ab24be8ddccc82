/* SPDX-License-Identifier: MIT
 * test_series.c - depths, rates, and samples over time.
 * Invariants: none.
 * Threads:    one.
 * Ownership:  large structs are static. */
#include <math.h>

#include "tests/check.h"
#include "tools/bench/series.h"

static struct io_stats now[DIRECTIONS];

static uint64_t level_of(uint32_t depth)
{
	struct io_depths depths = { .level = { 0 } };

	io_depths_level(&depths, depth);
	for (uint64_t i = 0; i < IO_DEPTHS; i++) {
		if (depths.level[i])
			return i;
	}
	return IO_DEPTHS;
}

Test(depths, a_level_begins_at_its_power_of_two)
{
	static const uint32_t starts[] = { 1, 2, 4, 8, 16, 32, 64 };

	for (uint32_t i = 0; i < 7; i++) {
		check_eq(level_of(starts[i]), i);
		check_eq(level_of(2 * starts[i] - 1), i);
	}
	check_eq(level_of(100000), 6);
}

Test(depths, a_batch_counts_up_to_its_power_of_two)
{
	static const uint32_t rows[][2] = { { 0, 0 },  { 1, 1 },  { 4, 1 },   { 5, 2 },  { 8, 2 },
					    { 9, 3 },  { 16, 3 }, { 17, 4 },  { 32, 4 }, { 33, 5 },
					    { 64, 5 }, { 65, 6 }, { 5000, 6 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_eq(io_depths_batch(rows[i][0]), rows[i][1]);
}

/* 4 at a time, 100 of them: one each at 1, 2 and 3, the rest at 4. */
Test(depths, of_a_closed_loop_follow_from_how_many)
{
	struct io_depths depths = { .level = { 0 } };

	io_depths_fill(&depths, 100, 4);
	check_eq(depths.level[0], 1);
	check_eq(depths.level[1], 2);
	check_eq(depths.level[2], 97);
	check_eq(depths.submit[1], 100);
	check_eq(depths.complete[1], 100);
}

Test(depths, of_a_closed_loop_that_never_gets_deep)
{
	struct io_depths depths = { .level = { 0 } };

	io_depths_fill(&depths, 2, 64);
	check_eq(depths.level[0] + depths.level[1], 2);
	check_eq(depths.level[6], 0);
}

Test(rates, mean_ends_and_deviation)
{
	static const double values[] = { 100, 300, 200 };
	struct rate_samples samples = { .n = 0 };

	for (int i = 0; i < 3; i++)
		rate_samples_add(&samples, values[i]);
	check_eq(samples.n, 3);
	cr_assert_eq(samples.min, 100);
	cr_assert_eq(samples.max, 300);
	cr_assert(fabs(samples.mean - 200) < 1e-9);
	cr_assert(fabs(rate_samples_stddev(&samples) - 100) < 1e-9);
}

Test(rates, of_two_jobs_add_up)
{
	struct rate_samples a = { .n = 0 }, b = { .n = 0 };

	rate_samples_add(&a, 100);
	rate_samples_add(&a, 200);
	rate_samples_add(&b, 1000);
	rate_samples_merge(&a, &b);
	check_eq(a.n, 3);
	cr_assert_eq(a.mean, 1150);
	cr_assert_eq(a.min, 1100);
	cr_assert_eq(a.max, 1200);
}

static void add(struct series *series, uint64_t at_ms, uint64_t ios, double mean, uint64_t p99)
{
	const struct series_sample sample = { .at_ns = at_ms * 1000000,
					      .span_ns = 500000000,
					      .ios = ios,
					      .n_timed = ios,
					      .mean_ns = mean,
					      .p99_ns = p99 };

	check_eq(series_add(series, &sample), 0);
}

Test(series, of_jobs_at_the_same_time_become_one)
{
	struct series a = { .n = 0 }, b = { .n = 0 };

	add(&a, 500, 10, 100, 7);
	add(&a, 1000, 10, 100, 7);
	add(&b, 510, 30, 200, 9);
	add(&b, 1010, 10, 100, 5);
	add(&b, 1510, 5, 50, 5);
	check_eq(series_merge(&a, &b), 0);
	check_eq(a.n, 3);
	check_eq(a.samples[0].ios, 40);
	cr_assert_eq(a.samples[0].mean_ns, 175);
	check_eq(a.samples[0].p99_ns, 9);
	check_eq(a.samples[1].ios, 20);
	check_eq(a.samples[1].p99_ns, 7);
	check_eq(a.samples[2].ios, 5);
	series_deinit(&a);
	series_deinit(&b);
}

Test(series, of_jobs_one_after_another_stay_apart_and_in_order)
{
	struct series a = { .n = 0 }, b = { .n = 0 };

	add(&a, 5000, 1, 1, 1);
	add(&b, 500, 2, 1, 1);
	add(&b, 9000, 3, 1, 1);
	check_eq(series_merge(&a, &b), 0);
	check_eq(a.n, 3);
	check_eq(a.samples[0].ios, 2);
	check_eq(a.samples[1].ios, 1);
	check_eq(a.samples[2].ios, 3);
	series_deinit(&a);
	series_deinit(&b);
}

static void do_ios(int d, int n, uint64_t latency_ns)
{
	for (int i = 0; i < n; i++) {
		stats_count(&now[d].ios, 1);
		stats_count(&now[d].bytes, 4096);
		histogram_add(&now[d].lat, latency_ns);
	}
}

Test(sampler, a_sample_is_of_what_came_in_its_period)
{
	struct rate_samples iops[DIRECTIONS] = { { .n = 0 } }, bw[DIRECTIONS] = { { .n = 0 } };
	struct series series[DIRECTIONS] = { { .n = 0 } };
	struct sampler sampler;
	const struct series_sample *samples;

	for (int d = 0; d < DIRECTIONS; d++)
		io_stats_init(&now[d]);
	check_eq(sampler_init(&sampler, 1000000000), 0);
	do_ios(DIRECTION_WRITE, 100, 64);
	check_eq(sampler_take(&sampler, now, 1500000000, iops, bw, series), 0);
	do_ios(DIRECTION_WRITE, 300, 100);
	check_eq(sampler_take(&sampler, now, 2000000000, iops, bw, series), 0);
	check_eq(sampler_take(&sampler, now, 2500000000, iops, bw, series), 0);
	check_eq(series[DIRECTION_READ].n, 0);
	check_eq(series[DIRECTION_WRITE].n, 3);
	samples = series[DIRECTION_WRITE].samples;
	check_eq(samples[0].at_ns, 500000000);
	check_eq(samples[0].ios, 100);
	cr_assert_eq(samples[0].mean_ns, 64);
	check_eq(samples[0].p99_ns, 64);
	check_eq(samples[1].at_ns, 1000000000);
	check_eq(samples[1].ios, 300);
	check_eq(samples[1].bytes, 300 * 4096);
	cr_assert_eq(samples[1].mean_ns, 100);
	check_eq(samples[1].p99_ns, 100);
	check_eq(samples[2].ios, 0);
	check_eq(samples[2].n_timed, 0);
	cr_assert_eq(iops[DIRECTION_WRITE].max, 600);
	cr_assert_eq(iops[DIRECTION_WRITE].min, 0);
	cr_assert_eq(bw[DIRECTION_WRITE].max, 600 * 4096);
	sampler_deinit(&sampler);
	series_deinit(&series[DIRECTION_WRITE]);
}
