/* SPDX-License-Identifier: MIT
 * histogram.c - a log-linear histogram of nanoseconds.
 * Invariants: histogram_value(histogram_index(v)) is within 1/128 of v.
 * Threads:    one writer; merged and read after it has stopped.
 * Ownership:  memory is the caller's.
 */
#include "tools/bench/histogram.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static_assert(HISTOGRAM_BUCKETS == (63 - HISTOGRAM_BITS + 1) * HISTOGRAM_SUB + HISTOGRAM_SUB,
	      "the bucket of UINT64_MAX is the last one");

/* The middle of a bucket. */
static uint64_t histogram_value(uint32_t index)
{
	uint32_t shift;
	uint64_t low;

	if (index < 2 * HISTOGRAM_SUB)
		return index;
	shift = (index >> HISTOGRAM_BITS) - 1;
	low = (uint64_t)(HISTOGRAM_SUB + (index & (HISTOGRAM_SUB - 1))) << shift;
	return low + ((1ull << shift) >> 1);
}

void histogram_init(struct histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
	histogram->min = UINT64_MAX;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	if (!from->n)
		return;
	into->n += from->n;
	if (from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
	into->sum += from->sum;
	into->sum_squares += from->sum_squares;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
}

double histogram_mean(const struct histogram *histogram)
{
	return histogram->n ? histogram->sum / (double)histogram->n : 0;
}

double histogram_stddev(const struct histogram *histogram)
{
	double mean = histogram_mean(histogram);
	double variance;

	if (histogram->n < 2)
		return 0;
	variance = (histogram->sum_squares - mean * histogram->sum) / (double)(histogram->n - 1);
	return variance > 0 ? sqrt(variance) : 0;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
	double wanted = percent / 100 * (double)histogram->n;
	uint64_t below = 0, value = 0;

	if (!histogram->n)
		return 0;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (!histogram->bucket[i])
			continue;
		below += histogram->bucket[i];
		value = histogram_value(i);
		if ((double)below >= wanted)
			break;
	}
	if (value < histogram->min)
		return histogram->min;
	return value > histogram->max ? histogram->max : value;
}

uint64_t histogram_count_between(const struct histogram *histogram, uint64_t low, uint64_t high)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t value = histogram_value(i);

		if (value >= low && value < high)
			count += histogram->bucket[i];
	}
	return count;
}
