/* SPDX-License-Identifier: MIT
 * loop_producer.c - threads that submit to our engine from where they are, in batches.
 *
 * Each producer has its slice of the depth. A callback does no more than note the time and push
 * its slot on the stack of its producer; the producer takes the whole stack, counts, and submits
 * the slots again, batch_submit at a time.
 *
 * A producer that owns the engine (threading=none) does not sleep: it runs the engine meanwhile.
 *
 * Waking a producer. P1: a callback pushes its slot and adds to n_ready (seq_cst), then looks at
 * is_parked. P2: the producer sets is_parked (seq_cst), then looks at n_ready, then sleeps. In any
 * order of the two, one sees the other: the callback wakes, or the producer does not sleep. Who
 * takes is_parked from 1 to 0 wakes, so there is one wake for each sleep.
 * Invariants: a slot is in the engine, on the stack, or with its producer.
 * Threads:    callbacks push from any thread; one producer takes.
 * Ownership:  slots and producer are the job thread's.
 */
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/bench/loop_ioe.h"

struct producer {
	_Alignas(128) _Atomic(struct ioe_slot *) stack;
	_Atomic int32_t n_ready; /* on the stack; -n for a moment while n are being pushed */
	_Atomic int32_t wake_at; /* n_ready to be woken at; written before is_parked */
	_Alignas(128) _Atomic uint32_t is_parked;
	_Alignas(128) struct ioe_slot *slots;
	struct ioe_event **batch; /* [depth] */
	uint32_t n_batch;
	uint32_t batch_max;
	uint32_t complete_min;
	uint32_t n_out;         /* in the engine, or on the stack */
	struct ioe_engine *own; /* to be run while waiting, or NULL */
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	(void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Callback: give the slot back to its producer. After the push the slot is the producer's; the
 * producer itself lives until the engine has been drained. */
static void on_done(struct ioe_event *event)
{
	struct ioe_slot *slot = event->arg;
	struct producer *producer = slot->producer;
	int32_t ready;

	slot->end_ns = job_now_ns(slot->job);
	slot->next = atomic_load_explicit(&producer->stack, memory_order_relaxed);
	/* Release pairs with the acquire of take_ready(). */
	while (!atomic_compare_exchange_weak_explicit(&producer->stack, &slot->next, slot,
						      memory_order_release, memory_order_relaxed))
		;
	ready = atomic_fetch_add(&producer->n_ready, 1) + 1; /* P1 */
	if (atomic_load(&producer->is_parked) && ready >= atomic_load(&producer->wake_at) &&
	    atomic_exchange(&producer->is_parked, 0))
		futex_wake(&producer->is_parked);
}

int producer_open(struct job_thread *thread)
{
	struct job *job = thread->job;
	const struct bench_options *options = job->options;
	struct producer *producer = aligned_alloc(_Alignof(struct producer), sizeof(*producer));

	if (!producer) {
		job_fail(job, -ENOMEM, "no memory");
		return -ENOMEM;
	}
	memset(producer, 0, sizeof(*producer));
	thread->state = producer;
	producer->batch = calloc(thread->depth, sizeof(struct ioe_event *));
	producer->slots = ioe_slots_new(thread, on_done, producer);
	if (!producer->batch || !producer->slots) {
		job_fail(job, -ENOMEM, "no memory");
		return -ENOMEM;
	}
	producer->batch_max = thread->depth;
	if (options->batch_submit && options->batch_submit < thread->depth)
		producer->batch_max = (uint32_t)options->batch_submit;
	producer->complete_min = (uint32_t)options->batch_complete_min;
	producer->own = ioe_loop_owns(thread) ? ((struct ioe_loop *)job->state)->engine : NULL;
	atomic_fetch_add(&((struct ioe_loop *)job->state)->n_live, 1);
	return 0;
}

void producer_close(struct job_thread *thread)
{
	struct producer *producer = thread->state;

	if (!producer)
		return;
	free(producer->slots);
	free(producer->batch);
	free(producer);
}

static void submit_batch(struct job_thread *thread, struct producer *producer)
{
	struct job *job = thread->job;
	struct ioe_loop *loop = job->state;
	uint32_t n = producer->n_batch;
	uint64_t start_ns = job_now_ns(job);
	int rc;

	if (!n)
		return;
	for (uint32_t i = 0; i < n; i++)
		((struct ioe_slot *)producer->batch[i]->arg)->start_ns = start_ns;
	producer->n_batch = 0;
	rc = ioe_submit_batch(loop->engine, producer->batch, n);
	if (rc > 0)
		producer->n_out += (uint32_t)rc;
	if (rc != (int)n)
		job_fail(job, rc < 0 ? rc : -EIO, "ioe_submit_batch: %d of %u: %s", rc, n,
			 strerror(rc < 0 ? -rc : EIO));
}

/* Put a slot into the batch with the next offset; false: no more IOs. */
static bool submit_later(struct job_thread *thread, struct producer *producer,
			 struct ioe_slot *slot)
{
	uint64_t offset = 0;

	if (!job_thread_take(thread, &offset))
		return false;
	slot->event.offset = offset;
	producer->batch[producer->n_batch++] = &slot->event;
	if (producer->n_batch == producer->batch_max)
		submit_batch(thread, producer);
	return true;
}

static void sleep_until_ready(struct producer *producer, int32_t want)
{
	atomic_store(&producer->wake_at, want);
	atomic_store(&producer->is_parked, 1); /* P2 */
	while (atomic_load(&producer->n_ready) < want && atomic_load(&producer->is_parked))
		futex_wait(&producer->is_parked, 1);
	atomic_store(&producer->is_parked, 0);
}

/* Callbacks run in here, also those of other producers. */
static void run_until_ready(struct job *job, struct producer *producer, int32_t want)
{
	int32_t ready;

	while ((ready = atomic_load(&producer->n_ready)) < want) {
		int rc = ioe_engine_run(producer->own, (uint32_t)(want - ready), -1);

		if (rc < 0) {
			job_fail(job, rc, "ioe_engine_run: %s", strerror(-rc));
			return;
		}
	}
}

/* What has come back, in that order, or NULL after having waited for it. */
static struct ioe_slot *take_ready(struct job *job, struct producer *producer)
{
	struct ioe_slot *slots = NULL, *stack, *next;
	int32_t want = (int32_t)producer->complete_min;

	if (producer->complete_min > producer->n_out)
		want = (int32_t)producer->n_out;
	if (producer->own)
		run_until_ready(job, producer, want);
	else if (atomic_load(&producer->n_ready) < want)
		sleep_until_ready(producer, want);
	/* Acquire pairs with the release of on_done(): the events' results are visible. */
	stack = atomic_exchange_explicit(&producer->stack, NULL, memory_order_acquire);
	/* The last is on top. Turned round, slots and buffers go round like those of a ring. */
	for (; stack; stack = next) {
		next = stack->next;
		stack->next = slots;
		slots = stack;
	}
	return slots;
}

void producer_run(struct job_thread *thread)
{
	struct job *job = thread->job;
	struct producer *producer = thread->state;
	struct io_stats *stats = &thread->shard->direction[job->direction];

	for (uint32_t i = 0; i < thread->depth; i++) {
		if (!submit_later(thread, producer, &producer->slots[i]))
			break;
	}
	submit_batch(thread, producer);
	while (producer->n_out) {
		struct ioe_slot *slot = take_ready(job, producer), *next;
		int32_t n = 0;

		for (; slot; slot = next, n++) {
			next = slot->next;
			producer->n_out--;
			if (job->is_timed)
				histogram_add(&stats->lat, slot->end_ns - slot->start_ns);
			job_count_io(job, stats, slot->event.result, slot->event.offset);
			(void)submit_later(thread, producer, slot);
		}
		atomic_fetch_sub(&producer->n_ready, n);
		submit_batch(thread, producer);
	}
	ioe_loop_retire(job);
}
