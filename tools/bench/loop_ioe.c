/* SPDX-License-Identifier: MIT
 * loop_ioe.c - our engine under load: opening, events that resubmit themselves, closing.
 *
 * Without submit_threads, iodepth events are submitted once and each is submitted again by its own
 * callback, wherever the engine runs that. With submit_threads they are submitted by these, which
 * go on meanwhile (loop_producer.c) or wait for each (loop_waiter.c). With threading=none, thread 0
 * drives the engine, beside the producers if there are any.
 * Invariants: the engine is closed by the thread that may be its owner, after all IO is back.
 * Threads:    callbacks run on the engine's threads and count into shards of their own.
 * Ownership:  slots are the job thread's; the engine is the job's.
 */
#include "tools/bench/loop_ioe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_none(const struct bench_options *options)
{
	return options->threading == IOE_THREADING_NONE;
}

static uint32_t ours_n_threads(const struct bench_options *options)
{
	return options->submit_threads ? (uint32_t)options->submit_threads : 1;
}

/* The threads that callbacks run on. */
static uint32_t ours_n_foreign_shards(const struct bench_options *options)
{
	if (options->threading == IOE_THREADING_POOL)
		return (uint32_t)options->callback_threads;
	return (uint32_t)options->n_drivers;
}

static uint32_t ours_depth(const struct bench_options *options, uint32_t index)
{
	if (!options->submit_threads)
		return (uint32_t)options->iodepth;
	return job_slice(options->iodepth, (uint32_t)options->submit_threads, index);
}

static void configure(const struct bench_options *options, struct ioe_config *config)
{
	static const uint32_t backends[] = {
		[BENCH_AUTO] = IOE_BACKEND_AUTO,
		[BENCH_URING] = IOE_BACKEND_URING,
		[BENCH_AIO] = IOE_BACKEND_AIO,
		[BENCH_THREADS] = IOE_BACKEND_THREADS,
	};

	config->backend = backends[options->ioengine];
	config->threading = (uint32_t)options->threading;
	config->n_drivers = (uint32_t)options->n_drivers;
	if (options->threading == IOE_THREADING_POOL)
		config->n_workers = (uint32_t)options->callback_threads;
	config->n_helpers = (uint32_t)options->n_helpers;
	/* The depth of the backend threads is its number of helpers. */
	if (!config->n_helpers && options->ioengine == BENCH_THREADS)
		config->n_helpers = (uint32_t)(options->iodepth < 256 ? options->iodepth : 256);
	config->depth_max = (uint32_t)(options->depth_max ? options->depth_max : options->iodepth);
	config->channel_capacity = (uint32_t)options->channel_capacity;
	config->merge_max_bytes = (uint32_t)options->merge_max_bytes;
	config->merge_max_events = (uint32_t)options->merge_max_events;
	config->flags = (options->nomerge ? IOE_ENGINE_NO_MERGE : 0) |
			(options->no_timing ? IOE_ENGINE_NO_TIMING : 0);
	if (options->spin_ns != SPIN_DEFAULT)
		config->spin_ns = options->spin_ns ? options->spin_ns : IOE_CONFIG_OFF;
}

static int ours_open(struct job *job)
{
	struct ioe_config config = { .size = sizeof(config) };
	struct ioe_loop *loop = calloc(1, sizeof(*loop));
	int rc;

	if (!loop) {
		job_fail(job, -ENOMEM, "no memory");
		return -ENOMEM;
	}
	configure(job->options, &config);
	rc = ioe_engine_open(&config, &loop->engine);
	if (rc) {
		job_fail(job, rc, "ioe_engine_open, backend %s: %s",
			 options_choice_name(bench_ioengines, job->options->ioengine),
			 strerror(-rc));
		free(loop);
		return rc;
	}
	sem_init(&loop->all_back, 0, 0);
	loop->is_driven = is_none(job->options);
	loop->is_uniform = job->pattern.kind != PATTERN_STEPPED && !job->pattern.is_mixed &&
			   !job->verify && !job->options->replay;
	job->state = loop;
	job->engine.is_set = true;
	snprintf(job->engine.backend, sizeof(job->engine.backend), "%s",
		 ioe_engine_backend(loop->engine));
	snprintf(job->engine.reason, sizeof(job->engine.reason), "%s",
		 ioe_engine_reason(loop->engine));
	return 0;
}

static void ours_close(struct job *job)
{
	struct ioe_loop *loop = job->state;

	/* With threading=none thread 0, the owner, has closed it. */
	(void)ioe_engine_close(loop->engine, IOE_CLOSE_DRAIN);
	sem_destroy(&loop->all_back);
	free(loop);
}

void ioe_loop_prepare(const struct job *job, struct ioe_event *event, uint32_t index,
		      const struct job_io *io)
{
	/* Events go to the driver of their fd, so several drivers want several. The target may have
	 * more, for another side of a comparison. */
	int fd = job->target.n_files ?
			 target_fd(&job->target, io->file, index % job_n_fds(job->options)) :
			 -1;

	if (io->direction == DIRECTION_NOP)
		ioe_prep_nop(event);
	else if (io->direction == DIRECTION_WRITE)
		ioe_prep_write(event, fd, io->buffer, io->bytes, io->offset);
	else if (io->direction == DIRECTION_READ)
		ioe_prep_read(event, fd, io->buffer, io->bytes, io->offset);
	else if (io->is_datasync)
		ioe_prep_fdatasync(event, fd);
	else
		ioe_prep_fsync(event, fd);
}

void ioe_slot_prepare_anew(const struct job *job, struct ioe_slot *slot)
{
	struct job_thread *thread = slot->event.arg;
	const ioe_callback callback = slot->event.callback;

	/* Its number, as the IOs are where the slots are. */
	const size_t index = (size_t)((char *)&slot->io - (char *)thread->ios) / sizeof(*slot);

	ioe_loop_prepare(job, &slot->event, (uint32_t)index, &slot->io);
	slot->event.callback = callback;
	slot->event.arg = thread;
}

struct ioe_slot *ioe_slots_new(struct job_thread *thread, ioe_callback callback)
{
	struct job *job = thread->job;
	struct ioe_slot *slots =
		aligned_alloc(_Alignof(struct ioe_slot), thread->depth * sizeof(*slots));

	if (!slots) {
		job_fail(job, -ENOMEM, "no memory for %u events", thread->depth);
		return NULL;
	}
	memset(slots, 0, thread->depth * sizeof(*slots));
	for (uint32_t i = 0; i < thread->depth; i++) {
		struct ioe_slot *slot = &slots[i];

		job_io_init(thread, &slot->io, i);
		ioe_loop_prepare(job, &slot->event, i, &slot->io);
		slot->event.callback = callback;
		slot->event.arg = thread;
	}
	job_ios_are(thread, &slots[0].io, sizeof(*slots));
	return slots;
}

void ioe_slots_free(struct job_thread *thread, struct ioe_slot *slots)
{
	job_ios_are(thread, NULL, 0);
	free(slots);
}

bool ioe_loop_owns(const struct job_thread *thread)
{
	return thread->index == 0 && ((struct ioe_loop *)thread->job->state)->is_driven;
}

void ioe_loop_retire(struct job *job)
{
	struct ioe_loop *loop = job->state;

	if (atomic_fetch_sub(&loop->n_live, 1) == 1) {
		/* The end of the job, whenever its threads come to notice. */
		job->end_ns = clock_now_ns();
		sem_post(&loop->all_back);
	}
}

/* Apart, so that go_on() stays short. */
__attribute__((noinline)) static void end_refused(struct job *job, struct job_io *io, int rc)
{
	job_drop(job, io);
	job_fail(job, rc, "ioe_submit: %s", strerror(-rc));
	ioe_loop_retire(job);
}

/* The next IO of a slot, which is live; or one less of these. */
__attribute__((always_inline)) static inline void go_on(struct job_thread *thread,
							struct ioe_slot *slot, uint64_t now_ns)
{
	struct job *job = thread->job;
	int rc;

	if (!job_next(thread, &slot->io)) {
		ioe_loop_retire(job);
		return;
	}
	slot->io.start_ns = job_start_ns(job, now_ns);
	ioe_slot_prepare(job, slot);
	rc = ioe_submit(((struct ioe_loop *)job->state)->engine, &slot->event);
	if (rc)
		end_refused(job, &slot->io, rc);
}

/* Count, and go round again. */
static void on_done(struct ioe_event *event)
{
	struct ioe_slot *slot = ioe_slot_of(event);
	struct job_thread *thread = event->arg;
	struct job *job = thread->job;
	const uint64_t now_ns = job_now_ns(job);

	job_done(job, job_foreign_shard(job), &slot->io, event->result, now_ns, false);
	go_on(thread, slot, now_ns);
}

static int ours_thread_open(struct job_thread *thread)
{
	if (thread->job->options->waiting)
		return waiter_open(thread);
	if (thread->job->options->submit_threads)
		return producer_open(thread);
	thread->state = ioe_slots_new(thread, on_done);
	return thread->state ? 0 : -ENOMEM;
}

/* Submit the first round. All of it counts as live from the start, so that callbacks which run
 * dry at once do not end the job. */
static void kick_off(struct job_thread *thread)
{
	struct ioe_loop *loop = thread->job->state;
	struct ioe_slot *slots = thread->state;

	atomic_store(&loop->n_live, thread->depth);
	for (uint32_t i = 0; i < thread->depth; i++)
		go_on(thread, &slots[i], job_now_ns(thread->job));
}

/* threading=none: be the engine's thread until all is back. */
static void drive(struct job_thread *thread)
{
	struct ioe_loop *loop = thread->job->state;

	while (atomic_load(&loop->n_live)) {
		/* The producers end without an event, hence the limit. */
		int rc = ioe_engine_run(loop->engine, 1, 10 * (int64_t)NS_PER_MSEC);

		if (rc < 0) {
			job_fail(thread->job, rc, "ioe_engine_run: %s", strerror(-rc));
			break;
		}
	}
}

static void ours_thread_run(struct job_thread *thread)
{
	struct ioe_loop *loop = thread->job->state;

	/* An engine without owner would make us wait for room. */
	if (ioe_loop_owns(thread))
		(void)!ioe_engine_run(loop->engine, 0, 0);
	if (thread->job->options->waiting)
		waiter_run(thread);
	else if (thread->job->options->submit_threads)
		producer_run(thread);
	else
		kick_off(thread);
	if (ioe_loop_owns(thread))
		drive(thread);
	else if (!thread->job->options->submit_threads)
		while (sem_wait(&loop->all_back))
			;
}

/* The first run has left none of them live. */
static void ours_again(struct job *job)
{
	struct ioe_loop *loop = job->state;

	if (job->options->submit_threads && !job->options->waiting)
		atomic_store(&loop->n_live, job->n_threads);
}

static void ours_thread_close(struct job_thread *thread)
{
	struct job *job = thread->job;
	struct ioe_loop *loop = job->state;

	if (!thread->index) {
		/* Everything is back, but a callback may still be about to return. */
		int rc = ioe_engine_drain(loop->engine);

		if (rc)
			job_fail(job, rc, "ioe_engine_drain: %s", strerror(-rc));
		job->engine.stats.size = sizeof(job->engine.stats);
		(void)ioe_engine_stats(loop->engine, &job->engine.stats);
		if (loop->is_driven) {
			(void)ioe_engine_close(loop->engine, IOE_CLOSE_DRAIN);
			loop->engine = NULL;
		}
	}
	if (job->options->waiting)
		waiter_close(thread);
	else if (job->options->submit_threads)
		producer_close(thread);
	else
		ioe_slots_free(thread, thread->state);
}

const struct loop_ops loop_ioe = {
	.name = "ioe",
	.open = ours_open,
	.close = ours_close,
	.again = ours_again,
	.n_threads = ours_n_threads,
	.n_foreign_shards = ours_n_foreign_shards,
	.depth = ours_depth,
	.thread_open = ours_thread_open,
	.thread_run = ours_thread_run,
	.thread_close = ours_thread_close,
};
