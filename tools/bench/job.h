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
#include "tools/bench/job_io.h"
#include "tools/bench/job_result.h"
#include "tools/bench/pattern.h"
#include "tools/bench/stats.h"
#include "tools/bench/target.h"
#include "tools/sys.h"

struct job;
struct job_logs;
struct job_pace;
struct job_verify;

/* Counters of one thread that sees completions. */
struct job_shard {
	_Alignas(128) struct io_stats direction[DIRECTIONS];
	struct io_depths depths;
	/* During ramp_time, and not of the result. */
	_Atomic uint64_t ramp_ios[DIRECTIONS];
	_Atomic uint64_t ramp_bytes[DIRECTIONS];
};

/* A thread of the job; next and system_calls are written by every IO of it. */
struct job_thread {
	_Alignas(128) struct job *job;
	struct job_shard *shard;
	void *state;   /* the loop's */
	char *buffers; /* depth of them, buffer_bytes apart; NULL for nop */
	/* depth of them, ios_stride bytes apart, in the loop's memory; NULL before and after. */
	struct job_io *ios; /* under the job's lock, but for its own thread */
	size_t ios_stride;
	bool leaves_io; /* the kernel may still write to the buffers: they stay */
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
	/* Before all threads run a second time, to read back; thread 0; may be NULL. */
	void (*again)(struct job *job);
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
extern const struct loop_ops loop_null; /* in loop_psync.c */

/* Threads of a job, with those that its engine has started; of more the CPU is not counted. */
#define JOB_TIDS_MAX 1024

struct job {
	/* Written by every IO; what shares its cache lines is not looked at meanwhile. */
	_Alignas(128) _Atomic uint64_t taken; /* number of the next one */

	/* Start and end. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t n_arrived;
	uint32_t phase;
	int error;       /* the first one, which has ended the job */
	int first_error; /* of an IO, where the job went on */
	bool may_start;
	_Atomic bool is_ready;   /* all is set up: waits for job_release() */
	_Atomic bool is_started; /* start_ns is set */
	_Atomic bool is_syncing; /* end_fsync, which may take long */
	_Atomic uint32_t n_ended;
	_Atomic uint32_t n_foreign; /* shards given to foreign threads */
	uint64_t start_ns;          /* of what is measured: the end of ramp_time */
	uint64_t end_ns;
	struct rusage usage_start;
	struct rusage usage_end;
	struct target target;
	struct job_engine engine;
	char message[JOB_MESSAGE_MAX];
	bool has_company; /* runs beside others: CPU is counted by thread */
	int tids[JOB_TIDS_MAX];
	_Atomic uint32_t n_tids;
	uint32_t n_started; /* threads */
	bool is_loop_open;
	bool is_given_up; /* the monitor's: its threads do not end */
	/* Reading back what was written, for verify: after all else, also after the runtime. */
	_Atomic bool is_reading_back;
	_Atomic bool is_over;            /* by an error or Ctrl-C: then not */
	bool is_again;                   /* between two runs of all threads */
	uint64_t read_back_ns;           /* how long it took */
	uint64_t work_end_ns;            /* end_ns, kept while it goes on */
	bool is_work_over;               /* under lock: work_end_ns is set */
	uint64_t ios_before[DIRECTIONS]; /* of all shards, before it */
	struct job_logs *logs;
	uint32_t number; /* of all jobs of the run, from 1 */

	/* Read by every IO. */
	_Alignas(128) _Atomic bool stop;
	_Atomic bool is_special_done; /* job_done_special() is to be called */
	bool is_special_next;         /* job_next_special() */
	bool is_paced;                /* IOs have a time when they are due */
	bool is_timed;
	bool abandoned;       /* not all threads could be started */
	uint32_t block_bytes; /* the largest IO */
	uint32_t n_threads;
	struct pattern pattern;
	const struct bench_options *options;
	const struct loop_ops *loop;
	void *state; /* the loop's */
	struct job_thread *threads;
	struct job_shard *shards;
	uint64_t serial;     /* tells this job from earlier ones, for shards of foreign threads */
	size_t buffer_bytes; /* from one buffer to the next */
	uint32_t n_shards;
	int wake_fd;             /* eventfd, not owned: ready, started, ended */
	_Atomic bool is_ramping; /* what is done does not count yet */
	uint64_t max_latency_ns;
	struct bench_options own_options;
	struct job_pace *pace;
	struct job_verify *verify;
};

/* Run it. target is open; n_fds is job_n_fds(). Always fills *ret_result; returns its error. */
int job_run(const struct bench_options *options, const struct target *target,
	    struct job_result *ret_result);
uint32_t job_n_fds(const struct bench_options *options);

/* For a set of jobs (jobs.c) -------------------------------------------------------------- */

/* Set up, but start nothing; index tells clones apart. wake_fd is an eventfd that is written when
 * the job is ready, has started, or has ended. has_company: other jobs run at the same time. Never
 * NULL: what has failed is in job->error. */
struct job *job_new(const struct bench_options *options, const struct target *target,
		    uint32_t index, int wake_fd, bool has_company);
/* Open the engine, start the threads. What fails is in the result. */
void job_start(struct job *job);
/* Let a job that is ready begin. */
void job_release(struct job *job);
/* No more IO; what is in flight ends. Any thread. */
void job_stop(struct job *job);
/* The same at the end of the runtime: what was written is still read back. */
void job_time_is_up(struct job *job);
/* The end of ramp_time: from here on it counts. */
void job_end_ramp(struct job *job);
/* Ready to begin, or never to be; and ended, all its threads. */
bool job_is_ready(struct job *job);
bool job_has_ended(struct job *job);
/* What it has done so far, while it runs. *ret_result is initialised, and added to. */
void job_snapshot(struct job *job, struct job_result *result);
/* After its end: fill the result and free it. */
void job_finish(struct job *job, struct job_result *result);
/* Instead, if it will not end: fill the result. The job's memory stays with its threads. */
void job_give_up(struct job *job, struct job_result *result);
/* IOs that are out, oldest first: counts all, fills in max of them at the most. */
uint32_t job_missing(struct job *job, struct job_io *ios, uint32_t max);

/* Between the files of the job ------------------------------------------------------------- */

/* What CPU the job has used: of the process, or of its threads if it has company. job_usage.c */
void job_read_usage(const struct job *job, struct rusage *ret_usage);
uint32_t job_list_threads(int ret_tids[JOB_TIDS_MAX]);
/* All threads but those there were before are the job's; and the calling one is. */
void job_note_threads(struct job *job, const int before[], uint32_t n_before);
void job_note_self(struct job *job);
/* cpus_allowed, for the calling thread. What fails is said by job_fail(). */
int job_set_cpus(struct job *job);
/* Fill the result from the shards, when all threads have ended. job_collect.c */
void job_collect(struct job *job, struct job_result *result);
/* Data to write: buffer_pattern, zeros, or what does not compress; buffer has room for whole words.
 * job_flow.c */
void job_fill_buffer(const struct job *job, char *buffer, size_t bytes, uint64_t number);
/* Does job_done() have more to do than to count? job_flow.c */
void job_choose_done(struct job *job);
/* All IO is back: is there something to be read back? Then job_next() says what. */
bool job_start_read_back(struct job *job);
/* An error of an IO after which the job goes on. */
void job_note_error(struct job *job, int error);

/* For the loops ------------------------------------------------------------------------- */

/* End the job with an error; the first one is kept. Any thread. */
__attribute__((format(printf, 3, 4))) void job_fail(struct job *job, int error, const char *format,
						    ...);

/* The shard of a thread that the job did not start. */
struct job_shard *job_foreign_shard(struct job *job);

/* An IO of the index-th slot of a thread, before the first job_next(). */
void job_io_init(struct job_thread *thread, struct job_io *io, uint32_t index);
/* Where the IOs of a thread are, for the list of those that have not come back; NULL: nowhere. */
void job_ios_are(struct job_thread *thread, struct job_io *ios, size_t stride);

/* What job_next() and job_done() do for jobs with more than IO to do. */
bool job_next_special(struct job_thread *thread, struct job_io *io);
void job_done_special(struct job *job, struct job_shard *shard, struct job_io *io, int64_t result,
		      uint64_t now_ns, bool is_issue_seen);

/* An IO that did not end with all its bytes: counts it, keeps the first error, and ends the job
 * for an error unless continue_on_error says not to. */
void job_bad_io(struct job *job, struct io_stats *stats, int64_t result, const struct job_io *io);

/* An IO of job_next() that will not be submitted. */
void job_drop(struct job *job, struct job_io *io);

/* job_due_ns() of a paced job. */
uint64_t job_due_special(struct job_thread *thread, const struct job_io *io);

/* When an IO of job_next() may be submitted: 0: it is submitted now; a time; JOB_NOT_YET: ask
 * again when another one has come back. A loop keeps such an IO, and asks for no other, until it is
 * due. */
#define JOB_NOT_YET UINT64_MAX
static inline uint64_t job_due_ns(struct job_thread *thread, const struct job_io *io)
{
	return thread->job->is_paced ? job_due_special(thread, io) : 0;
}

/* For a loop with one IO in flight: sleep until it is due. False: the job is to stop before. */
bool job_wait_until_due(struct job_thread *thread, struct job_io *io);

/* A step of a wait for something that nobody wakes us for: until due_ns, but not for long, so that
 * the end of the job is seen. */
#define JOB_NAP_NS (10 * NS_PER_MSEC)
static inline uint64_t job_nap_ns(uint64_t due_ns, uint64_t now_ns)
{
	if (due_ns <= now_ns)
		return 0;
	return due_ns - now_ns < JOB_NAP_NS ? due_ns - now_ns : JOB_NAP_NS;
}

static inline bool job_is_stopping(const struct job *job)
{
	return atomic_load_explicit(&job->stop, memory_order_relaxed);
}

/* One n-th of the depth, the first ones with what is left over. */
static inline uint32_t job_slice(uint64_t depth, uint32_t n, uint32_t index)
{
	return (uint32_t)(depth / n) + (index < depth % n);
}

/* What the next IO is; false: no more. It may be submitted when job_due_ns() says so. */
__attribute__((always_inline)) static inline bool job_next(struct job_thread *thread,
							   struct job_io *io)
{
	struct job *job = thread->job;
	uint64_t n;

	if (job_is_stopping(job))
		return false;
	if (job->is_special_next)
		return job_next_special(thread, io);
	n = atomic_fetch_add_explicit(&job->taken, 1, memory_order_relaxed);
	if (n >= job->pattern.ios_max)
		return false;
	io->number = n;
	pattern_at(&job->pattern, n, io);
	atomic_store_explicit(&io->is_out, true, memory_order_relaxed);
	return true;
}

/* The clock, where the job is timed. */
static inline uint64_t job_now_ns(const struct job *job)
{
	return job->is_timed ? clock_now_ns() : 0;
}

/* When an IO begins: now, at now_ns, unless job_next() has taken its time. */
static inline uint64_t job_start_ns(const struct job *job, uint64_t now_ns)
{
	return job->is_special_next ? job_now_ns(job) : now_ns;
}

/* Count an IO that has come back. */
static inline void job_count(struct job *job, struct job_shard *shard, struct job_io *io,
			     int64_t result, uint64_t now_ns, bool is_issue_seen)
{
	struct io_stats *stats = &shard->direction[io->direction];

	if (job->is_timed) {
		histogram_add(&stats->lat, now_ns - io->start_ns);
		if (is_issue_seen && io->issue_ns) {
			histogram_add(&stats->slat, io->issue_ns - io->start_ns);
			histogram_add(&stats->clat, now_ns - io->issue_ns);
		}
	}
	stats_count(&stats->ios, 1);
	if (result > 0)
		stats_count(&stats->bytes, (uint64_t)result);
	if (result != (int64_t)io->bytes)
		job_bad_io(job, stats, result, io);
}

/* An IO has come back, at now_ns: 0 where the job is not timed. shard is that of the thread that
 * calls. is_issue_seen, the same in every call of a loop: it sees the kernel take an IO, and
 * io->issue_ns is set, or 0. The IO may be given to job_next() again. */
static inline void job_done(struct job *job, struct job_shard *shard, struct job_io *io,
			    int64_t result, uint64_t now_ns, bool is_issue_seen)
{
	atomic_store_explicit(&io->is_out, false, memory_order_relaxed);
	if (atomic_load_explicit(&job->is_special_done, memory_order_relaxed))
		job_done_special(job, shard, io, result, now_ns, is_issue_seen);
	else
		job_count(job, shard, io, result, now_ns, is_issue_seen);
}

#endif
