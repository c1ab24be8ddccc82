/* SPDX-License-Identifier: MIT
 * loop_aio.c - reference loop: the system calls of Linux AIO.
 *
 * By default it makes the system calls that fio's libaio engine makes: one io_submit for each
 * IO, one io_getevents for each completion. Everything that is faster is an option.
 * Invariants: see loop_raw.h; iocb i belongs to slot i.
 * Threads:    each job thread has its own context and touches no other.
 * Ownership:  context and slots are the thread's state.
 */
#include <linux/aio_abi.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/bench/loop_raw.h"

/* Answers of -EAGAIN in a row, with nothing in the kernel, before giving up. */
#define BUSY_MAX 1000000

/* What an aio_context_t points to: the completion ring, mapped by io_setup(2). Its layout is
 * part of the ABI by way of this magic, which libaio checks too. */
#define AIO_RING_MAGIC 0xa10a10a1u

struct aio_ring {
	unsigned id;
	unsigned nr;
	unsigned head; /* ours */
	unsigned tail; /* the kernel's */
	unsigned magic;
	unsigned compat_features;
	unsigned incompat_features;
	unsigned header_length;
	struct io_event events[];
};

struct aio {
	aio_context_t context;
	struct raw_slots slots;
	struct iocb *iocb;   /* [depth] */
	struct iocb **batch; /* [depth]: what io_submit is given */
	uint32_t batch_submit;
	uint32_t complete_min;
	uint32_t complete_max;
	uint32_t n_busy;
	bool userspace_reap;
	bool is_broken;
};

static int aio_thread_open(struct job_thread *thread)
{
	struct job *job = thread->job;
	const struct bench_options *options = job->options;
	struct aio *aio = calloc(1, sizeof(*aio));
	const struct aio_ring *ring;
	int rc;

	thread->state = aio;
	if (aio) {
		aio->iocb = calloc(thread->depth, sizeof(*aio->iocb));
		aio->batch = calloc(thread->depth, sizeof(struct iocb *));
	}
	if (!aio || !aio->iocb || !aio->batch || raw_slots_init(&aio->slots, thread)) {
		job_fail(job, -ENOMEM, "no memory");
		return -ENOMEM;
	}
	aio->batch_submit = raw_min(options->batch_submit, thread->depth);
	aio->complete_min = raw_min(options->batch_complete_min, thread->depth);
	aio->complete_max = raw_min(options->batch_complete_max, RAW_REAP_MAX);
	aio->complete_min = raw_min(aio->complete_min, aio->complete_max);
	rc = (int)sys_result(syscall(SYS_io_setup, thread->depth, &aio->context));
	if (rc < 0) {
		job_fail(job, rc, "io_setup: %s", strerror(-rc));
		return rc;
	}
	ring = (const struct aio_ring *)(uintptr_t)aio->context;
	aio->userspace_reap = options->userspace_reap && ring->magic == AIO_RING_MAGIC;
	return 0;
}

static void aio_thread_close(struct job_thread *thread)
{
	struct aio *aio = thread->state;

	if (!aio)
		return;
	if (aio->context)
		(void)syscall(SYS_io_destroy, aio->context);
	raw_slots_deinit(&aio->slots, thread);
	free(aio->batch);
	free(aio->iocb);
	free(aio);
}

static void prepare(struct job_thread *thread, struct aio *aio, uint32_t i)
{
	const struct job_io *io = &aio->slots.io[i];
	struct iocb *iocb = &aio->iocb[i];

	iocb->aio_data = i;
	iocb->aio_fildes = (uint32_t)raw_fd(thread->job, io);
	if (io->direction == DIRECTION_SYNC)
		iocb->aio_lio_opcode = io->is_datasync ? IOCB_CMD_FDSYNC : IOCB_CMD_FSYNC;
	else
		iocb->aio_lio_opcode =
			io->direction == DIRECTION_WRITE ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
	/* The kernel refuses a sync with any of these. */
	iocb->aio_buf = io->direction == DIRECTION_SYNC ? 0 : (uintptr_t)io->buffer;
	iocb->aio_nbytes = io->bytes;
	iocb->aio_offset = (int64_t)io->offset;
}

static void submit(struct job_thread *thread, struct aio *aio)
{
	struct raw_slots *slots = &aio->slots;
	int rc;

	for (uint32_t i = 0; i < slots->n_queued; i++)
		aio->batch[i] = &aio->iocb[slots->queued[i]];
	rc = (int)sys_result(
		syscall(SYS_io_submit, aio->context, (long)slots->n_queued, aio->batch));
	thread->system_calls++;
	if (rc > 0) {
		raw_slots_given(slots, thread, (uint32_t)rc, true);
		aio->n_busy = 0;
	} else if (rc != -EAGAIN && rc != -EINTR && rc) {
		/* The error of the first one: it ends with it, the others go on. */
		uint32_t first = slots->queued[0];

		raw_slots_given(slots, thread, 1, true);
		raw_slots_back(slots, thread, first, rc);
	} else if (!slots->n_in_kernel && ++aio->n_busy > BUSY_MAX) {
		job_fail(thread->job, -EAGAIN, "io_submit: %s", strerror(EAGAIN));
		aio->is_broken = true;
	}
}

/* Take completions out of the mapped ring: what io_getevents does, without the call. */
static uint32_t reap_ring(struct aio *aio, struct io_event *events, uint32_t max)
{
	struct aio_ring *ring = (struct aio_ring *)(uintptr_t)aio->context;
	unsigned head = ring->head; /* only we move it */
	/* Pairs with the kernel's write barrier between event and tail in aio_complete(). */
	unsigned tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
	uint32_t n = 0;

	while (head != tail && n < max) {
		events[n++] = ring->events[head];
		head = head + 1 == ring->nr ? 0 : head + 1;
	}
	/* The kernel may write over the events from here on. */
	if (n)
		__atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
	return n;
}

/* At most until an IO in hand is due. */
static void wait_and_reap(struct job_thread *thread, struct aio *aio)
{
	struct raw_slots *slots = &aio->slots;
	struct io_event events[RAW_REAP_MAX];
	const bool is_waiting = slots->waiting >= 0;
	const uint64_t ns = is_waiting ? job_nap_ns(slots->due_ns, clock_now_ns()) : 0;
	struct timespec limit = { (time_t)(ns / NS_PER_SECOND), (long)(ns % NS_PER_SECOND) };
	uint32_t min = is_waiting ? 1 : raw_min(aio->complete_min, slots->n_in_kernel);
	uint32_t n = 0;

	if (aio->userspace_reap)
		n = reap_ring(aio, events, aio->complete_max);
	if (n < min) {
		int rc = (int)sys_result(syscall(SYS_io_getevents, aio->context, (long)(min - n),
						 (long)(aio->complete_max - n), events + n,
						 is_waiting ? &limit : NULL));

		thread->system_calls++;
		if (rc >= 0) {
			n += (uint32_t)rc;
		} else if (rc != -EINTR) {
			job_fail(thread->job, rc, "io_getevents: %s", strerror(-rc));
			aio->is_broken = true;
		}
	}
	if (!n)
		return;
	stats_count(&thread->shard->depths.complete[io_depths_batch(n)], 1);
	slots->now_ns = job_now_ns(thread->job);
	for (uint32_t i = 0; i < n; i++)
		raw_slots_back(slots, thread, (uint32_t)events[i].data, events[i].res);
}

static void aio_thread_run(struct job_thread *thread)
{
	struct aio *aio = thread->state;
	struct raw_slots *slots = &aio->slots;

	slots->now_ns = job_now_ns(thread->job);
	while (!aio->is_broken) {
		int64_t i;

		while (!aio->is_broken && (i = raw_slots_take(slots, thread)) >= 0) {
			prepare(thread, aio, (uint32_t)i);
			if (slots->n_queued >= aio->batch_submit)
				submit(thread, aio);
		}
		if (!aio->is_broken && slots->n_queued)
			submit(thread, aio);
		if (slots->n_in_kernel)
			wait_and_reap(thread, aio);
		else if (slots->waiting >= 0)
			raw_slots_nap(slots);
		else if (!slots->n_queued)
			break;
	}
}

const struct loop_ops loop_aio = {
	.name = "raw-libaio",
	.n_threads = raw_n_threads,
	.n_foreign_shards = raw_n_foreign_shards,
	.depth = raw_depth,
	.thread_open = aio_thread_open,
	.thread_run = aio_thread_run,
	.thread_close = aio_thread_close,
};
