/* SPDX-License-Identifier: MIT
 * test_histogram.c - what a histogram says of samples that are known.
 * Invariants: none.
 * Threads:    one test has a writer beside it.
 * Ownership:  histograms are static: too large for a stack. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/check.h"
#include "tools/bench/histogram.h"

static struct histogram one, other, sum;

static uint64_t buckets_of(const struct histogram *h)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		n += h->bucket[i];
	return n;
}

/* The percentile is in the bucket of the truth. */
static void check_near(uint64_t value, uint64_t truth)
{
	double error = fabs((double)value - (double)truth) / (double)truth;

	cr_assert(error <= 1.0 / 128, "%llu for %llu", (unsigned long long)value,
		  (unsigned long long)truth);
}

Test(histogram, every_value_is_told_within_a_128th)
{
	for (int bit = 0; bit < 64; bit++) {
		for (uint64_t part = 0; part < 1000; part++) {
			uint64_t value =
				(UINT64_C(1) << bit) + ((UINT64_C(1) << bit) / 1000) * part;

			check_near(histogram_value(histogram_index(value)), value);
		}
	}
	check_near(histogram_value(histogram_index(UINT64_MAX)), UINT64_MAX);
	check_eq(histogram_index(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

Test(histogram, buckets_are_in_the_order_of_their_values)
{
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		check_eq(histogram_index(histogram_value(i)), i);
		if (i)
			cr_assert(histogram_value(i) > histogram_value(i - 1));
	}
}

/* Keys of "bins" in a json+ of fio 3.33. */
Test(histogram, buckets_are_those_of_fio)
{
	static const uint64_t keys[] = { 107,   139,   1496,  4128,   5728,   6048,    8256,
					 12096, 25216, 63744, 246784, 333824, 2539520, 7438336 };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		check_eq(histogram_value(histogram_index(keys[i])), keys[i]);
}

Test(histogram, percentiles_of_samples_that_are_all_different)
{
	histogram_init(&one);
	for (uint64_t i = 1; i <= 100000; i++)
		histogram_add(&one, i * 1000);
	check_near(histogram_percentile(&one, 1), 1000000);
	check_near(histogram_percentile(&one, 50), 50000000);
	check_near(histogram_percentile(&one, 99), 99000000);
	check_near(histogram_percentile(&one, 99.99), 99990000);
	check_near(histogram_percentile(&one, 0.000001), 1000);
	check_op(histogram_percentile(&one, 100), <=, 100000000);
}

Test(histogram, percentiles_of_two_latencies_change_where_their_shares_meet)
{
	histogram_init(&one);
	for (int i = 0; i < 990; i++)
		histogram_add(&one, 100000);
	for (int i = 0; i < 10; i++)
		histogram_add(&one, 10000000);
	check_near(histogram_percentile(&one, 50), 100000);
	check_near(histogram_percentile(&one, 99), 100000);
	check_near(histogram_percentile(&one, 99.01), 10000000);
	check_near(histogram_percentile(&one, 99.9), 10000000);
}

Test(histogram, a_single_latency_is_told_exactly)
{
	histogram_init(&one);
	histogram_add(&one, 1234567);
	check_eq(histogram_percentile(&one, 1), 1234567);
	check_eq(histogram_percentile(&one, 99.99), 1234567);
	cr_assert_eq(histogram_mean(&one), 1234567);
	cr_assert_eq(histogram_stddev(&one), 0);
}

Test(histogram, nothing_is_dropped_above_the_top)
{
	histogram_init(&one);
	histogram_add(&one, UINT64_MAX);
	histogram_add(&one, UINT64_C(1) << 63);
	histogram_add(&one, 5);
	check_eq(one.n, 3);
	check_eq(buckets_of(&one), 3);
	cr_assert_eq(one.max, UINT64_MAX);
	check_near(histogram_percentile(&one, 100), UINT64_MAX);
}

Test(histogram, mean_and_deviation_are_of_the_samples_not_of_the_buckets)
{
	histogram_init(&one);
	for (uint64_t value = 1000001; value <= 1000005; value++)
		histogram_add(&one, value);
	cr_assert_eq(histogram_mean(&one), 1000003);
	cr_assert(fabs(histogram_stddev(&one) - sqrt(2.5)) < 1e-3, "%f", histogram_stddev(&one));
}

Test(histogram, merged_ones_are_as_if_counted_in_one)
{
	histogram_init(&one);
	histogram_init(&other);
	histogram_init(&sum);
	for (uint64_t i = 0; i < 5000; i++) {
		uint64_t value = i * i * 77 + 3;

		histogram_add(i % 3 ? &one : &other, value);
		histogram_add(&sum, value);
	}
	histogram_merge(&one, &other);
	check_eq(one.n, sum.n);
	check_eq(one.min, sum.min);
	check_eq(one.max, sum.max);
	check_eq(one.sum, sum.sum);
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		check_eq(one.bucket[i], sum.bucket[i]);
	check_eq(histogram_percentile(&one, 99), histogram_percentile(&sum, 99));
}

Test(histogram, merging_an_empty_one_changes_nothing)
{
	histogram_init(&one);
	histogram_init(&other);
	histogram_add(&one, 42);
	histogram_merge(&one, &other);
	check_eq(one.n, 1);
	check_eq(one.min, 42);
	check_eq(one.max, 42);
}

Test(histogram, counts_between_two_limits)
{
	histogram_init(&one);
	histogram_add(&one, 1999);
	histogram_add(&one, 3000);
	histogram_add(&one, 4500);
	check_eq(histogram_count_between(&one, 2100, 4000), 1);
	check_eq(histogram_count_between(&one, 0, 2100), 1);
	check_eq(histogram_count_between(&one, 4000, UINT64_MAX), 1);
}

Test(histogram, percentile_since_a_moment_forgets_what_was_before)
{
	histogram_init(&one);
	histogram_init(&other);
	for (int i = 0; i < 1000; i++)
		histogram_add(&one, 50);
	histogram_merge(&other, &one);
	check_eq(histogram_percentile_since(&one, &other, 99), 0);
	for (int i = 0; i < 100; i++)
		histogram_add(&one, 100);
	check_eq(histogram_percentile(&one, 50), 50);
	check_eq(histogram_percentile_since(&one, &other, 50), 100);
	check_eq(histogram_percentile_since(&one, &other, 99), 100);
}

#define ADDED 400000

static void *keep_adding(void *arg)
{
	for (uint64_t i = 0; i < ADDED; i++)
		histogram_add(arg, i % 100000);
	return NULL;
}

/* What a snapshot has counted never becomes less, and its n is what its buckets hold. */
Test(histogram, may_be_merged_from_while_it_is_written)
{
	pthread_t writer;
	uint64_t before = 0;

	histogram_init(&one);
	check_eq(pthread_create(&writer, NULL, keep_adding, &one), 0);
	while (before < ADDED) {
		histogram_init(&sum);
		histogram_merge(&sum, &one);
		check_eq(buckets_of(&sum), sum.n);
		check_op(sum.n, >=, before);
		before = sum.n;
	}
	check_eq(pthread_join(writer, NULL), 0);
	check_eq(one.n, ADDED);
}
