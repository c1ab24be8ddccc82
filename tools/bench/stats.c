/* SPDX-License-Identifier: MIT
 * stats.c - what is counted while a job runs.
 * Invariants: see stats.h.
 * Threads:    see stats.h.
 * Ownership:  memory is the caller's.
 */
#include "tools/bench/stats.h"

#include <math.h>

void io_stats_init(struct io_stats *stats)
{
	atomic_init(&stats->ios, 0);
	atomic_init(&stats->bytes, 0);
	stats->short_ios = 0;
	stats->errors = 0;
	histogram_init(&stats->slat);
	histogram_init(&stats->clat);
	histogram_init(&stats->lat);
}

void io_stats_merge(struct io_stats *into, const struct io_stats *from)
{
	stats_count(&into->ios, stats_read(&from->ios));
	stats_count(&into->bytes, stats_read(&from->bytes));
	into->short_ios += from->short_ios;
	into->errors += from->errors;
	histogram_merge(&into->slat, &from->slat);
	histogram_merge(&into->clat, &from->clat);
	histogram_merge(&into->lat, &from->lat);
}

const struct histogram *io_stats_clat(const struct io_stats *stats)
{
	return stats->clat.n ? &stats->clat : &stats->lat;
}

void rate_samples_add(struct rate_samples *samples, double value)
{
	if (!samples->n || value < samples->min)
		samples->min = value;
	if (!samples->n || value > samples->max)
		samples->max = value;
	samples->n++;
	samples->sum += value;
	samples->sum_squares += value * value;
}

double rate_samples_mean(const struct rate_samples *samples)
{
	return samples->n ? samples->sum / (double)samples->n : 0;
}

double rate_samples_stddev(const struct rate_samples *samples)
{
	double mean = rate_samples_mean(samples), variance;

	if (samples->n < 2)
		return 0;
	variance = (samples->sum_squares - mean * samples->sum) / (double)(samples->n - 1);
	return variance > 0 ? sqrt(variance) : 0;
}
