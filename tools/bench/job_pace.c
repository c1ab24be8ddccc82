/* SPDX-License-Identifier: MIT
 * job_pace.c - when the IOs of a job are due.
 * Invariants: see job_pace.h.
 * Threads:    see job_pace.h. A thread's thinking is written by itself, but for what pace.h says
 *             may be by any.
 * Ownership:  see job_pace.h.
 */
#include "tools/bench/job_pace.h"

#include <stdlib.h>
#include <string.h>

#include "tools/bench/job.h"
#include "tools/bench/job_replay.h"
#include "tools/bench/pace.h"

struct thinking {
	struct think think;
	uint64_t n_taken;
};

struct job_pace {
	struct pace pace;
	bool has_rate;
	bool has_intended;
	bool chooses; /* the direction of an IO may change */
	bool has_thinktime;
	bool moves; /* rate_ignore_thinktime */
	uint64_t think_ns;
	uint64_t spin_ns;
	_Atomic uint64_t begin_ns; /* 0: nothing was taken yet */
	struct thinking *thinking; /* of each thread */
};

bool job_pace_is_wanted(const struct bench_options *options)
{
	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		if (options->rate_bytes[d] || options->rate_iops[d])
			return true;
	}
	return options->thinktime_ns || (options->replay && replay_has_times(options->replay));
}

static void init_rates(struct job_pace *pace, const struct job *job)
{
	const struct bench_options *options = job->options;
	struct pace_config config = {
		.is_poisson = options->rate_process == BENCH_RATE_POISSON,
		.seed = job->pattern.seed,
	};

	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		config.bytes_per_second[d] = options->rate_bytes[d];
		config.ios_per_second[d] = options->rate_iops[d];
		config.io_bytes[d] = job->pattern.sizes[d].min_bytes;
		pace->has_rate = pace->has_rate || options->rate_bytes[d] || options->rate_iops[d];
	}
	pace_init(&pace->pace, &config);
	pace->chooses = pace->has_rate && job->pattern.is_mixed && job->pattern.is_one_size;
}

static int want_intended(struct job *job)
{
	for (uint32_t i = 0; i < job->n_shards; i++) {
		for (int d = DIRECTION_READ; d <= DIRECTION_WRITE; d++) {
			if (io_stats_want_intended(&job->shards[i].direction[d]))
				return -ENOMEM;
		}
	}
	return 0;
}

int job_pace_init(struct job *job)
{
	const struct bench_options *options = job->options;
	const bool is_issue = options->thinktime_blocks_type == BENCH_THINK_ISSUE;
	struct job_pace *pace;

	job->pace = NULL;
	if (!job->is_paced)
		return 0;
	pace = aligned_alloc(_Alignof(struct job_pace), sizeof(*pace));
	if (!pace) {
		job_fail(job, -ENOMEM, "no memory");
		return -ENOMEM;
	}
	memset(pace, 0, sizeof(*pace));
	job->pace = pace;
	init_rates(pace, job);
	pace->has_intended = (pace->has_rate || options->replay) && job->is_timed;
	pace->has_thinktime = options->thinktime_ns;
	pace->think_ns = options->thinktime_ns;
	pace->spin_ns = options->thinktime_spin_ns < options->thinktime_ns ?
				options->thinktime_spin_ns :
				options->thinktime_ns;
	pace->moves = options->rate_ignore_thinktime;
	pace->thinking =
		aligned_alloc(_Alignof(struct thinking), job->n_threads * sizeof(*pace->thinking));
	if (!pace->thinking || (pace->has_intended && want_intended(job))) {
		job_fail(job, -ENOMEM, "no memory");
		job_pace_deinit(job);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < job->n_threads; i++) {
		think_init(&pace->thinking[i].think, options->thinktime_ns,
			   options->thinktime_blocks, is_issue);
		pace->thinking[i].n_taken = 0;
	}
	return 0;
}

void job_pace_deinit(struct job *job)
{
	struct job_pace *pace = job->pace;

	if (!pace)
		return;
	for (uint32_t i = 0; i < job->n_shards; i++) {
		for (int d = 0; d < DIRECTIONS; d++)
			io_stats_deinit(&job->shards[i].direction[d]);
	}
	pace_deinit(&pace->pace);
	free(pace->thinking);
	free(pace);
	job->pace = NULL;
}

bool job_pace_has_intended(const struct job_pace *pace)
{
	return pace->has_intended;
}

/* The moment that all times of the job are from: when its first IO is taken. */
static uint64_t begin_ns(struct job_pace *pace)
{
	uint64_t begin = atomic_load_explicit(&pace->begin_ns, memory_order_relaxed);

	if (begin)
		return begin;
	/* Relaxed: it is the number itself that is shared. */
	atomic_compare_exchange_strong_explicit(&pace->begin_ns, &begin, clock_now_ns(),
						memory_order_relaxed, memory_order_relaxed);
	return atomic_load_explicit(&pace->begin_ns, memory_order_relaxed);
}

void job_pace_take(struct job_thread *thread, struct job_io *io)
{
	struct job_pace *pace = thread->job->pace;
	const uint64_t begin = begin_ns(pace);

	pace->thinking[thread->index].n_taken++;
	io->intended_ns = 0;
	if (!pace->has_rate || io->direction > DIRECTION_WRITE)
		return;
	if (pace->chooses) {
		const uint64_t now = clock_now_ns();

		io->direction = (uint8_t)(0xf & pace_choose(&pace->pace, io->direction,
							    now > begin ? now - begin : 0));
	}
	if (pace_is_limited(&pace->pace, io->direction))
		io->intended_ns = begin + pace_take(&pace->pace, io->direction, io->bytes);
}

void job_pace_take_at(struct job_thread *thread, struct job_io *io, uint64_t due_ns)
{
	struct job_pace *pace = thread->job->pace;

	pace->thinking[thread->index].n_taken++;
	io->intended_ns = begin_ns(pace) + due_ns;
}

/* A part of the pause is work. */
static void spin_until(const struct job *job, uint64_t until_ns)
{
	while (clock_now_ns() < until_ns && !job_is_stopping(job))
		;
}

static void group_ended(struct job_pace *pace)
{
	if (pace->moves && pace->has_rate)
		atomic_fetch_add_explicit(&pace->begin_ns, pace->think_ns, memory_order_relaxed);
}

uint64_t job_pace_due_ns(struct job_thread *thread, const struct job_io *io)
{
	struct job_pace *pace = thread->job->pace;
	struct thinking *thinking = &pace->thinking[thread->index];
	uint64_t due = io->intended_ns, gate;

	if (pace->has_thinktime) {
		gate = think_due_ns(&thinking->think, thinking->n_taken - 1);
		if (gate == THINK_NOT_YET)
			return JOB_NOT_YET;
		if (gate && pace->spin_ns)
			spin_until(thread->job, gate - pace->think_ns + pace->spin_ns);
		due = gate > due ? gate : due;
	}
	if (due > clock_now_ns())
		return due;
	if (pace->has_thinktime && think_issued(&thinking->think, clock_now_ns()))
		group_ended(pace);
	return 0;
}

void job_pace_done(struct job *job, uint32_t thread_index, uint64_t now_ns)
{
	struct job_pace *pace = job->pace;

	if (!pace->has_thinktime)
		return;
	if (think_done(&pace->thinking[thread_index].think, now_ns ? now_ns : clock_now_ns()))
		group_ended(pace);
}
