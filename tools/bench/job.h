/* SPDX-License-Identifier: MIT
 * job.h - one run of one engine: its threads, its clock, what it counted.
 *
 * job_run() sets up the engine, starts the threads, watches the time, and hands back a result;
 * it prints nothing but the live line. The engines (loop_*.c) sit behind struct loop_ops.
 * Invariants: only what lies between the first submission and the last completion is measured:
 *             neither setting up nor tearing down.
 * Threads:    job_run() on the main thread; loop_ops on the job's threads, except as noted.
 * Ownership:  the job's memory is the job's; a result is the caller's, freed by job_result_deinit.
 */
#ifndef IOE_TOOLS_JOB_H
#define IOE_TOOLS_JOB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "engine/ioe.h"
#include "tools/bench/bench_options.h"
#include "tools/bench/job_sequence.h"
#include "tools/bench/stats.h"
#include "tools/bench/target.h"
#include "tools/sys.h"

#define JOB_MESSAGE_MAX 256

struct job;

/* Counters of one thread that sees completions. */
struct job_shard {
	_Alignas(128) struct io_stats direction[DIRECTIONS];
};

/* A thread of the job; next and system_calls are written by every IO of it. */
struct job_thread {
	_Alignas(128) struct job *job;
	struct job_shard *shard;
	void *state;   /* the loop's */
	char *buffers; /* depth of them, buffer_bytes apart; NULL for nop */
	uint32_t index;
	uint32_t depth;        /* its slice of iodepth */
	uint64_t system_calls; /* that a reference loop made */
	/* interleave: number of its next IO, how many in a row are its own, and how many then are
	 * those of others; run_ios 0: numbers are from the job's counter. */
	uint64_t next;
	uint32_t run_ios;
	uint32_t skip_ios;
	pthread_t thread;
};

/* What runs the IO of a job. All return 0 or -errno, having said why by job_fail(). */
struct loop_ops {
	const char *name;
	/* How many threads, and shards for threads that are not the job's own; main thread. */
	uint32_t (*n_threads)(const struct bench_options *options);
	uint32_t (*n_foreign_shards)(const struct bench_options *options);
	/* Before and after all threads; main thread; may be NULL. close() follows an open() that
	 * was successful. */
	int (*open)(struct job *job);
	void (*close)(struct job *job);
	/* The slice of iodepth of a thread. */
	uint32_t (*depth)(const struct bench_options *options, uint32_t index);
	/* On each thread: set up; IO until there is no more; take down. thread_close() is called
	 * when every thread has ended its IO, on thread 0 before the others, and also after a
	 * thread_open() that failed or was not reached. */
	int (*thread_open)(struct job_thread *thread);
	void (*thread_run)(struct job_thread *thread);
	void (*thread_close)(struct job_thread *thread);
};

/* Completions that a reference loop takes at once, at most. */
#define RAW_REAP_MAX 64

extern const struct loop_ops loop_ioe; /* submitted from callbacks, or by loop_producer.c */
extern const struct loop_ops loop_uring;
extern const struct loop_ops loop_aio;
extern const struct loop_ops loop_psync;

/* What ours says of itself. */
struct job_engine {
	bool is_set;
	char backend[16];
	char reason[256];
	struct ioe_stats stats;
};

struct job {
	/* Written by every IO; what shares its cache lines is not looked at meanwhile. */
	_Alignas(128) _Atomic uint64_t taken; /* number of the next one */

	/* Start and end. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t n_arrived;
	uint32_t phase;
	int error; /* the first one */
	_Atomic bool is_started;
	_Atomic uint32_t n_ended;
	_Atomic uint32_t n_foreign; /* shards given to foreign threads */
	uint64_t start_ns;
	uint64_t end_ns;
	struct rusage usage_start;
	struct rusage usage_end;
	struct target target;
	struct job_engine engine;
	char message[JOB_MESSAGE_MAX];

	/* Read by every IO. */
	_Atomic bool stop;
	bool is_timed;
	bool is_write;
	bool abandoned; /* not all threads could be started */
	enum direction direction;
	uint32_t block_bytes;
	uint32_t n_threads;
	uint64_t ios_max;
	struct sequence sequence;
	const struct bench_options *options;
	const struct loop_ops *loop;
	void *state; /* the loop's */
	struct job_thread *threads;
	struct job_shard *shards;
	uint64_t serial;     /* tells this job from earlier ones, for shards of foreign threads */
	size_t buffer_bytes; /* from one buffer to the next */
	uint32_t n_shards;
	int wake_fd; /* eventfd: started, or ended */
};

struct job_result {
	struct bench_options options;
	int error; /* of the job, or of its first failed IO: -errno */
	char message[JOB_MESSAGE_MAX];
	bool interrupted;
	struct io_stats *direction; /* [DIRECTIONS] */
	struct rate_samples iops[DIRECTIONS];
	struct rate_samples bytes_per_second[DIRECTIONS];
	uint64_t runtime_ns;
	double usr_ns;
	double sys_ns;
	uint64_t context_switches;
	uint64_t major_faults;
	uint64_t minor_faults;
	uint64_t system_calls; /* reference loops */
	/* IOs of the submitting thread that did fewest, by the mean of them; 0 where callbacks
	 * submit, and of fio. */
	double slowest_share;
	struct job_engine engine;
};

/* Run it. target is open; n_fds is job_n_fds(). Always fills *ret_result; returns its error. */
int job_run(const struct bench_options *options, const struct target *target,
	    struct job_result *ret_result);
void job_result_deinit(struct job_result *result);
uint32_t job_n_fds(const struct bench_options *options);

/* All IOs of a result, of any direction. */
uint64_t job_result_ios(const struct job_result *result);
bool job_result_is_bad(const struct job_result *result);

/* For the loops ------------------------------------------------------------------------- */

/* End the job with an error; the first one is kept. Any thread. */
__attribute__((format(printf, 3, 4))) void job_fail(struct job *job, int error, const char *format,
						    ...);

/* The shard of a thread that the job did not start. */
struct job_shard *job_foreign_shard(struct job *job);

/* An IO that did not end with all its bytes: counts it, keeps the first error, and ends the job
 * for an error as fio does. */
void job_bad_io(struct job *job, struct io_stats *stats, int64_t result, uint64_t offset);

/* One n-th of the depth, the first ones with what is left over. */
static inline uint32_t job_slice(uint64_t depth, uint32_t n, uint32_t index)
{
	return (uint32_t)(depth / n) + (index < depth % n);
}

/* Take the number of the next IO and with it its offset; false: no more. Any thread. */
static inline bool job_take(struct job *job, uint64_t *ret_offset)
{
	uint64_t n;

	if (atomic_load_explicit(&job->stop, memory_order_relaxed))
		return false;
	n = atomic_fetch_add_explicit(&job->taken, 1, memory_order_relaxed);
	if (n >= job->ios_max)
		return false;
	*ret_offset = sequence_offset(&job->sequence, n);
	return true;
}

/* The same for an IO that this thread submits: interleaved threads have numbers of their own. */
static inline bool job_thread_take(struct job_thread *thread, uint64_t *ret_offset)
{
	struct job *job = thread->job;

	if (!thread->run_ios)
		return job_take(job, ret_offset);
	if (atomic_load_explicit(&job->stop, memory_order_relaxed) || thread->next >= job->ios_max)
		return false;
	*ret_offset = sequence_offset(&job->sequence, thread->next);
	if (++thread->next % thread->run_ios == 0)
		thread->next += thread->skip_ios;
	return true;
}

/* The clock, where the job is timed. */
static inline uint64_t job_now_ns(const struct job *job)
{
	return job->is_timed ? clock_now_ns() : 0;
}

/* Count an IO that has come back. */
static inline void job_count_io(struct job *job, struct io_stats *stats, int64_t result,
				uint64_t offset)
{
	stats_count(&stats->ios, 1);
	if (result > 0)
		stats_count(&stats->bytes, (uint64_t)result);
	if (result != (int64_t)job->block_bytes)
		job_bad_io(job, stats, result, offset);
}

#endif
