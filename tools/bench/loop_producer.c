/* SPDX-License-Identifier: MIT
 * loop_producer.c - threads that submit to our engine from where they are, in batches.
 *
 * Each producer has its slice of the depth. A callback does no more than note the time and push
 * its slot on the stack of its producer; the producer takes the whole stack, counts, and submits
 * the slots again, batch_submit at a time, as soon as their next IO is due.
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
#include <assert.h>
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
	uint32_t n_out; /* in the engine, or on the stack */
	/* The slot whose IO is not due before due_ns, and those behind it that have none. */
	struct ioe_slot *waiting;
	struct ioe_slot *idle; /* linked by io.next */
	uint64_t due_ns;
	struct ioe_engine *own; /* to be run while waiting, or NULL */
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value, const struct timespec *limit)
{
	(void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, limit, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Callback: give the slot back to its producer. After the push the slot is the producer's; the
 * producer itself lives until the engine has been drained. */
static void on_done(struct ioe_event *event)
{
	struct ioe_slot *slot = ioe_slot_of(event);
	struct job_thread *thread = event->arg;
	struct producer *producer = thread->state;
	struct ioe_slot *top = atomic_load_explicit(&producer->stack, memory_order_relaxed);
	int32_t ready;

	slot->io.end_ns = job_now_ns(thread->job);
	/* Release pairs with the acquire of take_ready(). */
	do
		slot->io.next = top;
	while (!atomic_compare_exchange_weak_explicit(&producer->stack, &top, slot,
						      memory_order_release, memory_order_relaxed));
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
	producer->slots = ioe_slots_new(thread, on_done);
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
	ioe_slots_free(thread, producer->slots);
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
		ioe_slot_of(producer->batch[i])->io.start_ns = start_ns;
	producer->n_batch = 0;
	rc = ioe_submit_batch(loop->engine, producer->batch, n);
	for (int i = 0; i < rc; i++)
		io_depths_level(&thread->shard->depths, ++producer->n_out);
	stats_count(&thread->shard->depths.submit[io_depths_batch(n)], 1);
	if (rc != (int)n)
		job_fail(job, rc < 0 ? rc : -EIO, "ioe_submit_batch: %d of %u: %s", rc, n,
			 strerror(rc < 0 ? -rc : EIO));
}

/* A slot that has its next IO goes into the batch. */
static void submit_later(struct job_thread *thread, struct producer *producer,
			 struct ioe_slot *slot)
{
	ioe_slot_prepare(thread->job, slot);
	if (thread->job->is_paced) /* otherwise all of the depth is always out */
		io_depths_level(&thread->shard->depths, producer->n_out + producer->n_batch + 1);
	producer->batch[producer->n_batch++] = &slot->event;
	if (producer->n_batch == producer->batch_max)
		submit_batch(thread, producer);
}

static bool is_due(struct job_thread *thread, struct producer *producer, struct ioe_slot *slot)
{
	if (!thread->job->is_paced)
		return true;
	producer->due_ns = job_due_ns(thread, &slot->io);
	return !producer->due_ns;
}

/* Give a slot the next IO, if there is one: it is submitted, or waits until it is due. Meanwhile
 * others are idle. */
static void begin(struct job_thread *thread, struct producer *producer, struct ioe_slot *slot)
{
	if (producer->waiting) {
		slot->io.next = producer->idle;
		producer->idle = slot;
	} else if (job_next(thread, &slot->io)) {
		if (is_due(thread, producer, slot))
			submit_later(thread, producer, slot);
		else
			producer->waiting = slot;
	}
}

/* Has what was waiting become due? Then the idle ones come after it. */
static void look_at_waiting(struct job_thread *thread, struct producer *producer)
{
	struct ioe_slot *slot = producer->waiting;

	if (slot && job_is_stopping(thread->job)) {
		job_drop(thread->job, &slot->io);
		producer->waiting = NULL;
	} else if (slot && is_due(thread, producer, slot)) {
		producer->waiting = NULL;
		submit_later(thread, producer, slot);
		while (!producer->waiting && (slot = producer->idle)) {
			producer->idle = slot->io.next;
			begin(thread, producer, slot);
		}
	}
	submit_batch(thread, producer);
}

/* limit_ns: 0: none. */
static void sleep_until_ready(struct producer *producer, int32_t want, uint64_t limit_ns)
{
	const struct timespec limit = { (time_t)(limit_ns / NS_PER_SECOND),
					(long)(limit_ns % NS_PER_SECOND) };

	atomic_store(&producer->wake_at, want);
	atomic_store(&producer->is_parked, 1); /* P2 */
	while (atomic_load(&producer->n_ready) < want && atomic_load(&producer->is_parked)) {
		futex_wait(&producer->is_parked, 1, limit_ns ? &limit : NULL);
		if (limit_ns)
			break;
	}
	atomic_store(&producer->is_parked, 0);
}

/* Callbacks run in here, also those of other producers. */
static void run_until_ready(struct job *job, struct producer *producer, int32_t want,
			    uint64_t limit_ns)
{
	int32_t ready;

	while ((ready = atomic_load(&producer->n_ready)) < want) {
		int rc = ioe_engine_run(producer->own, (uint32_t)(want - ready),
					limit_ns ? (int64_t)limit_ns : -1);

		if (rc < 0)
			job_fail(job, rc, "ioe_engine_run: %s", strerror(-rc));
		if (rc < 0 || limit_ns)
			return;
	}
}

/* Wait for what is to come back, or until the next IO is due. */
static void wait_until_ready(struct job *job, struct producer *producer)
{
	int32_t want = (int32_t)producer->complete_min;
	uint64_t limit_ns = 0;

	if (producer->complete_min > producer->n_out)
		want = (int32_t)producer->n_out;
	if (producer->waiting) {
		limit_ns = job_nap_ns(producer->due_ns, clock_now_ns());
		if (!limit_ns)
			return;
		want = 1;
	}
	if (producer->own)
		run_until_ready(job, producer, want, limit_ns);
	else if (atomic_load(&producer->n_ready) < want)
		sleep_until_ready(producer, want, limit_ns);
}

/* What has come back, in that order; NULL: nothing. */
static struct ioe_slot *take_ready(struct job *job, struct producer *producer)
{
	struct ioe_slot *slots = NULL, *stack, *next;

	wait_until_ready(job, producer);
	/* Acquire pairs with the release of on_done(): the events' results are visible. */
	stack = atomic_exchange_explicit(&producer->stack, NULL, memory_order_acquire);
	/* The last is on top. Turned round, slots and buffers go round like those of a ring. */
	for (; stack; stack = next) {
		next = stack->io.next;
		stack->io.next = slots;
		slots = stack;
	}
	return slots;
}

void producer_run(struct job_thread *thread)
{
	struct job *job = thread->job;
	struct producer *producer = thread->state;
	struct ioe_slot *slots = producer->slots;

	assert(slots);
	for (uint32_t i = 0; i < thread->depth; i++)
		begin(thread, producer, &slots[i]);
	submit_batch(thread, producer);
	while (producer->n_out || producer->waiting) {
		struct ioe_slot *slot = take_ready(job, producer), *next;
		int32_t n = 0;

		for (; slot; slot = next, n++) {
			next = slot->io.next;
			producer->n_out--;
			job_done(job, thread->shard, &slot->io, slot->event.result, slot->io.end_ns,
				 false);
			begin(thread, producer, slot);
		}
		atomic_fetch_sub(&producer->n_ready, n);
		if (n)
			stats_count(&thread->shard->depths.complete[io_depths_batch((uint32_t)n)],
				    1);
		look_at_waiting(thread, producer);
	}
	ioe_loop_retire(job);
}
