/* SPDX-License-Identifier: MIT
 * stats.h - what is counted while a job runs: one shard for each thread that sees completions.
 * Invariants: a shard has one writer; ios and bytes may be read by the monitor at any time, the
 *             rest only after the writer has stopped.
 * Threads:    as above; io_stats_*() on a shard are called by its writer.
 * Ownership:  shards belong to the job.
 */
#ifndef IOE_TOOLS_STATS_H
#define IOE_TOOLS_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "tools/bench/histogram.h"

enum direction {
	DIRECTION_READ,
	DIRECTION_WRITE,
	DIRECTION_NOP,
	DIRECTIONS,
};

/* Of one direction. slat (start to accepted by the kernel) and clat (from there to the
 * completion) are filled only by loops that see that moment; lat is always from start to
 * completion. */
struct io_stats {
	_Atomic uint64_t ios;
	_Atomic uint64_t bytes;
	uint64_t short_ios;
	uint64_t errors;
	struct histogram slat;
	struct histogram clat;
	struct histogram lat;
};

/* Rates over time, one sample for each period of the monitor. */
struct rate_samples {
	uint64_t n;
	double min;
	double max;
	double sum;
	double sum_squares;
};

/* One writer, so a load and a store do for an increment. */
static inline void stats_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline uint64_t stats_read(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void io_stats_init(struct io_stats *stats);
void io_stats_merge(struct io_stats *into, const struct io_stats *from);

/* The histogram that percentiles are of: clat where it is known, else lat. */
const struct histogram *io_stats_clat(const struct io_stats *stats);

void rate_samples_add(struct rate_samples *samples, double value);
double rate_samples_mean(const struct rate_samples *samples);
double rate_samples_stddev(const struct rate_samples *samples);

#endif
