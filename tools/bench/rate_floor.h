/* SPDX-License-Identifier: MIT
 * rate_floor.h - rate_min and rate_iops_min: a job that does not keep up fails.
 *
 * Looked at over rate_cycle, but at least over the time that four IOs take at that rate, and the
 * first time two seconds after the start, as fio. An IO that is just on its way counts for the job.
 * Invariants: a floor says nothing of a job that has been told to stop, or ramps.
 * Threads:    the one that watches.
 * Ownership:  none.
 */
#ifndef IOE_TOOLS_RATE_FLOOR_H
#define IOE_TOOLS_RATE_FLOOR_H

#include "tools/bench/job.h"

struct rate_floor {
	uint64_t since_ns[BENCH_DIRECTIONS]; /* 0: not looked at yet */
	uint64_t bytes[BENCH_DIRECTIONS];    /* that there were then */
	uint64_t ios[BENCH_DIRECTIONS];
};

/* Ends the job by job_fail() when it is too slow. floor is zeroed before the first call. */
void rate_floor_look(struct rate_floor *floor, struct job *job, uint64_t now_ns);

#endif
