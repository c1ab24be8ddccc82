/* SPDX-License-Identifier: MIT
 * histogram.h - a log-linear histogram of nanoseconds, with exact min, max, mean and deviation.
 *
 * Each power of two is cut into 64 buckets, so a bucket is at most 1/64 of its value wide and its
 * middle at most 1/128 = 0.79 % from any sample in it. The buckets are fio's, so percentiles of
 * the two tools can be compared; but where fio clamps, these go on to 2^64.
 * Worked: 334000 has its highest bit at 18, so 12 low bits are dropped; 334000 >> 12 = 81, bucket
 *         (12 + 1) * 64 + (81 & 63) = 849, which holds 331776..335871 and reports 333824.
 * Invariants: n is the sum of all buckets once the writer has stopped, and always in what
 *             histogram_merge() has made; no value is dropped.
 * Threads:    one writer. Others may merge from it while it writes: what they then see is of some
 *             moments close to each other, each counter being whole. Relaxed, because no counter
 *             says anything of another one.
 * Ownership:  memory is the caller's, zeroed by histogram_init().
 */
#ifndef IOE_TOOLS_HISTOGRAM_H
#define IOE_TOOLS_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BITS    6
#define HISTOGRAM_SUB     (1ul << HISTOGRAM_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_BITS + 1) * HISTOGRAM_SUB)

/* sum: 2^64 ns are 584 years of latency. */
struct histogram {
	_Atomic uint64_t n;
	_Atomic uint64_t min;
	_Atomic uint64_t max;
	_Atomic uint64_t sum;
	_Atomic double sum_squares;
	_Atomic uint64_t bucket[HISTOGRAM_BUCKETS];
};

/* One writer, so a load and a store do for an increment. */
#define HISTOGRAM_GET(field)        atomic_load_explicit(&(field), memory_order_relaxed)
#define HISTOGRAM_SET(field, value) atomic_store_explicit(&(field), value, memory_order_relaxed)

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
	_Atomic uint64_t *bucket = &histogram->bucket[histogram_index(value)];
	double real = (double)value;

	HISTOGRAM_SET(histogram->n, HISTOGRAM_GET(histogram->n) + 1);
	if (value < HISTOGRAM_GET(histogram->min))
		HISTOGRAM_SET(histogram->min, value);
	if (value > HISTOGRAM_GET(histogram->max))
		HISTOGRAM_SET(histogram->max, value);
	HISTOGRAM_SET(histogram->sum, HISTOGRAM_GET(histogram->sum) + value);
	HISTOGRAM_SET(histogram->sum_squares, HISTOGRAM_GET(histogram->sum_squares) + real * real);
	HISTOGRAM_SET(*bucket, HISTOGRAM_GET(*bucket) + 1);
}

void histogram_init(struct histogram *histogram);
/* into has no writer; from may have one. */
void histogram_merge(struct histogram *into, const struct histogram *from);
double histogram_mean(const struct histogram *histogram);
double histogram_stddev(const struct histogram *histogram);

/* The value below or at which percent of the samples lie: the middle of that bucket, held inside
 * [min, max]. 0 when there is no sample. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

/* The same of what has been added to it since it was as in before: the middle of that bucket. */
uint64_t histogram_percentile_since(const struct histogram *histogram,
				    const struct histogram *before, double percent);

/* The middle of a bucket. */
uint64_t histogram_value(uint32_t index);

/* Samples in [low, high), by the middle of their bucket. */
uint64_t histogram_count_between(const struct histogram *histogram, uint64_t low, uint64_t high);

#endif
