/* SPDX-License-Identifier: MIT
 * loop_ioe.h - what the ways of submitting to our engine share.
 * Invariants: a slot's event is set up once; from then on only its offset changes.
 * Threads:    a slot belongs to whoever has its event: the engine, its callback, or a producer.
 * Ownership:  slots are the job thread's that allocated them, until all its events are back.
 */
#ifndef IOE_TOOLS_LOOP_IOE_H
#define IOE_TOOLS_LOOP_IOE_H

#include <semaphore.h>

#include "tools/bench/job.h"

struct producer;

/* One IO in flight: the event first, on cache lines of its own. */
struct ioe_slot {
	_Alignas(64) struct ioe_event event;
	uint64_t start_ns;
	uint64_t end_ns;
	struct job *job;
	struct producer *producer; /* NULL: submitted from callbacks */
	struct ioe_slot *next;     /* in the producer's stack */
};

/* Of the whole job: job.state. */
struct ioe_loop {
	struct ioe_engine *engine;
	/* Slots in flight, of those that resubmit themselves, or producers still at work: the last
	 * one posts all_back. */
	_Atomic uint32_t n_live;
	sem_t all_back;
	bool is_driven; /* threading=none: thread 0 runs the engine */
};

/* Prepare an IO of the job: at offset, of buffer, of the index-th file descriptor. */
void ioe_loop_prepare(const struct job *job, struct ioe_event *event, uint32_t index, char *buffer,
		      uint64_t offset);

/* depth slots with prepared events, or NULL. Free with free(). */
struct ioe_slot *ioe_slots_new(struct job_thread *thread, ioe_callback callback,
			       struct producer *producer);

/* Whether this thread is the engine's owner (threading=none): the first one. */
bool ioe_loop_owns(const struct job_thread *thread);

/* One less of n_live. */
void ioe_loop_retire(struct job *job);

/* Threads that submit from where they are: loop_producer.c. */
int producer_open(struct job_thread *thread);
void producer_run(struct job_thread *thread);
void producer_close(struct job_thread *thread);

/* Threads that wait for each IO: loop_waiter.c. */
void waiter_run(struct job_thread *thread);

#endif
