/* SPDX-License-Identifier: MIT
 * rate_floor.c - rate_min and rate_iops_min: a job that does not keep up fails.
 * Invariants: see rate_floor.h.
 * Threads:    see rate_floor.h; the counters are those of the job's threads.
 * Ownership:  none.
 */
#include "tools/bench/rate_floor.h"

#include <errno.h>

#include "tools/units.h"

#define SETTLE_NS (2 * NS_PER_SECOND)
#define IOS_MIN   4

/* How long to look, so that a few IOs should be done. Worked: 1024 bytes a second in IOs of 4096
 * are 4 s for an IO, so 16 s. */
static uint64_t window_ns(const struct bench_options *options, uint64_t min, uint64_t one)
{
	const double ios_ns = (double)IOS_MIN * (double)one / (double)min * 1e9;

	return ios_ns > (double)options->rate_cycle_ns ? (uint64_t)ios_ns : options->rate_cycle_ns;
}

/* Has it done less than min in a second? one: what an IO counts. */
static bool is_below(uint64_t done, uint64_t one, uint64_t min, uint64_t ns)
{
	return (double)(done + one) < (double)min * (double)ns / 1e9;
}

static void look_at(struct rate_floor *floor, struct job *job, int d, uint64_t now_ns)
{
	const struct bench_options *options = job->options;
	const uint64_t min_bytes = options->rate_min_bytes[d], min_ios = options->rate_iops_min[d];
	const char *what = d == BENCH_DIRECTION_READ ? "reads" : "writes";
	uint64_t bytes = 0, ios = 0, window = 0, ns;
	char text[UNITS_TEXT_MAX];

	if (min_bytes)
		window = window_ns(options, min_bytes, options->bs_bytes);
	if (min_ios && window_ns(options, min_ios, 1) > window)
		window = window_ns(options, min_ios, 1);
	ns = now_ns - floor->since_ns[d];
	if (!window || (floor->since_ns[d] && ns < window))
		return;
	for (uint32_t i = 0; i < job->n_shards; i++) {
		bytes += stats_read(&job->shards[i].direction[d].bytes);
		ios += stats_read(&job->shards[i].direction[d].ios);
	}
	if (floor->since_ns[d] && min_bytes &&
	    is_below(bytes - floor->bytes[d], options->bs_bytes, min_bytes, ns))
		job_fail(job, -EIO, "rate_min=%llu of %s not met, only %s/s",
			 (unsigned long long)min_bytes, what,
			 units_format_bytes((double)(bytes - floor->bytes[d]) / (double)ns * 1e9,
					    UNITS_1024, text));
	else if (floor->since_ns[d] && min_ios && is_below(ios - floor->ios[d], 1, min_ios, ns))
		job_fail(job, -EIO, "rate_iops_min=%llu of %s not met, only %.1f",
			 (unsigned long long)min_ios, what,
			 (double)(ios - floor->ios[d]) / (double)ns * 1e9);
	floor->since_ns[d] = now_ns;
	floor->bytes[d] = bytes;
	floor->ios[d] = ios;
}

void rate_floor_look(struct rate_floor *floor, struct job *job, uint64_t now_ns)
{
	if (now_ns - job->start_ns < SETTLE_NS)
		return;
	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		if (d == BENCH_DIRECTION_WRITE ? bench_is_write(job->options) :
						 bench_is_read(job->options))
			look_at(floor, job, d, now_ns);
	}
}
