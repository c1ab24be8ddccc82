/* SPDX-License-Identifier: MIT
 * workers.h - pools of threads that run small pieces of work: callbacks, or blocking calls.
 *
 * A piece of work is a struct ioe__node inside something of its owner's; pushing it cannot
 * fail, allocates nothing and never blocks. Owners keep account of what has been done.
 *
 * Invariants: each node pushed is run exactly once, by some worker; a node waits only while every
 *             worker is running another; nodes start in the order they were pushed, as far as
 *             one pusher and one worker are concerned.
 * Threads:    push by any thread, workers of the pool included; attach, detach, open, close by
 *             any, but not by a worker of the pool.
 * Ownership:  nodes are the pushers' again when run() is called. The pool must outlive the calls
 *             of push, and an owner the calls of add_done and wait. */
#ifndef IOE_WORKERS_H
#define IOE_WORKERS_H

#include "engine/ioe.h"

#define IOE__WORKERS_MAX 256

/* n_done counts pieces in its lower bits and calls of ioe__work_owner_poke() above: whoever pokes
 * compares counts modulo this. */
#define IOE__WORK_POKE (UINT64_C(1) << 40)

/* Whose work it is, and the account of it. Lives in the owner's memory, all 0 but run, from attach
 * to detach. The gaps keep apart what different threads write, wherever the struct stands. */
struct ioe__work_owner {
	void (*run)(struct ioe__node *node); /* called for each node; may free what it is in */
	uint8_t gap0[64];
	/* Pieces done: run() has returned. Free-running; see ioe__work_owner_done(). */
	uint64_t n_done;
	uint8_t gap1[64];
	/* Threads in ioe__work_owner_wait(), and the word they sleep on. */
	uint32_t n_waiters;
	uint32_t wait_word;
};

/* Start n threads (1 to IOE__WORKERS_MAX) named name_prefix with the index appended ("ioe-wrk" ->
 * "ioe-wrk0"), of which Linux keeps 15 characters. All signals are blocked in them but the
 * synchronous ones. 0, -ENOMEM or -EAGAIN; *ret_workers is set on success only. */
int ioe__workers_open(uint32_t n, const char *name_prefix, struct ioe_workers **ret_workers);

/* Run what is still queued, end the threads, free. NULL is 0. -EBUSY while an owner is attached:
 * then nothing has been done. */
int ioe__workers_close(struct ioe_workers *workers);

/* How many there are; and which of them the calling thread is, in [0, n): inside run() only. */
uint32_t ioe__workers_n(const struct ioe_workers *workers);
uint32_t ioe__worker_index(void);

/* Before the first push of a piece of the owner's. */
void ioe__workers_attach(struct ioe_workers *workers, struct ioe__work_owner *owner);

/* After the last piece of the owner's has been seen done: wait until no worker looks at *owner any
 * more, so that its memory can be freed. Sleeps for some 50 us in the rare case that one does. */
void ioe__workers_detach(struct ioe_workers *workers, struct ioe__work_owner *owner);

/* Push a chain of nodes, linked by next in the order to be run, each with its owner set; last's
 * next need not be set. Wakes one worker at the most; that one wakes another if there is more. */
void ioe__workers_push(struct ioe_workers *workers, struct ioe__node *first,
		       struct ioe__node *last);

/* Account n pieces as done on another thread than a worker (a driver running callbacks itself),
 * and wake the waiters. */
void ioe__work_owner_add_done(struct ioe__work_owner *owner, uint64_t n);

/* Make every ioe__work_owner_wait() return whose `seen` was read before this: something else than
 * n_done that the waiters look at has changed. */
void ioe__work_owner_poke(struct ioe__work_owner *owner);

/* Pieces done so far (acquire: what they did is visible), plus IOE__WORK_POKE for each poke. */
uint64_t ioe__work_owner_done(const struct ioe__work_owner *owner);

/* Sleep until ioe__work_owner_done() is no longer `seen`, for timeout_ns at most (-1: no limit);
 * may return early. 0 or -ETIMEDOUT. */
int ioe__work_owner_wait(struct ioe__work_owner *owner, uint64_t seen, int64_t timeout_ns);

/* Start a thread of the library: signals blocked as ioe.h says, named (15 characters are kept).
 * 0, -EAGAIN or -ENOMEM. pthread_t by pointer, so that this header needs no pthread.h. */
int ioe__thread_start(void *ret_pthread, const char *name, void *(*main)(void *), void *arg);

#endif
