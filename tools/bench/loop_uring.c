/* SPDX-License-Identifier: MIT
 * loop_uring.c - reference loop: io_uring through liburing.
 *
 * By default it makes the system calls that fio's io_uring engine makes: a ring with COOP_TASKRUN,
 * SINGLE_ISSUER and DEFER_TASKRUN as far as the kernel has them, one io_uring_enter for each IO
 * submitted, one completion taken at a time. Everything that is faster is an option.
 * Invariants: see loop_raw.h; the ring has room for every slot, so a submission entry is there.
 * Threads:    each job thread has its own ring and touches no other.
 * Ownership:  ring and slots are the thread's state.
 */
#include <liburing.h>
#include <string.h>

#include "tools/bench/loop_raw.h"

/* Answers of -EAGAIN or -EBUSY in a row, with nothing completing, before giving up. */
#define BUSY_MAX 1000000

struct uring {
	struct io_uring ring;
	struct raw_slots slots;
	uint32_t batch_submit;
	uint32_t complete_min;
	uint32_t complete_max;
	uint32_t n_busy;
	bool has_ring;
	bool submit_and_wait;
	bool fixed_file;
	bool fixed_buffers;
	bool is_broken;
};

static int setup_ring(struct job_thread *thread, struct uring *uring)
{
	const struct bench_options *options = thread->job->options;
	struct io_uring_params params;
	uint32_t wanted[] = {
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN,
		0,
	};
	int rc = -EINVAL;

	/* An older kernel answers -EINVAL to a flag it does not know: one step back, as fio. */
	for (size_t i = options->defer_taskrun ? 0 : 1; i < 3 && rc == -EINVAL; i++) {
		memset(&params, 0, sizeof(params));
		params.flags = wanted[i] | IORING_SETUP_CQSIZE |
			       (options->hipri ? IORING_SETUP_IOPOLL : 0);
		params.cq_entries = thread->depth;
		rc = io_uring_queue_init_params(thread->depth, &uring->ring, &params);
	}
	if (rc)
		job_fail(thread->job, rc, "io_uring_setup: %s", strerror(-rc));
	uring->has_ring = !rc;
	return rc;
}

static int register_buffers(struct job_thread *thread, struct uring *uring)
{
	struct iovec *iov = calloc(thread->depth, sizeof(*iov));
	int rc;

	if (!iov)
		return -ENOMEM;
	for (uint32_t i = 0; i < thread->depth; i++) {
		iov[i].iov_base = thread->buffers + thread->job->buffer_bytes * i;
		iov[i].iov_len = thread->job->block_bytes;
	}
	rc = io_uring_register_buffers(&uring->ring, iov, thread->depth);
	free(iov);
	return rc;
}

/* File i of the target becomes file i of the ring. */
static int register_files(const struct job *job, struct uring *uring)
{
	const uint32_t n = job->target.n_files;
	int *fds = calloc(n, sizeof(*fds));
	int rc;

	if (!fds)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		fds[i] = target_fd(&job->target, i, 0);
	rc = io_uring_register_files(&uring->ring, fds, n);
	free(fds);
	return rc;
}

static int register_all(struct job_thread *thread, struct uring *uring)
{
	struct job *job = thread->job;
	const struct bench_options *options = job->options;
	int rc;

	if (options->registerring) {
		rc = io_uring_register_ring_fd(&uring->ring);
		if (rc != 1) {
			job_fail(job, rc < 0 ? rc : -EINVAL, "--registerring: %s",
				 strerror(rc < 0 ? -rc : EINVAL));
			return -EINVAL;
		}
	}
	if (!job->target.n_files)
		return 0;
	if (options->registerfiles) {
		rc = register_files(job, uring);
		if (rc) {
			job_fail(job, rc, "--registerfiles: %s", strerror(-rc));
			return rc;
		}
		uring->fixed_file = true;
	}
	if (options->fixedbufs) {
		rc = register_buffers(thread, uring);
		if (rc) {
			job_fail(job, rc, "--fixedbufs: %s", strerror(-rc));
			return rc;
		}
		uring->fixed_buffers = true;
	}
	return 0;
}

static int uring_thread_open(struct job_thread *thread)
{
	const struct bench_options *options = thread->job->options;
	struct uring *uring = calloc(1, sizeof(*uring));

	thread->state = uring;
	if (!uring || raw_slots_init(&uring->slots, thread)) {
		job_fail(thread->job, -ENOMEM, "no memory");
		return -ENOMEM;
	}
	uring->batch_submit = raw_min(options->batch_submit, thread->depth);
	uring->complete_min = raw_min(options->batch_complete_min, thread->depth);
	uring->complete_max = raw_min(options->batch_complete_max, RAW_REAP_MAX);
	uring->submit_and_wait = options->submit_and_wait;
	if (setup_ring(thread, uring))
		return -EIO;
	return register_all(thread, uring);
}

static void uring_thread_close(struct job_thread *thread)
{
	struct uring *uring = thread->state;

	if (!uring)
		return;
	if (uring->has_ring)
		io_uring_queue_exit(&uring->ring);
	raw_slots_deinit(&uring->slots, thread);
	free(uring);
}

static void prepare(struct job_thread *thread, struct uring *uring, uint32_t i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
	const struct job_io *io = &uring->slots.io[i];
	const int fd = !thread->job->target.n_files ? -1 :
		       uring->fixed_file            ? io->file :
						      raw_fd(thread->job, io);

	if (io->direction == DIRECTION_NOP)
		io_uring_prep_nop(sqe);
	else if (io->direction == DIRECTION_SYNC)
		io_uring_prep_fsync(sqe, fd, io->is_datasync ? IORING_FSYNC_DATASYNC : 0);
	else if (uring->fixed_buffers && io->direction == DIRECTION_WRITE)
		io_uring_prep_write_fixed(sqe, fd, io->buffer, io->bytes, io->offset, (int)i);
	else if (uring->fixed_buffers)
		io_uring_prep_read_fixed(sqe, fd, io->buffer, io->bytes, io->offset, (int)i);
	else if (io->direction == DIRECTION_WRITE)
		io_uring_prep_write(sqe, fd, io->buffer, io->bytes, io->offset);
	else
		io_uring_prep_read(sqe, fd, io->buffer, io->bytes, io->offset);
	if (uring->fixed_file && io->direction != DIRECTION_NOP)
		sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = i;
}

/* What a submitting call has answered. */
static void submitted(struct job_thread *thread, struct uring *uring, int rc, bool is_seen)
{
	thread->system_calls++;
	if (rc > 0) {
		raw_slots_given(&uring->slots, thread, (uint32_t)rc, is_seen);
		uring->n_busy = 0;
	} else if (rc != -EINTR &&
		   ((rc != -EAGAIN && rc != -EBUSY && rc) || ++uring->n_busy > BUSY_MAX)) {
		job_fail(thread->job, rc, "io_uring_enter: %s", strerror(-rc));
		uring->is_broken = true;
	}
}

/* Give over what is queued, as fio's commit: no waiting, but completions are run. */
static void submit(struct job_thread *thread, struct uring *uring)
{
	submitted(thread, uring, io_uring_submit_and_get_events(&uring->ring), true);
}

static void reap(struct job_thread *thread, struct uring *uring)
{
	struct io_uring_cqe *cqes[RAW_REAP_MAX];
	uint32_t index[RAW_REAP_MAX];
	int result[RAW_REAP_MAX];
	unsigned n = io_uring_peek_batch_cqe(&uring->ring, cqes, uring->complete_max);

	if (!n)
		return;
	for (unsigned i = 0; i < n; i++) {
		index[i] = (uint32_t)cqes[i]->user_data;
		result[i] = cqes[i]->res;
	}
	io_uring_cq_advance(&uring->ring, n);
	stats_count(&thread->shard->depths.complete[io_depths_batch(n)], 1);
	uring->slots.now_ns = job_now_ns(thread->job);
	for (unsigned i = 0; i < n; i++)
		raw_slots_back(&uring->slots, thread, index[i], result[i]);
	uring->n_busy = 0;
}

/* With an IO in hand that is not due: for completions, but no longer than that. */
static void wait_until_due(struct job_thread *thread, struct uring *uring)
{
	struct raw_slots *slots = &uring->slots;
	const uint64_t ns = job_nap_ns(slots->due_ns, clock_now_ns());
	struct __kernel_timespec limit = { (long long)(ns / NS_PER_SECOND),
					   (long long)(ns % NS_PER_SECOND) };
	struct io_uring_cqe *cqe;

	if (slots->n_queued) {
		submit(thread, uring);
	} else if (!slots->n_in_kernel) {
		raw_slots_nap(slots);
	} else if (ns) {
		int rc = io_uring_wait_cqes(&uring->ring, &cqe, 1, &limit, NULL);

		thread->system_calls++;
		if (rc && rc != -EINTR && rc != -EAGAIN && rc != -ETIME)
			submitted(thread, uring, rc, false);
	}
	reap(thread, uring);
}

static void wait_and_reap(struct job_thread *thread, struct uring *uring)
{
	struct raw_slots *slots = &uring->slots;
	struct io_uring_cqe *cqe;
	uint32_t min = raw_min(uring->complete_min, slots->n_queued + slots->n_in_kernel);

	if (uring->submit_and_wait) {
		int rc = io_uring_submit_and_wait(&uring->ring, min);

		/* 0: nothing was queued, and the wait is over. */
		if (rc || slots->n_queued)
			submitted(thread, uring, rc, false);
		else
			thread->system_calls++;
	} else {
		if (slots->n_queued)
			submit(thread, uring);
		min = raw_min(min, slots->n_in_kernel);
		if (min && io_uring_cq_ready(&uring->ring) < min) {
			int rc = io_uring_wait_cqe_nr(&uring->ring, &cqe, min);

			thread->system_calls++;
			if (rc && rc != -EINTR && rc != -EAGAIN)
				submitted(thread, uring, rc, false);
		}
	}
	reap(thread, uring);
}

static void uring_thread_run(struct job_thread *thread)
{
	struct uring *uring = thread->state;
	struct raw_slots *slots = &uring->slots;

	slots->now_ns = job_now_ns(thread->job);
	while (!uring->is_broken) {
		int64_t i;

		while (!uring->is_broken && (i = raw_slots_take(slots, thread)) >= 0) {
			prepare(thread, uring, (uint32_t)i);
			if (slots->n_queued >= uring->batch_submit &&
			    (slots->n_free || !uring->submit_and_wait))
				submit(thread, uring);
		}
		if (slots->waiting >= 0)
			wait_until_due(thread, uring);
		else if (slots->n_queued || slots->n_in_kernel)
			wait_and_reap(thread, uring);
		else
			break;
	}
	/* Closing a ring does not wait for what it has. */
	thread->leaves_io = slots->n_in_kernel > 0;
}

const struct loop_ops loop_uring = {
	.name = "raw-io_uring",
	.n_threads = raw_n_threads,
	.n_foreign_shards = raw_n_foreign_shards,
	.depth = raw_depth,
	.thread_open = uring_thread_open,
	.thread_run = uring_thread_run,
	.thread_close = uring_thread_close,
};
