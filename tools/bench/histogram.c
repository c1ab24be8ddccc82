/* SPDX-License-Identifier: MIT
 * histogram.c - a log-linear histogram of nanoseconds.
 * Invariants: histogram_value(histogram_index(v)) is within 1/128 of v.
 * Threads:    see histogram.h.
 * Ownership:  memory is the caller's.
 */
#include "tools/bench/histogram.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static_assert(HISTOGRAM_BUCKETS == (63 - HISTOGRAM_BITS + 1) * HISTOGRAM_SUB + HISTOGRAM_SUB,
	      "the bucket of UINT64_MAX is the last one");

uint64_t histogram_value(uint32_t index)
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
	uint64_t min = HISTOGRAM_GET(from->min), max = HISTOGRAM_GET(from->max), n = 0;

	if (!HISTOGRAM_GET(from->n))
		return;
	if (min < into->min)
		into->min = min;
	if (max > into->max)
		into->max = max;
	into->sum += HISTOGRAM_GET(from->sum);
	into->sum_squares = into->sum_squares + HISTOGRAM_GET(from->sum_squares);
	/* The others are empty; a writer may meanwhile have gone beyond: then next time. */
	for (uint32_t i = histogram_index(min); min <= max && i <= histogram_index(max); i++) {
		uint64_t here = HISTOGRAM_GET(from->bucket[i]);

		if (here)
			HISTOGRAM_SET(into->bucket[i], HISTOGRAM_GET(into->bucket[i]) + here);
		n += here;
	}
	into->n += n;
}

double histogram_mean(const struct histogram *histogram)
{
	return histogram->n ? (double)histogram->sum / (double)histogram->n : 0;
}

double histogram_stddev(const struct histogram *histogram)
{
	double mean = histogram_mean(histogram);
	double variance;

	if (histogram->n < 2)
		return 0;
	variance = (histogram->sum_squares - mean * (double)histogram->sum) /
		   (double)(histogram->n - 1);
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

uint64_t histogram_percentile_since(const struct histogram *histogram,
				    const struct histogram *before, double percent)
{
	double wanted = percent / 100 * (double)(histogram->n - before->n);
	uint64_t below = 0, value = 0;

	for (uint32_t i = 0; histogram->n > before->n && i < HISTOGRAM_BUCKETS; i++) {
		uint64_t here = histogram->bucket[i] - before->bucket[i];

		if (!here)
			continue;
		below += here;
		value = histogram_value(i);
		if ((double)below >= wanted)
			break;
	}
	return value;
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
