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

struct raw_slots {
	struct job_io *io; /* [depth] */
	uint32_t *free;    /* stack of indices, as fio's: the warmest buffer first */
	uint32_t *queued;  /* in order, not given over yet */
	uint32_t n_free;
	uint32_t n_queued;
	uint32_t n_in_kernel;
	int64_t waiting; /* the slot that has an IO which is not due; -1: none */
	uint64_t due_ns; /* of that */
	uint64_t now_ns; /* the last reading of the clock */
};

static inline int raw_slots_init(struct raw_slots *slots, struct job_thread *thread)
{
	const uint32_t depth = thread->depth;

	slots->io = aligned_alloc(64, depth * sizeof(*slots->io));
	slots->free = calloc(depth, sizeof(*slots->free));
	slots->queued = calloc(depth, sizeof(*slots->queued));
	if (!slots->io || !slots->free || !slots->queued)
		return -ENOMEM;
	for (uint32_t i = 0; i < depth; i++) {
		slots->free[i] = depth - 1 - i;
		job_io_init(thread, &slots->io[i], i);
	}
	slots->n_free = depth;
	slots->waiting = -1;
	job_ios_are(thread, slots->io, sizeof(*slots->io));
	return 0;
}

static inline void raw_slots_deinit(struct raw_slots *slots, struct job_thread *thread)
{
	job_ios_are(thread, NULL, 0);
	free(slots->io);
	free(slots->free);
	free(slots->queued);
}

/* Is the IO of slot i due? If not it is kept until it is, or the job stops. */
static inline bool raw_slots_is_due(struct raw_slots *slots, struct job_thread *thread, uint32_t i)
{
	slots->due_ns = job_due_ns(thread, &slots->io[i]);
	slots->waiting = slots->due_ns ? (int64_t)i : -1;
	if (slots->waiting < 0)
		return true;
	if (job_is_stopping(thread->job)) {
		job_drop(thread->job, &slots->io[i]);
		slots->free[slots->n_free++] = i;
		slots->waiting = -1;
	}
	return false;
}

/* A slot with the next IO in it; -1: none is free, none is due, or no more IOs. */
static inline int64_t raw_slots_take(struct raw_slots *slots, struct job_thread *thread)
{
	uint32_t i;

	if (slots->waiting >= 0) {
		i = (uint32_t)slots->waiting;
	} else {
		if (!slots->n_free)
			return -1;
		i = slots->free[slots->n_free - 1];
		if (!job_next(thread, &slots->io[i]))
			return -1;
		slots->n_free--;
	}
	if (thread->job->is_paced && !raw_slots_is_due(slots, thread, i))
		return -1;
	slots->io[i].start_ns = slots->now_ns = job_start_ns(thread->job, slots->now_ns);
	slots->io[i].issue_ns = 0;
	slots->queued[slots->n_queued++] = i;
	io_depths_level(&thread->shard->depths, slots->n_queued + slots->n_in_kernel);
	return i;
}

/* The kernel has taken the first n queued ones, in one call. is_seen: just now, by the clock. */
static inline void raw_slots_given(struct raw_slots *slots, const struct job_thread *thread,
				   uint32_t n, bool is_seen)
{
	stats_count(&thread->shard->depths.submit[io_depths_batch(n)], 1);
	if (is_seen && thread->job->is_timed) {
		slots->now_ns = clock_now_ns();
		for (uint32_t i = 0; i < n; i++)
			slots->io[slots->queued[i]].issue_ns = slots->now_ns;
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
	job_done(thread->job, thread->shard, &slots->io[i], result, slots->now_ns, true);
	slots->n_in_kernel--;
	slots->free[slots->n_free++] = i;
}

/* Nothing to do but to wait for an IO that is not due. */
static inline void raw_slots_nap(struct raw_slots *slots)
{
	const uint64_t ns = job_nap_ns(slots->due_ns, clock_now_ns());
	struct timespec nap = { (time_t)(ns / NS_PER_SECOND), (long)(ns % NS_PER_SECOND) };

	(void)nanosleep(&nap, NULL);
}

static inline int raw_fd(const struct job *job, const struct job_io *io)
{
	return target_fd(&job->target, io->file, 0);
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
