/* SPDX-License-Identifier: MIT
 * stats.h - what is counted while a job runs: one shard for each thread that sees completions.
 * Invariants: a shard has one writer, and may be merged from at any time: every counter is whole,
 *             two of them may be of different moments.
 * Threads:    as above.
 * Ownership:  shards belong to the job; the intended histogram of an io_stats is of who called
 *             io_stats_want_intended().
 */
#ifndef IOE_TOOLS_STATS_H
#define IOE_TOOLS_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tools/bench/histogram.h"

enum direction {
	DIRECTION_READ,
	DIRECTION_WRITE,
	DIRECTION_SYNC, /* fsync and fdatasync: no bytes, and not counted as an IO of the job */
	DIRECTION_NOP,
	DIRECTIONS,
};

/* Of one direction. slat (start to accepted by the kernel) and clat (from there to the
 * completion) are filled only by loops that see that moment; lat is always from start to
 * completion. intended: from when the IO was due; NULL without a rate. */
struct io_stats {
	_Atomic uint64_t ios;
	_Atomic uint64_t bytes;
	_Atomic uint64_t short_ios;
	_Atomic uint64_t errors;
	struct histogram slat;
	struct histogram clat;
	struct histogram lat;
	struct histogram *intended;
};

/* fio's three distributions of numbers of IOs. level: in flight, this one included, when an IO
 * was submitted: 1, 2-3, 4-7 ... 64 and more. submit and complete: in one call that submitted or
 * took completions: 0, 1-4, 5-8, 9-16, 17-32, 33-64, more. One writer, as a shard. */
#define IO_DEPTHS 7
struct io_depths {
	_Atomic uint64_t level[IO_DEPTHS];
	_Atomic uint64_t submit[IO_DEPTHS];
	_Atomic uint64_t complete[IO_DEPTHS];
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

/* depth: at least 1. */
static inline void io_depths_level(struct io_depths *depths, uint32_t depth)
{
	stats_count(&depths->level[depth >= 64 ? 6 : 31 - __builtin_clz(depth)], 1);
}

/* Index of submit and complete. Worked: 4: 0 + 1; 5: 31 - clz(4) = 2; 64: 31 - clz(63) = 5. */
static inline uint32_t io_depths_batch(uint32_t n)
{
	if (n <= 4)
		return n > 0;
	return n > 64 ? 6 : 31 - (uint32_t)__builtin_clz(n - 1);
}

void io_stats_init(struct io_stats *stats);
/* Make room for latencies from the intended start. -ENOMEM. */
__attribute__((warn_unused_result)) int io_stats_want_intended(struct io_stats *stats);
/* What io_stats_want_intended() has made. */
void io_stats_deinit(struct io_stats *stats);
/* into has no writer; from may have one. An intended histogram of from is left out if into has no
 * room for one. */
void io_stats_merge(struct io_stats *into, const struct io_stats *from);
void io_depths_merge(struct io_depths *into, const struct io_depths *from);

/* Of a loop that always has depth IOs in flight until it runs out of them, and submits and
 * completes them one by one: the levels follow from their number. */
void io_depths_fill(struct io_depths *depths, uint64_t ios, uint32_t depth);

/* The histogram that percentiles are of: clat where it is known, else lat. */
const struct histogram *io_stats_clat(const struct io_stats *stats);

#endif
