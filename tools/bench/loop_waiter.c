/* SPDX-License-Identifier: MIT
 * loop_waiter.c - threads that submit one IO to our engine and wait for it, as psync's do.
 *
 * What a program does that has blocking code and threads: an event on the stack, prepared anew for
 * each IO, ioe_submit(), ioe_wait(); no callback.
 * Invariants: one IO in flight for each thread; nothing else between two of them but the counting.
 * Threads:    submit_threads of them, which share only the number of the next IO. With
 *             threading=none there is one, which drives the engine while it waits.
 * Ownership:  the event is on the stack of its thread, which has waited when it leaves.
 */
#include <string.h>

#include "tools/bench/loop_ioe.h"

void waiter_run(struct job_thread *thread)
{
	struct job *job = thread->job;
	struct ioe_loop *loop = job->state;
	struct io_stats *stats = &thread->shard->direction[job->direction];
	uint64_t start_ns = job_now_ns(job), offset = 0;

	while (job_thread_take(thread, &offset)) {
		struct ioe_event event;
		int64_t result;
		uint64_t now;
		int rc;

		ioe_loop_prepare(job, &event, thread->index, thread->buffers, offset);
		rc = ioe_submit(loop->engine, &event);
		if (rc) {
			job_fail(job, rc, "ioe_submit: %s", strerror(-rc));
			break;
		}
		result = ioe_wait(loop->engine, &event);
		now = job_now_ns(job);
		if (job->is_timed)
			histogram_add(&stats->lat, now - start_ns);
		job_count_io(job, stats, result, offset);
		start_ns = now;
	}
}
