/* SPDX-License-Identifier: MIT
 * loop_raw.h - what the two reference loops with a depth have in common: slots and their clock.
 *
 * Both do what fio's engines of their names do: fill the queue, giving over batch_submit IOs at a
 * time; when it is full, give over what is left, wait for batch_complete_min completions, take up
 * to batch_complete_max, and fill it again.
 * Invariants: every slot is either free, queued (prepared, not given over) or in the kernel.
 * Threads:    the thread that owns the struct raw_slots.
 * Ownership:  raw_slots_deinit() frees what raw_slots_init() has allocated.
 */
#ifndef IOE_TOOLS_LOOP_RAW_H
#define IOE_TOOLS_LOOP_RAW_H

#include <stdlib.h>

#include "tools/bench/job.h"

struct raw_slot {
	uint64_t offset;
	uint64_t start_ns; /* prepared */
	uint64_t issue_ns; /* taken by the kernel; 0 where that moment is not seen */
};

struct raw_slots {
	struct raw_slot *slot; /* [depth] */
	uint32_t *free;        /* stack of indices, as fio's: the warmest buffer first */
	uint32_t *queued;      /* in order, not given over yet */
	uint32_t n_free;
	uint32_t n_queued;
	uint32_t n_in_kernel;
	uint64_t now_ns; /* the last reading of the clock */
};

static inline int raw_slots_init(struct raw_slots *slots, uint32_t depth)
{
	slots->slot = calloc(depth, sizeof(*slots->slot));
	slots->free = calloc(depth, sizeof(*slots->free));
	slots->queued = calloc(depth, sizeof(*slots->queued));
	if (!slots->slot || !slots->free || !slots->queued)
		return -ENOMEM;
	for (uint32_t i = 0; i < depth; i++)
		slots->free[i] = depth - 1 - i;
	slots->n_free = depth;
	return 0;
}

static inline void raw_slots_deinit(struct raw_slots *slots)
{
	free(slots->slot);
	free(slots->free);
	free(slots->queued);
}

/* A free slot with the next offset in it; -1: none, or no more IOs. */
static inline int64_t raw_slots_take(struct raw_slots *slots, struct job_thread *thread)
{
	uint32_t i;

	if (!slots->n_free)
		return -1;
	i = slots->free[slots->n_free - 1];
	if (!job_thread_take(thread, &slots->slot[i].offset))
		return -1;
	slots->n_free--;
	slots->slot[i].start_ns = slots->now_ns;
	slots->slot[i].issue_ns = 0;
	slots->queued[slots->n_queued++] = i;
	return i;
}

/* The kernel has taken the first n queued ones. is_seen: just now, by the clock. */
static inline void raw_slots_given(struct raw_slots *slots, const struct job *job, uint32_t n,
				   bool is_seen)
{
	if (is_seen && job->is_timed) {
		slots->now_ns = clock_now_ns();
		for (uint32_t i = 0; i < n; i++)
			slots->slot[slots->queued[i]].issue_ns = slots->now_ns;
	}
	slots->n_queued -= n;
	slots->n_in_kernel += n;
	for (uint32_t i = 0; i < slots->n_queued; i++)
		slots->queued[i] = slots->queued[i + n];
}

/* Slot i has come back; now_ns has been read since. */
static inline void raw_slots_back(struct raw_slots *slots, struct job_thread *thread, uint32_t i,
				  int64_t result)
{
	struct job *job = thread->job;
	struct io_stats *stats = &thread->shard->direction[job->direction];
	const struct raw_slot *slot = &slots->slot[i];

	if (job->is_timed) {
		histogram_add(&stats->lat, slots->now_ns - slot->start_ns);
		if (slot->issue_ns) {
			histogram_add(&stats->slat, slot->issue_ns - slot->start_ns);
			histogram_add(&stats->clat, slots->now_ns - slot->issue_ns);
		}
	}
	job_count_io(job, stats, result, slot->offset);
	slots->n_in_kernel--;
	slots->free[slots->n_free++] = i;
}

static inline uint32_t raw_n_threads(const struct bench_options *options)
{
	return (uint32_t)options->submit_threads;
}

static inline uint32_t raw_n_foreign_shards(const struct bench_options *options)
{
	(void)options;
	return 0;
}

static inline uint32_t raw_depth(const struct bench_options *options, uint32_t index)
{
	return job_slice(options->iodepth, (uint32_t)options->submit_threads, index);
}

static inline uint32_t raw_min(uint64_t a, uint64_t b)
{
	return (uint32_t)(a < b ? a : b);
}

#endif
