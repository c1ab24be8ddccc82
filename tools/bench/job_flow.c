/* SPDX-License-Identifier: MIT
 * job_flow.c - from one IO of a job to the next: what job_next() and job_done() do not do inline.
 *
 * Whatever a job does beside IO (rates, verification, logs, ramp time) hangs here, so that no loop
 * knows of it: job_next_special() is called instead of the short way if job->is_special_next,
 * job_done_special() if job->is_special_done.
 * Invariants: every IO of job_next() is given to job_done() or to job_drop(), once.
 * Threads:    see job.h. error and message are under the job's lock.
 * Ownership:  see job.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/job.h"
#include "tools/bench/job_logs.h"
#include "tools/bench/job_pace.h"
#include "tools/bench/job_replay.h"
#include "tools/bench/job_verify.h"

void job_fail(struct job *job, int error, const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&job->lock);
	if (!job->error) {
		job->error = error;
		va_start(args, format);
		vsnprintf(job->message, sizeof(job->message), format, args);
		va_end(args);
	}
	pthread_mutex_unlock(&job->lock);
	job_stop(job);
}

/* S1 in job_stop(): is_over, then stop. S2 in job_start_read_back(): not stop, then is_over. One
 * sees the other: no stop is lost. */
void job_stop(struct job *job)
{
	atomic_store(&job->is_over, true); /* S1 */
	atomic_store(&job->stop, true);
}

void job_time_is_up(struct job *job)
{
	pthread_mutex_lock(&job->lock);
	if (!atomic_load(&job->is_reading_back))
		atomic_store(&job->stop, true);
	pthread_mutex_unlock(&job->lock);
}

bool job_start_read_back(struct job *job)
{
	if (atomic_load(&job->is_over) || !job_verify_has_more(job))
		return false;
	job_verify_start_read_back(job);
	/* What is read back counts, also of a job that has written all in its ramp_time. */
	atomic_store(&job->is_ramping, false);
	for (uint32_t i = 0; i < job->n_shards; i++) {
		for (int d = 0; d < DIRECTIONS; d++)
			job->ios_before[d] += stats_read(&job->shards[i].direction[d].ios);
	}
	if (job->loop->again)
		job->loop->again(job);
	pthread_mutex_lock(&job->lock);
	atomic_store(&job->is_reading_back, true);
	atomic_store(&job->stop, false); /* S2 */
	if (atomic_load(&job->is_over))
		atomic_store(&job->stop, true);
	pthread_mutex_unlock(&job->lock);
	return true;
}

void job_note_error(struct job *job, int error)
{
	pthread_mutex_lock(&job->lock);
	if (!job->first_error)
		job->first_error = error;
	pthread_mutex_unlock(&job->lock);
}

static const char *name_of(const struct job_io *io)
{
	switch (io->direction) {
	case DIRECTION_READ:
		return "read";
	case DIRECTION_WRITE:
		return "write";
	case DIRECTION_SYNC:
		return io->is_datasync ? "fdatasync" : "fsync";
	default:
		return "nop";
	}
}

static bool goes_on(const struct job *job, const struct job_io *io)
{
	const uint64_t bit =
		io->direction == DIRECTION_READ ? BENCH_CONTINUE_READ : BENCH_CONTINUE_WRITE;

	return job->options->continue_on_error & bit;
}

void job_bad_io(struct job *job, struct io_stats *stats, int64_t result, const struct job_io *io)
{
	if (result >= 0) {
		stats_count(&stats->short_ios, 1);
		return;
	}
	/* That is how it ends. */
	if (job->options->fill_device && (result == -ENOSPC || result == -EDQUOT)) {
		job_stop(job);
		return;
	}
	stats_count(&stats->errors, 1);
	if (goes_on(job, io)) {
		job_note_error(job, (int)result);
		return;
	}
	job_fail(job, (int)result, "%s of %u bytes at offset %llu: %s", name_of(io), io->bytes,
		 (unsigned long long)io->offset, strerror((int)-result));
}

struct job_shard *job_foreign_shard(struct job *job)
{
	static _Thread_local uint64_t serial;
	static _Thread_local struct job_shard *mine;

	if (serial != job->serial) {
		uint32_t i = atomic_fetch_add(&job->n_foreign, 1);

		/* The loop has said how many there can be at most. */
		if (i >= job->n_shards - job->n_threads)
			abort();
		mine = &job->shards[job->n_threads + i];
		serial = job->serial;
	}
	return mine;
}

void job_io_init(struct job_thread *thread, struct job_io *io, uint32_t index)
{
	memset(io, 0, sizeof(*io));
	io->buffer = thread->buffers ? thread->buffers + thread->job->buffer_bytes * index : NULL;
	pattern_prepare(&thread->job->pattern, io);
}

void job_ios_are(struct job_thread *thread, struct job_io *ios, size_t stride)
{
	pthread_mutex_lock(&thread->job->lock);
	thread->ios = ios;
	thread->ios_stride = stride;
	pthread_mutex_unlock(&thread->job->lock);
}

/* Threads that take turns have numbers of their own. */
static bool next_interleaved(struct job_thread *thread, struct job_io *io)
{
	struct job *job = thread->job;

	if (thread->next >= job->pattern.ios_max)
		return false;
	io->number = thread->next;
	pattern_at(&job->pattern, thread->next, io);
	if (++thread->next % thread->run_ios == 0)
		thread->next += thread->skip_ios;
	return true;
}

static bool next_plain(struct job *job, struct job_io *io)
{
	const uint64_t n = atomic_fetch_add_explicit(&job->taken, 1, memory_order_relaxed);

	if (n >= job->pattern.ios_max)
		return false;
	io->number = n;
	pattern_at(&job->pattern, n, io);
	return true;
}

/* A function of the seed and of the number, which is what the pattern makes of offsets. */
void job_fill_buffer(const struct job *job, char *buffer, size_t bytes, uint64_t number)
{
	const struct bench_pattern *pattern = &job->options->buffer_pattern;
	uint64_t *words = (uint64_t *)(void *)buffer;
	const uint64_t base = permutation_mix(job->pattern.seed + number);

	if (pattern->n_bytes) {
		for (size_t i = 0; i < bytes; i++)
			buffer[i] = (char)pattern->bytes[i % pattern->n_bytes];
	} else if (job->options->zero_buffers) {
		memset(buffer, 0, bytes);
	} else {
		/* Buffers are whole words, whatever the IO is. */
		for (size_t i = 0; i < (bytes + 7) / 8; i++)
			words[i] = permutation_mix(base + i);
	}
}

/* What a list says is done when the list says. */
static bool next_replayed(struct job_thread *thread, struct job_io *io)
{
	struct job *job = thread->job;
	const uint64_t n = atomic_fetch_add_explicit(&job->taken, 1, memory_order_relaxed);
	uint64_t due_ns;

	if (n >= job->pattern.ios_max || !replay_at(job->options->replay, n, io, &due_ns))
		return false;
	if (job->is_paced)
		job_pace_take_at(thread, io, due_ns);
	return true;
}

static bool next_of_pattern(struct job_thread *thread, struct job_io *io)
{
	struct job *job = thread->job;

	if (thread->run_ios)
		return next_interleaved(thread, io);
	if (job->pattern.kind == PATTERN_STEPPED)
		return pattern_step(&job->pattern, io);
	return next_plain(job, io);
}

/* verify_only: what would be written is taken for written. */
static bool next_dry(struct job_thread *thread, struct job_io *io)
{
	struct job *job = thread->job;

	while (!job_is_stopping(job) && next_of_pattern(thread, io)) {
		if (io->direction == DIRECTION_WRITE)
			job_verify_assume(job->verify, io);
	}
	return false;
}

static bool next_any(struct job_thread *thread, struct job_io *io)
{
	struct job *job = thread->job;

	io->intended_ns = 0;
	if (io->is_read_back) { /* a write again */
		io->is_read_back = 0;
		pattern_prepare(&job->pattern, io);
	}
	if (atomic_load_explicit(&job->is_reading_back, memory_order_relaxed))
		return job_verify_next(job, io);
	if (job_verify_is_dry(job))
		return next_dry(thread, io);
	if (job->options->replay)
		return next_replayed(thread, io);
	if (job->verify && job_verify_next_of_backlog(job->verify, io))
		return true;
	if (!next_of_pattern(thread, io))
		return false;
	if (job->pace)
		job_pace_take(thread, io);
	return true;
}

bool job_next_special(struct job_thread *thread, struct job_io *io)
{
	struct job *job = thread->job;

	if (!next_any(thread, io))
		return false;
	if (io->direction == DIRECTION_WRITE) {
		if (job->options->refill_buffers)
			job_fill_buffer(job, io->buffer, io->bytes, io->number);
		if (job->verify)
			job_verify_begin(job->verify, io);
	}
	atomic_store_explicit(&io->is_out, true, memory_order_relaxed);
	if (!job->is_paced && job->logs && job_logs_have_list(job->logs))
		job_logs_submit(job, io);
	return true;
}

void job_drop(struct job *job, struct job_io *io)
{
	if (job->verify && io->direction == DIRECTION_WRITE)
		job_verify_end(job->verify, io, -ECANCELED);
	if (job->verify && io->is_read_back)
		job_verify_read_ended(job->verify, io);
	atomic_store_explicit(&io->is_out, false, memory_order_relaxed);
}

uint64_t job_due_special(struct job_thread *thread, const struct job_io *io)
{
	struct job *job = thread->job;
	const uint64_t due_ns = io->is_read_back ? 0 : job_pace_due_ns(thread, io);

	/* It is submitted now. */
	if (!due_ns && job->logs && job_logs_have_list(job->logs))
		job_logs_submit(job, io);
	return due_ns;
}

bool job_wait_until_due(struct job_thread *thread, struct job_io *io)
{
	while (!job_is_stopping(thread->job)) {
		const uint64_t due_ns = job_due_ns(thread, io);
		const uint64_t ns = job_nap_ns(due_ns, clock_now_ns());
		struct timespec nap = { (time_t)(ns / NS_PER_SECOND), (long)(ns % NS_PER_SECOND) };

		if (!due_ns)
			return true;
		(void)nanosleep(&nap, NULL);
	}
	job_drop(thread->job, io);
	return false;
}

void job_choose_done(struct job *job)
{
	const bool is_special = job->is_paced || job->max_latency_ns || job->verify ||
				(job->logs && job_logs_have_samples(job->logs)) ||
				atomic_load(&job->is_ramping);

	atomic_store_explicit(&job->is_special_done, is_special, memory_order_relaxed);
}

static void check_latency(struct job *job, const struct job_io *io, uint64_t now_ns)
{
	const uint64_t ns = now_ns - io->start_ns;

	if (!job->max_latency_ns || !job->is_timed || ns <= job->max_latency_ns)
		return;
	job_fail(job, -ETIMEDOUT,
		 "%s of %u bytes at offset %llu took %llu us, more than max_latency of %llu us",
		 name_of(io), io->bytes, (unsigned long long)io->offset,
		 (unsigned long long)ns / 1000, (unsigned long long)job->max_latency_ns / 1000);
}

/* What is kept of an IO beside its counts. */
static void note_done(struct job *job, struct job_shard *shard, const struct job_io *io,
		      int64_t result, uint64_t now_ns)
{
	/* Callbacks have shards of their own, where a thread submits nothing. */
	const size_t index = (size_t)(shard - job->shards);

	if (job->pace && !io->is_read_back)
		job_pace_done(job, index < job->n_threads ? (uint32_t)index : 0, now_ns);
	if (job->verify && io->direction == DIRECTION_WRITE)
		job_verify_end(job->verify, io, result);
}

void job_done_special(struct job *job, struct job_shard *shard, struct job_io *io, int64_t result,
		      uint64_t now_ns, bool is_issue_seen)
{
	struct io_stats *stats = &shard->direction[io->direction];

	note_done(job, shard, io, result, now_ns);
	check_latency(job, io, now_ns);
	if (atomic_load_explicit(&job->is_ramping, memory_order_relaxed)) {
		stats_count(&shard->ramp_ios[io->direction], 1);
		if (result > 0)
			stats_count(&shard->ramp_bytes[io->direction], (uint64_t)result);
		if (result != (int64_t)io->bytes)
			job_bad_io(job, stats, result, io);
	} else {
		if (job->is_timed && io->intended_ns && stats->intended)
			histogram_add(stats->intended, now_ns - io->intended_ns);
		job_count(job, shard, io, result, now_ns, is_issue_seen);
		if (job->logs && job_logs_have_samples(job->logs) && result == (int64_t)io->bytes)
			job_logs_done(job, (uint32_t)(shard - job->shards), io, now_ns,
				      is_issue_seen);
	}
	if (job->verify && result == (int64_t)io->bytes && job_verify_wants(job->verify, io))
		job_verify_look(job, stats, io);
	if (io->is_read_back)
		job_verify_read_ended(job->verify, io);
}
