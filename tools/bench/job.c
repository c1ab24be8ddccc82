/* SPDX-License-Identifier: MIT
 * job.c - one run of one engine: threads, start, end, result. The watching is in monitor.c.
 * Invariants: no thread submits before all are set up, and none takes down before all have ended;
 *             the measured time is between these two points.
 * Threads:    see job.h. phase, n_arrived, abandoned, error and message are under lock.
 * Ownership:  see job.h.
 */
#include "tools/bench/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "tools/bench/fio.h"
#include "tools/bench/monitor.h"

/* Enough for O_DIRECT on every sector size, and no page is shared by two buffers. */
#define BUFFER_ALIGN_BYTES ((size_t)4096)

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
	atomic_store_explicit(&job->stop, true, memory_order_relaxed);
}

void job_bad_io(struct job *job, struct io_stats *stats, int64_t result, uint64_t offset)
{
	if (result >= 0) {
		stats->short_ios++;
		return;
	}
	stats->errors++;
	job_fail(job, (int)result, "%s of %u bytes at offset %llu: %s",
		 job->direction == DIRECTION_NOP ? "nop" :
		 job->is_write                   ? "write" :
						   "read",
		 job->block_bytes, (unsigned long long)offset, strerror((int)-result));
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

/* Wait until every thread is here. False: there will never be all of them. */
static bool arrive(struct job *job)
{
	uint32_t phase;
	bool complete;

	pthread_mutex_lock(&job->lock);
	phase = job->phase;
	if (++job->n_arrived == job->n_threads) {
		job->n_arrived = 0;
		job->phase++;
		pthread_cond_broadcast(&job->changed);
	}
	while (job->phase == phase && !job->abandoned)
		pthread_cond_wait(&job->changed, &job->lock);
	complete = job->phase != phase;
	pthread_mutex_unlock(&job->lock);
	return complete;
}

static bool has_failed(struct job *job)
{
	bool failed;

	pthread_mutex_lock(&job->lock);
	failed = job->error != 0;
	pthread_mutex_unlock(&job->lock);
	return failed;
}

static void wake_monitor(struct job *job)
{
	uint64_t one = 1;

	/* An eventfd refuses only at 2^64 - 1. */
	if (write(job->wake_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		abort();
}

static void measure(struct job_thread *thread)
{
	struct job *job = thread->job;

	if (!thread->index) {
		getrusage(RUSAGE_SELF, &job->usage_start);
		job->start_ns = clock_now_ns();
		atomic_store(&job->is_started, true);
		wake_monitor(job);
	}
	arrive(job);
	job->loop->thread_run(thread);
	arrive(job);
	if (!thread->index) {
		if (!job->end_ns) /* a loop may know better */
			job->end_ns = clock_now_ns();
		getrusage(RUSAGE_SELF, &job->usage_end);
	}
}

static int allocate_buffers(struct job_thread *thread)
{
	struct job *job = thread->job;
	size_t bytes = job->buffer_bytes * thread->depth;
	uint64_t *words;

	if (!bytes)
		return 0;
	words = aligned_alloc(BUFFER_ALIGN_BYTES, bytes);
	if (!words) {
		job_fail(job, -ENOMEM, "no memory for %u buffers of %u bytes", thread->depth,
			 job->block_bytes);
		return -ENOMEM;
	}
	thread->buffers = (char *)words;
	/* Also so that no page of it is touched for the first time while the clock runs. */
	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = sequence_mix(job->sequence.seed + thread->index + i);
	return 0;
}

static void *thread_main(void *arg)
{
	struct job_thread *thread = arg;
	struct job *job = thread->job;

	/* Nobody sets up before all threads exist: an engine may count on its peers. */
	if (arrive(job)) {
		if (!allocate_buffers(thread))
			(void)job->loop->thread_open(thread);
		arrive(job);
		if (!has_failed(job))
			measure(thread);
		arrive(job);
		/* The first thread may have to wait for what uses the memory of the others. */
		if (!thread->index)
			job->loop->thread_close(thread);
		arrive(job);
		if (thread->index)
			job->loop->thread_close(thread);
	}
	free(thread->buffers);
	atomic_fetch_add(&job->n_ended, 1);
	wake_monitor(job);
	return NULL;
}

static int start_threads(struct job *job, uint32_t *ret_started)
{
	for (uint32_t i = 0; i < job->n_threads; i++) {
		struct job_thread *thread = &job->threads[i];
		int rc = pthread_create(&thread->thread, NULL, thread_main, thread);

		if (rc) {
			job_fail(job, -rc, "thread %u: %s", i, strerror(rc));
			pthread_mutex_lock(&job->lock);
			job->abandoned = true;
			pthread_cond_broadcast(&job->changed);
			pthread_mutex_unlock(&job->lock);
			*ret_started = i;
			return -rc;
		}
	}
	*ret_started = job->n_threads;
	return 0;
}

static double timeval_ns(struct timeval end, struct timeval start)
{
	return (double)(end.tv_sec - start.tv_sec) * 1e9 +
	       (double)(end.tv_usec - start.tv_usec) * 1e3;
}

static double slowest_share(const struct job *job)
{
	uint64_t least = UINT64_MAX, total = 0;

	for (uint32_t i = 0; i < job->n_threads; i++) {
		uint64_t ios = stats_read(&job->shards[i].direction[job->direction].ios);

		total += ios;
		least = ios < least ? ios : least;
	}
	return total ? (double)least * job->n_threads / (double)total : 0;
}

static void collect(struct job *job, struct job_result *result)
{
	const struct rusage *a = &job->usage_start, *b = &job->usage_end;

	for (uint32_t i = 0; i < job->n_shards; i++) {
		for (int d = 0; d < DIRECTIONS; d++)
			io_stats_merge(&result->direction[d], &job->shards[i].direction[d]);
	}
	for (uint32_t i = 0; i < job->n_threads; i++)
		result->system_calls += job->threads[i].system_calls;
	result->slowest_share = slowest_share(job);
	result->runtime_ns = job->end_ns - job->start_ns;
	result->usr_ns = timeval_ns(b->ru_utime, a->ru_utime);
	result->sys_ns = timeval_ns(b->ru_stime, a->ru_stime);
	result->context_switches =
		(uint64_t)(b->ru_nvcsw - a->ru_nvcsw + b->ru_nivcsw - a->ru_nivcsw);
	result->major_faults = (uint64_t)(b->ru_majflt - a->ru_majflt);
	result->minor_faults = (uint64_t)(b->ru_minflt - a->ru_minflt);
	result->engine = job->engine;
	result->error = job->error;
	memcpy(result->message, job->message, sizeof(result->message));
}

static void run_threads(struct job *job, struct job_result *result)
{
	uint32_t n_started = 0;

	if (job->loop->open && job->loop->open(job))
		return;
	if (!start_threads(job, &n_started))
		monitor_watch(job, result);
	for (uint32_t i = 0; i < n_started; i++)
		pthread_join(job->threads[i].thread, NULL);
	if (job->loop->close)
		job->loop->close(job);
}

static const struct loop_ops *loop_of(const struct bench_options *options)
{
	switch (options->ioengine) {
	case BENCH_RAW_URING:
		return &loop_uring;
	case BENCH_RAW_AIO:
		return &loop_aio;
	case BENCH_PSYNC:
		return &loop_psync;
	default:
		return &loop_ioe;
	}
}

uint32_t job_n_fds(const struct bench_options *options)
{
	uint64_t n = options->n_drivers > options->n_fds ? options->n_drivers : options->n_fds;

	return bench_scope(options->ioengine) == SCOPE_OURS ? (uint32_t)n : 1;
}

static void describe(struct job *job, const struct bench_options *options,
		     const struct target *target)
{
	static uint64_t serial;

	job->options = options;
	job->loop = loop_of(options);
	job->target = *target;
	job->serial = ++serial;
	job->is_timed = bench_is_timed(options);
	job->is_write = bench_is_write(options);
	job->direction = options->rw == BENCH_NOP ? DIRECTION_NOP :
			 job->is_write            ? DIRECTION_WRITE :
						    DIRECTION_READ;
	job->ios_max = options->number_ios ? options->number_ios : UINT64_MAX;
	if (options->rw != BENCH_NOP) {
		job->block_bytes = (uint32_t)options->bs_bytes;
		job->buffer_bytes = (options->bs_bytes + BUFFER_ALIGN_BYTES - 1) /
				    BUFFER_ALIGN_BYTES * BUFFER_ALIGN_BYTES;
		job->sequence.n_blocks = target->size_bytes / options->bs_bytes;
		job->sequence.block_bytes = options->bs_bytes;
		if (!options->time_based && job->sequence.n_blocks < job->ios_max)
			job->ios_max = job->sequence.n_blocks;
	}
	if (options->rw == BENCH_NOP)
		job->sequence.n_blocks = UINT64_MAX;
	job->sequence.seed = sequence_mix(options->randseed);
	job->sequence.is_random = bench_is_random(options);
	job->n_threads = job->loop->n_threads(options);
	job->n_shards = job->n_threads + job->loop->n_foreign_shards(options);
}

/* The submitting threads take turns, run IOs each. */
static void interleave(struct job *job, uint32_t run)
{
	uint32_t n = (uint32_t)job->options->submit_threads;
	/* With threading=none the first thread submits nothing. */
	struct job_thread *submitters = &job->threads[job->n_threads - n];

	for (uint32_t i = 0; i < n; i++) {
		submitters[i].next = (uint64_t)i * run;
		submitters[i].run_ios = run;
		submitters[i].skip_ios = (n - 1) * run;
	}
}

static int allocate(struct job *job)
{
	uint32_t depth = (uint32_t)job->options->iodepth;
	struct sysinfo memory;
	size_t shards_bytes = job->n_shards * sizeof(struct job_shard);
	size_t threads_bytes = job->n_threads * sizeof(struct job_thread);

	if (!sysinfo(&memory) &&
	    job->buffer_bytes * depth / 3 * 4 > (uint64_t)memory.totalram * memory.mem_unit) {
		job_fail(job, -ENOMEM, "%u buffers of %u bytes are more than 3/4 of the memory",
			 depth, job->block_bytes);
		return -ENOMEM;
	}
	job->threads = aligned_alloc(_Alignof(struct job_thread), threads_bytes);
	job->shards = aligned_alloc(_Alignof(struct job_shard), shards_bytes);
	if (!job->threads || !job->shards) {
		job_fail(job, -ENOMEM, "no memory for %u threads", job->n_threads);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < job->n_shards; i++) {
		for (int d = 0; d < DIRECTIONS; d++)
			io_stats_init(&job->shards[i].direction[d]);
	}
	for (uint32_t i = 0; i < job->n_threads; i++) {
		job->threads[i] = (struct job_thread){
			.job = job,
			.index = i,
			.shard = &job->shards[i],
			.depth = job->loop->depth(job->options, i),
		};
	}
	if (job->options->interleave)
		interleave(job, (uint32_t)job->options->interleave);
	return 0;
}

int job_run(const struct bench_options *options, const struct target *target,
	    struct job_result *ret_result)
{
	struct job_result result = { .options = *options };
	struct job *job = aligned_alloc(_Alignof(struct job), sizeof(*job));

	result.direction = calloc(DIRECTIONS, sizeof(*result.direction));
	if (!job || !result.direction)
		abort(); /* of a few KiB, at the start of a run */
	for (int d = 0; d < DIRECTIONS; d++)
		io_stats_init(&result.direction[d]);
	if (options->ioengine == BENCH_FIO) {
		free(job);
		(void)fio_run(options, target, &result);
		*ret_result = result;
		return result.error;
	}
	memset(job, 0, sizeof(*job));
	pthread_mutex_init(&job->lock, NULL);
	pthread_cond_init(&job->changed, NULL);
	describe(job, options, target);
	job->wake_fd = (int)sys_result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (job->wake_fd < 0)
		job_fail(job, job->wake_fd, "eventfd: %s", strerror(-job->wake_fd));
	else if (!allocate(job))
		run_threads(job, &result);
	if (job->shards && job->threads)
		collect(job, &result);
	result.error = job->error;
	memcpy(result.message, job->message, sizeof(result.message));
	if (job->wake_fd >= 0)
		close(job->wake_fd);
	pthread_cond_destroy(&job->changed);
	pthread_mutex_destroy(&job->lock);
	free(job->threads);
	free(job->shards);
	free(job);
	*ret_result = result;
	return result.error;
}

void job_result_deinit(struct job_result *result)
{
	free(result->direction);
	result->direction = NULL;
}

uint64_t job_result_ios(const struct job_result *result)
{
	uint64_t ios = 0;

	for (int d = 0; d < DIRECTIONS; d++)
		ios += stats_read(&result->direction[d].ios);
	return ios;
}

bool job_result_is_bad(const struct job_result *result)
{
	if (result->error)
		return true;
	for (int d = 0; d < DIRECTIONS; d++) {
		if (result->direction[d].errors || result->direction[d].short_ios)
			return true;
	}
	return false;
}
