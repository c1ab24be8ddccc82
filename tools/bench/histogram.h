/* SPDX-License-Identifier: MIT
 * histogram.h - a log-linear histogram of nanoseconds, with exact min, max, mean and deviation.
 *
 * Each power of two is cut into 64 buckets, so a bucket is at most 1/64 of its value wide and its
 * middle at most 1/128 = 0.79 % from any sample in it. The buckets are fio's, so percentiles of
 * the two tools can be compared; but where fio clamps, these go on to 2^64.
 * Worked: 334000 has its highest bit at 18, so 12 low bits are dropped; 334000 >> 12 = 81, bucket
 *         (12 + 1) * 64 + (81 & 63) = 849, which holds 331776..335871 and reports 333824.
 * Invariants: n is the sum of all buckets; no value is dropped.
 * Threads:    one writer; merged and read after it has stopped.
 * Ownership:  memory is the caller's, zeroed by histogram_init().
 */
#ifndef IOE_TOOLS_HISTOGRAM_H
#define IOE_TOOLS_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS    6
#define HISTOGRAM_SUB     (1ul << HISTOGRAM_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
	uint64_t n;
	uint64_t min;
	uint64_t max;
	double sum;
	double sum_squares;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

static inline uint32_t histogram_index(uint64_t value)
{
	uint32_t top, shift;

	if (value < 2 * HISTOGRAM_SUB)
		return (uint32_t)value;
	top = 63u - (uint32_t)__builtin_clzll(value);
	shift = top - HISTOGRAM_BITS;
	return ((shift + 1) << HISTOGRAM_BITS) + (uint32_t)((value >> shift) & (HISTOGRAM_SUB - 1));
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
	double real = (double)value;

	histogram->n++;
	if (value < histogram->min)
		histogram->min = value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->sum += real;
	histogram->sum_squares += real * real;
	histogram->bucket[histogram_index(value)]++;
}

void histogram_init(struct histogram *histogram);
void histogram_merge(struct histogram *into, const struct histogram *from);
double histogram_mean(const struct histogram *histogram);
double histogram_stddev(const struct histogram *histogram);

/* The value below or at which percent of the samples lie: the middle of that bucket, held inside
 * [min, max]. 0 when there is no sample. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

/* Samples in [low, high), by the middle of their bucket. */
uint64_t histogram_count_between(const struct histogram *histogram, uint64_t low, uint64_t high);

#endif
