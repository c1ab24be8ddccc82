/* SPDX-License-Identifier: MIT
 * job.c - one run of one engine: threads, start, end, result. The watching is in monitor.c.
 * Invariants: no thread submits before all are set up, and none takes down before all have ended;
 *             the measured time is between these two points.
 * Threads:    see job.h. phase, n_arrived, abandoned, error and message are under lock.
 * Ownership:  see job.h.
 */
#include "tools/bench/job.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "tools/bench/fio.h"
#include "tools/bench/job_logs.h"
#include "tools/bench/job_pace.h"
#include "tools/bench/job_replay.h"
#include "tools/bench/job_verify.h"
#include "tools/bench/monitor.h"

/* Enough for O_DIRECT on every sector size, and no page is shared by two buffers. */
#define BUFFER_ALIGN_BYTES ((size_t)4096)

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

/* fio, too, syncs when the IO has ended, within the runtime. */
static void sync_at_end(struct job_thread *thread)
{
	struct job *job = thread->job;

	for (uint32_t i = 0; job->target.files && i < job->target.n_files; i++) {
		struct job_io io = { .direction = DIRECTION_SYNC, .file = (uint16_t)i };
		int64_t rc;

		io.start_ns = clock_now_ns();
		atomic_store(&job->is_syncing, true);
		rc = sys_result(fsync(target_fd(&job->target, i, 0)));
		atomic_store(&job->is_syncing, false);
		job_done(job, thread->shard, &io, rc, clock_now_ns(), false);
	}
}

/* The first thread, when all is set up: until the monitor lets the job begin. */
static void wait_for_release(struct job *job)
{
	atomic_store(&job->is_ready, true);
	wake_monitor(job);
	pthread_mutex_lock(&job->lock);
	while (!job->may_start)
		pthread_cond_wait(&job->changed, &job->lock);
	pthread_mutex_unlock(&job->lock);
}

/* Once more, to read back what was written. Its time is not that of the job, unless it is all that
 * the job does. */
static void read_back(struct job_thread *thread)
{
	struct job *job = thread->job;
	job->loop->thread_run(thread);
	arrive(job);
	if (thread->index)
		return;
	job->end_ns = clock_now_ns(); /* whatever the loop says of it */
	if (job_verify_is_dry(job)) {
		job_read_usage(job, &job->usage_end);
	} else {
		job->read_back_ns = job->end_ns - job->work_end_ns;
		job->end_ns = job->work_end_ns;
	}
}

/* All IO but that of reading back is done. From here on ramp_time does not end any more: the job
 * has ended in it. */
static void end_work(struct job *job)
{
	pthread_mutex_lock(&job->lock);
	if (!job->end_ns) /* a loop may know better */
		job->end_ns = clock_now_ns();
	/* It may have known it just before ramp_time was over. */
	if (job->end_ns < job->start_ns)
		job->end_ns = job->start_ns;
	job_read_usage(job, &job->usage_end);
	job->work_end_ns = job->end_ns;
	job->is_work_over = true;
	pthread_mutex_unlock(&job->lock);
}

static void measure(struct job_thread *thread)
{
	struct job *job = thread->job;

	if (!thread->index) {
		wait_for_release(job);
		job_read_usage(job, &job->usage_start);
		job->start_ns = clock_now_ns();
		atomic_store(&job->is_started, true);
		wake_monitor(job);
	}
	arrive(job);
	job->loop->thread_run(thread);
	arrive(job);
	if (!thread->index) {
		if (job->options->end_fsync && !has_failed(job)) {
			sync_at_end(thread);
			job->end_ns = 0;
		}
		end_work(job);
		job->is_again = job_start_read_back(job);
	}
	arrive(job);
	if (job->is_again)
		read_back(thread);
}

static int allocate_buffers(struct job_thread *thread)
{
	struct job *job = thread->job;
	size_t bytes = job->buffer_bytes * thread->depth;

	if (!bytes)
		return 0;
	thread->buffers = aligned_alloc(BUFFER_ALIGN_BYTES, bytes);
	if (!thread->buffers) {
		job_fail(job, -ENOMEM, "no memory for %u buffers of %u bytes", thread->depth,
			 job->block_bytes);
		return -ENOMEM;
	}
	/* Also so that no page of it is touched for the first time while the clock runs. */
	for (uint32_t i = 0; i < thread->depth; i++)
		job_fill_buffer(job, thread->buffers + job->buffer_bytes * i, job->buffer_bytes,
				((uint64_t)thread->index << 32) + i);
	return 0;
}

/* cpus_allowed of the job: here, as the engine's threads are started from here or from loop->open,
 * and inherit it. */
static void *thread_main(void *arg)
{
	struct job_thread *thread = arg;
	struct job *job = thread->job;

	(void)job_set_cpus(job);
	job_note_self(job);
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
	if (!thread->leaves_io)
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

static const struct loop_ops *loop_of(const struct bench_options *options)
{
	switch (options->ioengine) {
	case BENCH_RAW_URING:
		return &loop_uring;
	case BENCH_RAW_AIO:
		return &loop_aio;
	case BENCH_PSYNC:
		return &loop_psync;
	case BENCH_NULL:
		return &loop_null;
	default:
		return &loop_ioe;
	}
}

uint32_t job_n_fds(const struct bench_options *options)
{
	uint64_t n = options->n_drivers > options->n_fds ? options->n_drivers : options->n_fds;

	return bench_scope(options->ioengine) == SCOPE_OURS ? (uint32_t)n : 1;
}

/* Options as the loops want them. */
static void adapt(struct job *job, const struct bench_options *options)
{
	job->own_options = *options;
	/* IOs that are not due yet want a thread that waits for the time. */
	if (job->is_paced && bench_scope(options->ioengine) == SCOPE_OURS &&
	    !options->submit_threads)
		job->own_options.submit_threads = 1;
	job->options = &job->own_options;
}

static int describe(struct job *job, const struct bench_options *options,
		    const struct target *target, uint32_t index)
{
	static uint64_t serial;
	int rc;

	job->is_paced = job_pace_is_wanted(options);
	adapt(job, options);
	job->loop = loop_of(options);
	job->target = *target;
	job->serial = ++serial;
	job->is_timed = bench_is_timed(options);
	job->max_latency_ns = options->max_latency_ns;
	if (options->rw != BENCH_NOP) {
		job->block_bytes = (uint32_t)options->bs_bytes;
		job->buffer_bytes = (options->bs_bytes + BUFFER_ALIGN_BYTES - 1) /
				    BUFFER_ALIGN_BYTES * BUFFER_ALIGN_BYTES;
	}
	rc = pattern_init(&job->pattern, job->options, target->areas, target->n_files, index);
	if (rc) {
		job_fail(job, rc, "%s",
			 rc == -ENOMEM ? "no memory for the pattern of its IO" :
			 rc == -ERANGE ? "a zone of random_distribution begins behind "
					 "the end of the file" :
					 "there is no room for an IO in the file");
		return rc;
	}
	job->n_threads = job->loop->n_threads(job->options);
	job->n_shards = job->n_threads + job->loop->n_foreign_shards(job->options);
	/* A list may go over its files more than once. */
	if (options->replay) {
		job->pattern.ios_max = replay_n_ios(options->replay);
		if (options->number_ios && options->number_ios < job->pattern.ios_max)
			job->pattern.ios_max = options->number_ios;
	}
	job->number = index + 1;
	if (options->interleave && job->pattern.kind != PATTERN_SEQUENTIAL) {
		job_fail(job, -EINVAL, "interleave is for plain sequential IO of one size");
		return -EINVAL;
	}
	job->is_special_next = job->pattern.kind == PATTERN_STEPPED || options->interleave ||
			       (options->refill_buffers && bench_is_write(options)) ||
			       job->is_paced || options->verify || options->replay ||
			       options->write_iolog;
	atomic_init(&job->is_ramping, options->ramp_time_ns != 0);
	return 0;
}

/* What a job does beside IO. */
static int add_extras(struct job *job)
{
	int rc = job_verify_init(job);

	if (!rc)
		rc = job_pace_init(job);
	if (!rc)
		rc = job_logs_init(job);
	job_choose_done(job);
	return rc;
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
	memset(job->shards, 0, shards_bytes);
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

struct job *job_new(const struct bench_options *options, const struct target *target,
		    uint32_t index, int wake_fd, bool has_company)
{
	struct job *job = aligned_alloc(_Alignof(struct job), sizeof(*job));

	if (!job)
		abort(); /* of some KiB, at the start of a run */
	memset(job, 0, sizeof(*job));
	pthread_mutex_init(&job->lock, NULL);
	pthread_cond_init(&job->changed, NULL);
	job->wake_fd = wake_fd;
	job->has_company = has_company;
	if (!describe(job, options, target, index) && !allocate(job))
		(void)add_extras(job);
	return job;
}

/* The engine's threads inherit the CPUs of the thread that opens it. */
static int open_loop(struct job *job)
{
	int before[JOB_TIDS_MAX];
	uint32_t n_before = 0;
	cpu_set_t old;
	int rc;

	if (!job->loop->open)
		return 0;
	if (job->has_company)
		n_before = job_list_threads(before);
	if (sched_getaffinity(0, sizeof(old), &old))
		CPU_ZERO(&old);
	rc = job_set_cpus(job);
	if (!rc)
		rc = job->loop->open(job);
	if (CPU_COUNT(&old))
		(void)sched_setaffinity(0, sizeof(old), &old);
	job->is_loop_open = !rc;
	if (job->has_company && !rc)
		job_note_threads(job, before, n_before);
	return rc;
}

void job_start(struct job *job)
{
	if (job->error || open_loop(job))
		return;
	(void)start_threads(job, &job->n_started);
}

void job_release(struct job *job)
{
	pthread_mutex_lock(&job->lock);
	job->may_start = true;
	pthread_cond_broadcast(&job->changed);
	pthread_mutex_unlock(&job->lock);
}

bool job_has_ended(struct job *job)
{
	return atomic_load(&job->n_ended) >= job->n_started;
}

bool job_is_ready(struct job *job)
{
	return atomic_load(&job->is_ready) || job_has_ended(job);
}

void job_end_ramp(struct job *job)
{
	pthread_mutex_lock(&job->lock);
	if (!job->is_work_over) {
		job_read_usage(job, &job->usage_start);
		job->start_ns = clock_now_ns();
		atomic_store(&job->is_ramping, false);
		job_choose_done(job);
	}
	pthread_mutex_unlock(&job->lock);
}

void job_finish(struct job *job, struct job_result *result)
{
	for (uint32_t i = 0; i < job->n_started; i++)
		pthread_join(job->threads[i].thread, NULL);
	if (job->is_loop_open && job->loop->close)
		job->loop->close(job);
	job_verify_finish(job);
	job_logs_write(job);
	job_collect(job, result);
	job_verify_deinit(job);
	job_logs_deinit(job);
	job_pace_deinit(job);
	pattern_deinit(&job->pattern);
	pthread_cond_destroy(&job->changed);
	pthread_mutex_destroy(&job->lock);
	free(job->threads);
	free(job->shards);
	free(job);
}

int job_run(const struct bench_options *options, const struct target *target,
	    struct job_result *ret_result)
{
	struct job_result *result = ret_result;
	struct monitor_plan plan = { .eta = options->eta };
	struct job *job;
	int wake_fd;

	if (job_result_init(result, options))
		abort(); /* of some KiB, at the start of a run */
	if (options->ioengine == BENCH_FIO) {
		(void)fio_run(options, target, result);
		return result->error;
	}
	wake_fd = (int)sys_result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (wake_fd < 0) {
		result->error = wake_fd;
		snprintf(result->message, sizeof(result->message), "eventfd: %s",
			 strerror(-wake_fd));
		return wake_fd;
	}
	job = job_new(options, target, 0, wake_fd, false);
	job_start(job);
	plan.jobs = &job;
	plan.results = &result;
	plan.n_jobs = 1;
	plan.wake_fd = wake_fd;
	monitor_watch(&plan);
	if (job->is_given_up) {
		job_give_up(job, result);
	} else {
		job_finish(job, result);
		close(wake_fd);
	}
	return result->error;
}
