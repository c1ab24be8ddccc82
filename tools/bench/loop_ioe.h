/* SPDX-License-Identifier: MIT
 * loop_ioe.h - what the ways of submitting to our engine share.
 * Invariants: where all IOs are alike, a slot's event is set up once, and only its offset changes.
 * Threads:    a slot belongs to whoever has its event: the engine, its callback, or a producer.
 * Ownership:  slots are the job thread's that allocated them, until all its events are back.
 */
#ifndef IOE_TOOLS_LOOP_IOE_H
#define IOE_TOOLS_LOOP_IOE_H

#include <semaphore.h>

#include "tools/bench/job.h"

/* One IO in flight, on cache lines of its own. event.arg is the job thread that has the slot. */
struct ioe_slot {
	_Alignas(64) struct ioe_event event;
	struct job_io io; /* io.next: the slot below in the producer's stack */
};

static inline struct ioe_slot *ioe_slot_of(struct ioe_event *event)
{
	return (struct ioe_slot *)event; /* the first member */
}

/* Of the whole job: job.state. */
struct ioe_loop {
	struct ioe_engine *engine;
	/* Slots in flight, of those that resubmit themselves, or producers still at work: the last
	 * one posts all_back. */
	_Atomic uint32_t n_live;
	sem_t all_back;
	bool is_driven;  /* threading=none: thread 0 runs the engine */
	bool is_uniform; /* events differ in their offset only */
};

/* Prepare an event for an IO, of the index-th file descriptor of its file. */
void ioe_loop_prepare(const struct job *job, struct ioe_event *event, uint32_t index,
		      const struct job_io *io);

void ioe_slot_prepare_anew(const struct job *job, struct ioe_slot *slot);

/* The event of a slot for its next IO: all of it where IOs may differ in more than their offset. */
static inline void ioe_slot_prepare(const struct job *job, struct ioe_slot *slot)
{
	if (((struct ioe_loop *)job->state)->is_uniform)
		slot->event.offset = slot->io.offset;
	else
		ioe_slot_prepare_anew(job, slot);
}

/* depth slots with prepared events, or NULL. Free with ioe_slots_free(). */
struct ioe_slot *ioe_slots_new(struct job_thread *thread, ioe_callback callback);
void ioe_slots_free(struct job_thread *thread, struct ioe_slot *slots);

/* Whether this thread is the engine's owner (threading=none): the first one. */
bool ioe_loop_owns(const struct job_thread *thread);

/* One less of n_live. */
void ioe_loop_retire(struct job *job);

/* Threads that submit from where they are: loop_producer.c. */
int producer_open(struct job_thread *thread);
void producer_run(struct job_thread *thread);
void producer_close(struct job_thread *thread);

/* Threads that wait for each IO: loop_waiter.c. */
int waiter_open(struct job_thread *thread);
void waiter_run(struct job_thread *thread);
void waiter_close(struct job_thread *thread);

#endif
