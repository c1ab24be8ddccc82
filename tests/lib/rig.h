/* SPDX-License-Identifier: MIT
 * rig.h - an engine under test, the events given to it, and what their callbacks saw; and the
 *         macros that make one test body run on every backend and threading mode.
 *
 *     DATA_TEST(conformance, read_returns_the_bytes)
 *     {
 *             struct job *job = rig_jobs(rig, 1);
 *             int fd = rig_file(rig, 65536);
 *
 *             rig_open(rig, NULL);
 *             ioe_prep_read(&job->event, fd, rig_buffer(rig, 4096), 4096, 8192);
 *             check_eq(rig_do(rig, job), 4096);
 *     }
 *
 * Invariants: when the body has returned, the engine is closed and each event accepted through
 *             rig_submit() and rig_try() has had exactly one callback; else the test fails.
 * Threads:    the rig_...() functions on the test's thread, which is the owner with NONE; but
 *             rig_submit(), rig_try() and rig_count() in callbacks too.
 * Ownership:  jobs, files and buffers of a rig live until the body has returned and the engine has
 *             been closed. */
#ifndef IOE_TESTS_RIG_H
#define IOE_TESTS_RIG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/ioe.h"
#include "tests/check.h"
#include "tests/lib/fail.h"
#include "tests/lib/memory.h"
#include "tests/lib/place.h"
#include "tests/lib/process.h"
#include "tests/lib/random.h"

/* How long anything may take that must come: seconds, not a measure of speed. */
#define RIG_PATIENCE_NS (INT64_C(15000000000) * (CHECK_SANITIZED ? 4 : 1))
#define RIG_SEED        UINT64_C(0x696f65)

struct bad_file;

struct rig_row {
	const char *name;
	uint32_t backend;
	uint32_t threading;
	enum place place;
};

struct rig {
	struct rig_row row;
	bool direct;
	/* What lengths and offsets are multiples of here: 4096 with O_DIRECT and on a block device
	 * (whose size is whole sectors), else 1000. */
	uint64_t unit;
	struct ioe_engine *engine;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under lock. */
	uint32_t n_submitted;
	uint32_t n_finished;
	uint32_t n_twice; /* callbacks of events that were not with the engine */
	struct rig_thing *things;
};

/* An event and what its callback saw. */
struct job {
	struct ioe_event event;
	struct rig *rig;
	void (*then)(struct job *job); /* called at the end of the callback; no checks in it */
	void *data;
	/* Under the rig's lock. */
	uint32_t submits;
	uint32_t calls;
	uint32_t order; /* how many callbacks had run before this one */
	int64_t result;
	uint64_t done;
	bool was_done; /* ioe_event_is_done() in the callback */
	pid_t tid;     /* where the callback ran */
};

/* Set up, run the body, close and check. */
void rig_run(const struct rig_row *row, void (*body)(struct rig *rig));
/* The same in pieces, for programs and probes that have no body. */
void rig_init(struct rig *rig, const struct rig_row *row);
void rig_deinit(struct rig *rig);

/* The row's backend and threading, the rest default. */
struct ioe_config rig_config(const struct rig *rig);
/* Open the engine; config NULL: rig_config(). Skips when the backend is not available here. */
void rig_open(struct rig *rig, const struct ioe_config *config);
/* RLIMIT_MEMLOCK is so low that it holds a few rings only, where the kernel counts them. */
bool rig_locks_little(void);
/* What opening such an engine, and closing it again, says: 0 or -errno. */
int rig_try_backend(uint32_t backend);
/* Close it, and check that it says 0. */
void rig_close(struct rig *rig, uint32_t how);
struct ioe_stats rig_stats(struct rig *rig);

/* Things that the rig frees at the end. */
struct job *rig_jobs(struct rig *rig, uint32_t n);
void *rig_buffer(struct rig *rig, uint64_t length); /* aligned, filled with 0xa5 */
int rig_keep_fd(struct rig *rig, int fd);           /* closed at the end */
int rig_file(struct rig *rig, uint64_t size);       /* in the row's place, pattern RIG_SEED */
/* Skip the test where that place is a block device, which has no `what`. */
void rig_needs_file(const struct rig *rig, const char *what);
#define RIG_END    "end at any byte"
#define RIG_GROWTH "size that changes"
void rig_pipe(struct rig *rig, int ret_fds[2]);

void rig_prep_nops(struct job *jobs, uint32_t n);
/* Submit a prepared job with our callback. 0, or fail. */
void rig_submit(struct rig *rig, struct job *job);
/* The same, returning what ioe_submit() or ioe_try_submit() said. */
int rig_submit_ret(struct rig *rig, struct job *job);
int rig_try(struct rig *rig, struct job *job);
/* A job's `then`: submits it again, *data more times (uint32_t, counted down). */
void rig_submit_again(struct job *job);
/* jobs[0..n) as one batch: returns what ioe_submit_batch(), or the try form, said. */
int rig_batch(struct rig *rig, struct job *jobs, uint32_t n, bool try);
/* Wait until the job, all jobs, or n jobs since the start have had their callbacks. */
void rig_wait(struct rig *rig, struct job *job);
void rig_wait_all(struct rig *rig);
void rig_wait_count(struct rig *rig, uint32_t n);
/* The events of jobs[0..n) in another order. */
void rig_shuffle(struct job *jobs, uint32_t n, struct random *random);
/* Submit, wait; the result. */
int64_t rig_do(struct rig *rig, struct job *job);
/* How many callbacks have run. */
uint32_t rig_count(struct rig *rig);
/* What rig_count() was, and the job's calls: a look while others run. */
uint32_t job_calls(struct job *job);
/* Wait until exactly n requests are with the backend. */
void rig_wait_in_flight(struct rig *rig, uint64_t n);
/* Wait until the test says that it is so; the engine is driven meanwhile where it is NONE. */
void rig_wait_for(struct rig *rig, bool (*is_so)(void *arg), void *arg, const char *what);
/* The same until the file system of the test's own holds back n transfers. */
void rig_wait_held(struct rig *rig, const struct bad_file *file, uint32_t n);
/* Let the driver look once, where that is our business (NONE). */
void rig_push(struct rig *rig);

/* A thread of the test's own. */
struct actor {
	pthread_t thread;
	void (*main)(void *arg);
	void *arg;
	pid_t tid;
};
/* Start it, and wait until its tid is known. */
void actor_start(struct actor *actor, void (*main)(void *arg), void *arg);
void actor_join(struct actor *actor);

/* ---- One body, many tests --------------------------------------------------------------- */

#define RIG_TIMEOUT_S 40

#define RIG_BODY_(suite, name) suite##_##name##_body
#define RIG_ONE_(suite, name, row_name, backend_, threading_, place_)                             \
	Test(suite, name##__##row_name, .timeout = RIG_TIMEOUT_S)                                 \
	{                                                                                         \
		static const struct rig_row row = { #row_name, IOE_BACKEND_##backend_,            \
						    IOE_THREADING_##threading_, PLACE_##place_ }; \
		rig_run(&row, RIG_BODY_(suite, name));                                            \
	}

/* Each threading mode on the backends that ask the kernel for a ring or a context, and have a call
 * that submits. */
#define KERNEL_TEST(suite, name)                                 \
	static void RIG_BODY_(suite, name)(struct rig * rig);    \
	RIG_ONE_(suite, name, uring_pool, URING, POOL, DISK)     \
	RIG_ONE_(suite, name, uring_inline, URING, INLINE, DISK) \
	RIG_ONE_(suite, name, uring_none, URING, NONE, DISK)     \
	RIG_ONE_(suite, name, aio_pool, AIO, POOL, DISK)         \
	RIG_ONE_(suite, name, aio_inline, AIO, INLINE, DISK)     \
	RIG_ONE_(suite, name, aio_none, AIO, NONE, DISK)         \
	static void RIG_BODY_(suite, name)(struct rig * rig)

/* POOL on each backend. */
#define BACKEND_TEST(suite, name)                             \
	static void RIG_BODY_(suite, name)(struct rig * rig); \
	RIG_ONE_(suite, name, uring, URING, POOL, DISK)       \
	RIG_ONE_(suite, name, aio, AIO, POOL, DISK)           \
	RIG_ONE_(suite, name, threads, THREADS, POOL, DISK)   \
	static void RIG_BODY_(suite, name)(struct rig * rig)

/* NONE on each backend. */
#define NONE_TEST(suite, name)                                   \
	static void RIG_BODY_(suite, name)(struct rig * rig);    \
	RIG_ONE_(suite, name, uring_none, URING, NONE, DISK)     \
	RIG_ONE_(suite, name, aio_none, AIO, NONE, DISK)         \
	RIG_ONE_(suite, name, threads_none, THREADS, NONE, DISK) \
	static void RIG_BODY_(suite, name)(struct rig * rig)

/* The modes with a driver thread on each backend. */
#define DRIVER_TEST(suite, name)                                     \
	static void RIG_BODY_(suite, name)(struct rig * rig);        \
	RIG_ONE_(suite, name, uring_pool, URING, POOL, DISK)         \
	RIG_ONE_(suite, name, uring_inline, URING, INLINE, DISK)     \
	RIG_ONE_(suite, name, aio_pool, AIO, POOL, DISK)             \
	RIG_ONE_(suite, name, aio_inline, AIO, INLINE, DISK)         \
	RIG_ONE_(suite, name, threads_pool, THREADS, POOL, DISK)     \
	RIG_ONE_(suite, name, threads_inline, THREADS, INLINE, DISK) \
	static void RIG_BODY_(suite, name)(struct rig * rig)

/* Each threading mode on each backend. */
#define MATRIX_TEST(suite, name)                                     \
	static void RIG_BODY_(suite, name)(struct rig * rig);        \
	RIG_ONE_(suite, name, uring_pool, URING, POOL, DISK)         \
	RIG_ONE_(suite, name, uring_inline, URING, INLINE, DISK)     \
	RIG_ONE_(suite, name, uring_none, URING, NONE, DISK)         \
	RIG_ONE_(suite, name, aio_pool, AIO, POOL, DISK)             \
	RIG_ONE_(suite, name, aio_inline, AIO, INLINE, DISK)         \
	RIG_ONE_(suite, name, aio_none, AIO, NONE, DISK)             \
	RIG_ONE_(suite, name, threads_pool, THREADS, POOL, DISK)     \
	RIG_ONE_(suite, name, threads_inline, THREADS, INLINE, DISK) \
	RIG_ONE_(suite, name, threads_none, THREADS, NONE, DISK)     \
	static void RIG_BODY_(suite, name)(struct rig * rig)

/* For bodies that move data: each threading mode on each backend, buffered and direct, on a disk
 * and in memory. */
#define DATA_TEST(suite, name)                                \
	static void RIG_BODY_(suite, name)(struct rig * rig); \
	RIG_PLACES_(suite, name, uring, URING)                \
	RIG_PLACES_(suite, name, aio, AIO)                    \
	RIG_PLACES_(suite, name, threads, THREADS)            \
	static void RIG_BODY_(suite, name)(struct rig * rig)

#define RIG_PLACES_(suite, name, prefix, backend_)                                        \
	RIG_ONE_(suite, name, prefix##_pool_disk, backend_, POOL, DISK)                   \
	RIG_ONE_(suite, name, prefix##_pool_disk_direct, backend_, POOL, DISK_DIRECT)     \
	RIG_ONE_(suite, name, prefix##_pool_shm, backend_, POOL, SHM)                     \
	RIG_ONE_(suite, name, prefix##_pool_shm_direct, backend_, POOL, SHM_DIRECT)       \
	RIG_ONE_(suite, name, prefix##_inline_disk, backend_, INLINE, DISK)               \
	RIG_ONE_(suite, name, prefix##_inline_disk_direct, backend_, INLINE, DISK_DIRECT) \
	RIG_ONE_(suite, name, prefix##_inline_shm, backend_, INLINE, SHM)                 \
	RIG_ONE_(suite, name, prefix##_inline_shm_direct, backend_, INLINE, SHM_DIRECT)   \
	RIG_ONE_(suite, name, prefix##_none_disk, backend_, NONE, DISK)                   \
	RIG_ONE_(suite, name, prefix##_none_disk_direct, backend_, NONE, DISK_DIRECT)     \
	RIG_ONE_(suite, name, prefix##_none_shm, backend_, NONE, SHM)                     \
	RIG_ONE_(suite, name, prefix##_none_shm_direct, backend_, NONE, SHM_DIRECT)

#endif
