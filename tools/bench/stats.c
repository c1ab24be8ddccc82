/* SPDX-License-Identifier: MIT
 * stats.c - what is counted while a job runs.
 * Invariants: see stats.h.
 * Threads:    see stats.h.
 * Ownership:  see stats.h.
 */
#include "tools/bench/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void io_stats_init(struct io_stats *stats)
{
	atomic_init(&stats->ios, 0);
	atomic_init(&stats->bytes, 0);
	atomic_init(&stats->short_ios, 0);
	atomic_init(&stats->errors, 0);
	histogram_init(&stats->slat);
	histogram_init(&stats->clat);
	histogram_init(&stats->lat);
	stats->intended = NULL;
}

int io_stats_want_intended(struct io_stats *stats)
{
	if (stats->intended)
		return 0;
	stats->intended = malloc(sizeof(*stats->intended));
	if (!stats->intended)
		return -ENOMEM;
	histogram_init(stats->intended);
	return 0;
}

void io_stats_deinit(struct io_stats *stats)
{
	free(stats->intended);
	stats->intended = NULL;
}

void io_stats_merge(struct io_stats *into, const struct io_stats *from)
{
	stats_count(&into->ios, stats_read(&from->ios));
	stats_count(&into->bytes, stats_read(&from->bytes));
	stats_count(&into->short_ios, stats_read(&from->short_ios));
	stats_count(&into->errors, stats_read(&from->errors));
	histogram_merge(&into->slat, &from->slat);
	histogram_merge(&into->clat, &from->clat);
	histogram_merge(&into->lat, &from->lat);
	if (from->intended && into->intended)
		histogram_merge(into->intended, from->intended);
}

void io_depths_merge(struct io_depths *into, const struct io_depths *from)
{
	for (int i = 0; i < IO_DEPTHS; i++) {
		stats_count(&into->level[i], stats_read(&from->level[i]));
		stats_count(&into->submit[i], stats_read(&from->submit[i]));
		stats_count(&into->complete[i], stats_read(&from->complete[i]));
	}
}

void io_depths_fill(struct io_depths *depths, uint64_t ios, uint32_t depth)
{
	uint64_t n = 0;

	for (; n < ios && n + 1 < depth; n++)
		io_depths_level(depths, (uint32_t)n + 1);
	stats_count(&depths->level[depth >= 64 ? 6 : 31 - __builtin_clz(depth)], ios - n);
	stats_count(&depths->submit[1], ios);
	stats_count(&depths->complete[1], ios);
}

const struct histogram *io_stats_clat(const struct io_stats *stats)
{
	return stats->clat.n ? &stats->clat : &stats->lat;
}
