/* SPDX-License-Identifier: MIT
 * ioe.h - the public interface of ioe, a callback-driven storage IO engine for Linux.
 *
 * The whole of it: this header is the reference documentation, and every function that
 * libioe exports is declared here.
 *
 * In short: open an engine; prepare an event (one read, write, sync, ...); submit it from any
 * thread; its callback runs when it has ended, or you wait for it. While the engine has an
 * event, the event's memory, its buffer and its iovec array are borrowed: do not touch, free
 * or move them until the callback starts or ioe_wait() returns.
 *
 * Vocabulary: an *event* is one operation of yours; a *request* is what the kernel is given,
 * made of one or more adjacent events; the *channel* is the bounded queue of accepted events to a
 * *driver*, the thread that makes requests of them; a *backend* is the way they reach the kernel;
 * *depth* is the number of requests there at one time, per driver; a *worker* runs callbacks, a
 * *helper* makes calls that block; the *owner* drives an engine that has no threads.
 *
 * Errors: functions return >= 0 or a negative errno value, never -1 with errno set; errno
 * itself may be changed by any of them. An event's own outcome is in ioe_event.result, with
 * the same convention: a bad file descriptor is an outcome of the event (-EBADF, in its
 * callback); a malformed event is refused by the submit call (-EINVAL) and has no callback.
 *
 * Sizes and offsets are in bytes, times in nanoseconds of CLOCK_MONOTONIC.
 *
 * The library never prints, exits, reads the environment or touches signal handlers. Its
 * threads block all signals but SIGSEGV SIGBUS SIGFPE SIGILL SIGTRAP SIGABRT SIGSYS SIGPROF.
 * A child of fork() must not use an engine of its parent. C++ exceptions and pthread_exit()
 * must not leave a callback.
 */
#ifndef IOE_H
#define IOE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOE_VERSION_MAJOR 0
#define IOE_VERSION_MINOR 1
#define IOE_VERSION_PATCH 0

#if defined(__GNUC__)
#define IOE_MUST_CHECK __attribute__((warn_unused_result))
#else
#define IOE_MUST_CHECK
#endif

struct ioe_engine;
struct ioe_workers;
struct ioe_event;
struct ioe__work_owner;

/* The version of the library that is running, "MAJOR.MINOR.PATCH". Static; any thread. */
const char *ioe_version(void);

/* ---- Configuration ------------------------------------------------------------------- */

/* ioe_config.backend: the way requests reach the kernel. */
enum {
	/* The first of uring, aio, threads that is available here; ioe_engine_reason() says why. */
	IOE_BACKEND_AUTO = 0,
	IOE_BACKEND_URING = 1,   /* io_uring (Linux 5.6 or later) */
	IOE_BACKEND_AIO = 2,     /* Linux AIO (Linux 4.19 or later), helpers for what would block */
	IOE_BACKEND_THREADS = 3, /* helper threads making preadv2(2), pwritev2(2), ... */
};

/* ioe_config.threading: who drives the engine, and where callbacks run. */
enum {
	IOE_THREADING_POOL = 0,   /* driver threads; callbacks on a pool of workers */
	IOE_THREADING_INLINE = 1, /* driver threads; callbacks on the driver threads themselves */
	/* No driver and no callback threads: one thread of yours, the owner, drives the engine by
	 * ioe_engine_run() and its callbacks run there. ioe_submit() only queues: nothing reaches
	 * the kernel until the owner runs, waits, drains, closes, or submits to a full channel.
	 * The owner is the first thread that calls ioe_engine_run(), ioe_wait(),
	 * ioe_engine_drain() or ioe_engine_close(); for another thread these are -EBUSY ever
	 * after. Any thread may submit. Helpers may exist. */
	IOE_THREADING_NONE = 2,
};

/* "None", in the fields of ioe_config that say so. */
#define IOE_CONFIG_OFF UINT32_MAX

/* ioe_config.flags */
#define IOE_ENGINE_NO_MERGE  (UINT64_C(1) << 0) /* every event is a request of its own */
#define IOE_ENGINE_NO_TIMING (UINT64_C(1) << 1) /* read no clock for statistics: times are 0 */

/* What ioe_engine_open() may be told. Set size to sizeof(struct ioe_config) and the rest to
 * zero, then what you want to be different: in every field 0 is the default, given in
 * parentheses, and [ ] is the range. A program built against an older, shorter struct keeps
 * working; one built against a newer, longer struct is refused with -E2BIG if what we do not
 * know of it is not zero. */
struct ioe_config {
	uint32_t size;
	uint32_t backend;   /* IOE_BACKEND_* (AUTO) */
	uint32_t threading; /* IOE_THREADING_* (POOL) */
	/* (1) [1, 64]; with IOE_THREADING_NONE only 1. All events of one fd number go to one driver
	 * (fd modulo n_drivers), nops round robin. For several drivers on one file open it
	 * several times: order, merging and barriers are per fd. */
	uint32_t n_drivers;
	/* (2) [1, 256] callback threads; checked, but not used, unless POOL; not together with
	 * .workers */
	uint32_t n_workers;
	/* (min(depth_max, 16)) [1, 256] per driver: threads for blocking calls on aio and threads;
	 * on uring the bound of the kernel's own, of each of its two kinds: at most n_helpers for
	 * regular files and block devices, and n_helpers for the rest. Requests that find none free
	 * wait. On threads depth is min(depth_max, n_helpers). */
	uint32_t n_helpers;
	uint32_t depth_max;        /* (128) [1, 16384] requests in the kernel, per driver */
	uint32_t channel_capacity; /* (1024) [1, 1048576] accepted, not started; per driver */
	uint32_t timers_max;       /* (1024) [1, 1048576] or OFF; for timers, which are to come */
	uint32_t merge_max_bytes;  /* (262144) [512, 0x7ffff000] or OFF: no merging */
	uint32_t merge_max_events; /* (256) [1, 1024] events in a request */
	uint32_t reserved0;        /* 0 */
	/* How long a driver may look for work before it sleeps, at the most: it does so only while
	 * that has been paying off. (20000) [1, 1000000000] or OFF: never. */
	uint64_t spin_ns;
	uint64_t flags; /* IOE_ENGINE_* */
	/* A pool of ioe_workers_open(), shared with other engines; NULL: the engine's own. POOL
	 * only. The pool must be closed after the engine. */
	struct ioe_workers *workers;
	/* Reserved for what is to come; not NULL is -EOPNOTSUPP. */
	const void *cpus;
	void (*on_late)(struct ioe_event *event, void *on_late_arg);
	void *on_late_arg;
	const void *allocator;
};

/* ---- Events -------------------------------------------------------------------------- */

/* ioe_event.op; use the ioe_prep_*() functions. */
enum {
	IOE_OP_NONE = 0, /* not prepared: refused */
	IOE_OP_NOP = 1,
	IOE_OP_READ = 2,
	IOE_OP_WRITE = 3,
	IOE_OP_READV = 4,
	IOE_OP_WRITEV = 5,
	IOE_OP_FSYNC = 6,
	IOE_OP_FDATASYNC = 7,
	IOE_OP_FALLOCATE = 8,
	IOE_OP_END, /* one more than the last */
};

/* ioe_event.flags */

/* Never share a request with other events. Use it for files opened with O_APPEND, where the
 * kernel ignores offsets and a request's place in the file is decided only when it runs, and for
 * sockets and pipes that keep the boundaries of messages. */
#define IOE_EVENT_NO_MERGE (UINT32_C(1) << 0)
/* Hand me a short transfer as it is instead of going on with the rest. Never merged. */
#define IOE_EVENT_NO_RESUME (UINT32_C(1) << 1)
/* Start only when every event of the same fd number that was accepted before this one has
 * finished, resumes and retries included. A barrier fsync therefore covers every write
 * accepted before it. It delays no other event. Never merged. -EINVAL on a nop.
 * "Finished" includes failed: a barrier runs, and may end with 0, although a write before it has
 * ended with an error. A commit is durable if the barrier and each of its writes ended well. */
#define IOE_EVENT_BARRIER (UINT32_C(1) << 2)

/* "At the file's own position": reserved for streams, refused with -EOPNOTSUPP so far. */
#define IOE_OFFSET_STREAM UINT64_MAX

/* Runs once for each accepted event that has one, when the engine is done with the event:
 * result and done are set, the memory is yours again, and the callback may free it, reuse it or
 * submit it again. It runs with no lock held, never inside a submit call and never inside
 * another callback: on a worker (POOL), on the driver (INLINE) or in the owner's calls (NONE).
 * With more than one worker or driver, callbacks of different events run at the same time, in any
 * order: what they share needs atomics or locks. Who has submitted an event must not touch it
 * again but in its callback: that may have run, and submitted it anew, before ioe_submit() returns.
 * A callback may call every function here but these, of its own and any other engine, which return
 * -EDEADLK: ioe_engine_drain(), ioe_engine_drain_for(), ioe_engine_run(), ioe_engine_close(),
 * ioe_workers_close(), and on INLINE and NONE ioe_wait() and ioe_wait_for(). ioe_submit() does not
 * block in it. */
typedef void (*ioe_callback)(struct ioe_event *event);

/* Private: what hangs an event into a queue of the engine. */
struct ioe__node {
	struct ioe__node *next;
	union {
		struct ioe__work_owner *owner; /* in a pool of workers */
		int64_t since_ns;              /* before that, if it is timed */
	};
};

/* One operation: 192 bytes of the caller's own memory, anywhere (stack, heap, in a struct of
 * yours), of any alignment that malloc() gives; three cache lines if aligned to 64. Prepare it
 * with ioe_prep_*(), which set all of it, then set callback, arg and flags. */
struct ioe_event {
	/* The caller's. */
	ioe_callback callback; /* NULL: the caller will ioe_wait() */
	void *arg;             /* yours; the engine does not look at it */
	void *buffer;          /* the data, or the array of struct iovec of readv and writev */
	uint64_t length;       /* bytes; of readv and writev set at acceptance, to their sum */
	uint64_t offset; /* bytes from the start of the file; a file that cannot seek ignores it */
	int fd;
	uint32_t flags;    /* IOE_EVENT_* */
	uint8_t op;        /* IOE_OP_* */
	uint8_t lane;      /* reserved: 0, else -EOPNOTSUPP */
	uint16_t ioprio;   /* reserved: 0, else -EOPNOTSUPP */
	uint32_t n_iov;    /* readv, writev: entries in buffer, [1, IOV_MAX = 1024]; else 0 */
	uint32_t rw_flags; /* reserved: 0, else -EOPNOTSUPP */
	uint32_t op_flags; /* fallocate: its mode; else 0 */

	/* The outcome, set by the engine. */
	int64_t result; /* bytes transferred (0 for operations without data), or -errno */
	uint64_t done;  /* bytes transferred, also before an error */

	/* The engine's. */
	struct ioe__node ioe__node;
	union {
		struct ioe_event *ioe__fd_prev;
		int64_t ioe__finished_ns; /* after that, if it is timed */
	};
	struct ioe_event *ioe__fd_next;
	uint32_t ioe__state;
	uint32_t ioe__batch;
	uint16_t ioe__record;
	uint16_t ioe__attempts;
	uint8_t ioe__stage;
	uint8_t ioe__stalls;
	uint8_t ioe__marks;
	uint8_t ioe__driven;

	/* Cold. */
	int64_t timeout_ns; /* reserved: 0, else -EOPNOTSUPP */
	uint64_t addr2;     /* reserved: 0, else -EOPNOTSUPP */
	int fd2;            /* reserved: 0, else -EOPNOTSUPP */
	uint32_t reserved0; /* 0 */
	struct ioe_event *ioe__again_prev;
	struct ioe_event *ioe__again_next;
	union {
		uint64_t ioe__due_ns; /* delayed */
		uint64_t ioe__turn;   /* held */
	};
	struct ioe_event *ioe__waiters;
	struct ioe_event *ioe__next_waiter;
};

#ifdef __cplusplus
static_assert(sizeof(struct ioe_event) == 192, "struct ioe_event is three cache lines");
#else
_Static_assert(sizeof(struct ioe_event) == 192, "struct ioe_event is three cache lines");
#endif

/* The ioe_prep_*() functions initialise all of *event (callback, arg and flags become NULL and
 * 0) and check nothing: submit does. They must not be called on an event that the engine has.
 * Any thread.
 *
 * What the events do, and the results special to them, beside -EBADF, -EIO and whatever else
 * the system call of the same name may say:
 *
 * read, readv    transfers length bytes, in as many requests as that takes, up to INT64_MAX.
 *                result < length: end of file was met there. 0: at or beyond it.
 *                What the buffer holds behind `done` bytes is not defined.
 * write, writev  transfers all of length, or ends with -errno and in done the bytes written
 *                before it (-EFBIG and -ENOSPC in the middle of a write, for example).
 *                Without progress and without error twice in a row: -EIO.
 *                If a request of several events fails, they are run again alone: bytes that had
 *                reached the file already are then written there once more.
 * With O_DIRECT, buffer, length and offset must be aligned as ioe_file_alignment() says; what
 * is not ends with -EINVAL in its callback, alone.
 * On a file that cannot seek (pipe, socket, terminal) the offset is ignored and a read goes on
 * until length bytes or the end of the stream: use IOE_EVENT_NO_RESUME for "what is there".
 * A write to a pipe or socket that nobody reads ends with -EPIPE. On uring with NONE the kernel
 * also sends SIGPIPE to the owner, as write(2) does (and SIGXFSZ beyond RLIMIT_FSIZE): ignore it.
 * On aio and threads operations that wait for a pipe, socket or terminal occupy a helper: with
 * n_helpers of them, what else needs one (buffered writes, cold reads, fallocate) waits too.
 * So does, on every backend, IO of a file server (NFS, FUSE) that does not answer: each request of
 * a file that may block takes a helper, on uring one of the kernel's. A FUSE server that does not
 * answer can stop a uring driver as a whole until it does, with all its files, or the owner (NONE)
 * for longer than it has asked for: give such files an engine of their own.
 * -EAGAIN reaches the caller only from files with O_NONBLOCK, or after about a second of
 * retries. On uring a pipe or socket with O_NONBLOCK is waited for like any other: the kernel does
 * that itself since Linux 5.17 (io_uring/rw.c, io_rw_init_file()).
 * A retry never follows an error of fsync or fdatasync but -EINTR: the kernel reports a lost
 * write only once. An fsync covers writes that had finished before it was submitted; with
 * IOE_EVENT_BARRIER also those still in the engine.
 *
 * Keep a file open until its events have ended. The engine knows files by their number only: it
 * keeps no file open, and nothing it has learnt of one (alignment, flags) outlives what it takes
 * up together with it. So if a number is closed, and perhaps given to another file, while events
 * of it are in the engine, each still has its one callback, and no other event is harmed; but
 * what has not been given to the kernel yet, the rest of a short transfer included, is done to
 * the file that the number means then (a write, too), or ends with the error of it (-EBADF if it
 * means none). What the kernel has goes on with the old file; but on aio and threads a read or
 * write that waits for a pipe, socket or terminal is such a rest, when that becomes ready. A
 * barrier waits for all events of its number, whichever file they are for. */

/* Read length bytes at offset into buf. length in [1, INT64_MAX - offset]. */
void ioe_prep_read(struct ioe_event *event, int fd, void *buf, uint64_t length, uint64_t offset);
/* Write length bytes from buf at offset. length in [1, INT64_MAX - offset]. */
void ioe_prep_write(struct ioe_event *event, int fd, const void *buf, uint64_t length,
		    uint64_t offset);
/* Read into iov[0..n_iov), in order; n_iov in [1, 1024], entries of length 0 allowed, the sum in
 * [1, INT64_MAX - offset]. The array is borrowed with the event and never written. */
void ioe_prep_readv(struct ioe_event *event, int fd, const struct iovec *iov, uint32_t n_iov,
		    uint64_t offset);
/* Write from iov[0..n_iov); otherwise as ioe_prep_readv(). */
void ioe_prep_writev(struct ioe_event *event, int fd, const struct iovec *iov, uint32_t n_iov,
		     uint64_t offset);
/* fsync(2). */
void ioe_prep_fsync(struct ioe_event *event, int fd);
/* fdatasync(2). */
void ioe_prep_fdatasync(struct ioe_event *event, int fd);
/* fallocate(2) with any mode of it; length in [1, INT64_MAX - offset]; result 0 or -errno. */
void ioe_prep_fallocate(struct ioe_event *event, int fd, int mode, uint64_t offset,
			uint64_t length);
/* Nothing: goes through channel, driver and backend like the others; result 0. */
void ioe_prep_nop(struct ioe_event *event);

/* ---- Engine -------------------------------------------------------------------------- */

/* Open an engine. Everything it will need is allocated, and every thread started, here.
 * config: may be NULL, all defaults. *ret_engine is set on success only; close it with
 * ioe_engine_close(). Blocks for some milliseconds; where memory for rings is short, it waits
 * for that, half a second in all at the most. Any thread.
 * Returns 0, or
 *   -EINVAL      ret_engine NULL; a field out of its range, an unknown flag, a size that never was,
 *                a combination that makes no sense (.workers or n_drivers > 1 with NONE, .workers
 *                with INLINE or together with n_workers)
 *   -E2BIG       config is longer than ours, and what we do not know of it is not zero; or longer
 *                than 4096
 *   -EOPNOTSUPP  a field reserved for what is to come is set
 *   -ENOMEM      no memory; or none for a ring even at depth 1, with uring asked for by name
 *                (RLIMIT_MEMLOCK: many kernels count the rings of all processes of a user)
 *   -EAGAIN      no more threads (RLIMIT_NPROC), or the aio contexts of the system are used up
 *                (fs.aio-max-nr), even at depth 1
 *   -EMFILE, -ENFILE  no file descriptors
 *   -ENOSYS, -EPERM, -EACCES  the backend asked for by name is not available here: not in the
 *                kernel, forbidden by kernel.io_uring_disabled or by a seccomp filter. AUTO goes
 *                on to the next backend instead. */
IOE_MUST_CHECK
int ioe_engine_open(const struct ioe_config *config, struct ioe_engine **ret_engine);

/* Wait for a moment when no accepted event is unfinished, those accepted meanwhile included,
 * and every callback has returned. NONE: drives the engine. Blocks; any thread but a callback's.
 * Returns 0, -EDEADLK (in a callback), -EBUSY (NONE, not the owner), -ESHUTDOWN (being closed),
 * -EINVAL (engine NULL). */
IOE_MUST_CHECK
int ioe_engine_drain(struct ioe_engine *engine);

/* ioe_engine_drain() for timeout_ns at most; 0 looks once, -1 has no limit.
 * Returns also -ETIMEDOUT; -EINVAL for timeout_ns < -1. */
IOE_MUST_CHECK
int ioe_engine_drain_for(struct ioe_engine *engine, int64_t timeout_ns);

/* ioe_engine_close()'s how. */
enum {
	/* Finish what was accepted. Chains of callbacks that submit end where they submit next
	 * (-ESHUTDOWN): ioe_engine_drain() first, to let them run out. */
	IOE_CLOSE_DRAIN = 0,
	IOE_CLOSE_CANCEL = 1, /* end it with -ECANCELED where that can be done */
};

/* Close an engine: refuse new events with -ESHUTDOWN (submitters that are blocked included, and
 * callbacks that submit), end the accepted ones, wait until every callback has returned and every
 * thread has left the submit calls, end the threads, free everything. NULL is 0.
 *
 * IOE_CLOSE_CANCEL: an event that has not reached the kernel, or of which the rest has not, gets
 * its callback with -ECANCELED (and what was done before in done). Of what is in the kernel, uring
 * cancels what the kernel lets go of (reads of pipes and sockets, not IO of files that has been
 * started); aio and threads cancel reads and writes that wait for a pipe, socket or terminal to
 * become ready. The rest is waited for, because the buffer belongs to the kernel until then: if
 * a device or a file server never answers, close does not return. The same holds for an engine
 * whose kernel interface has broken (-EIO from submit).
 *
 * Blocks. Any thread but a callback's; NONE: the owner. No other thread may begin a call with this
 * engine at the same time or later; calls that began before are safe. Threads that submitted may
 * have exited long ago. An event without callback is still to be waited for: ioe_event_is_done()
 * and ioe_wait() with engine NULL work after the close.
 * Returns 0, -EINVAL (unknown how), -EDEADLK (in a callback), -EBUSY (NONE, not the owner). */
int ioe_engine_close(struct ioe_engine *engine, uint32_t how);

/* The backend in use: "uring", "aio" or "threads". Static; any thread. */
const char *ioe_engine_backend(const struct ioe_engine *engine);

/* One line, without newline: why this backend, and what was given up on the way to it (backends
 * that are not available, ring features the kernel lacks, depth for want of memory). The engine's;
 * valid until close. Any thread. */
const char *ioe_engine_reason(const struct ioe_engine *engine);

/* ioe_stats.latency: the stages of an event's time, one after the other. */
enum {
	/* Accepted, in the channel. Not: what the submitter waited for room before that. */
	IOE_LATENCY_CHANNEL = 0,
	/* With the driver: for a free request, for earlier events (barriers, overlaps). */
	IOE_LATENCY_PENDING = 1,
	/* From the first request that it is in to the last that has come back: resumes, retries and
	 * the pauses before them included. Of events that have been in one. */
	IOE_LATENCY_KERNEL = 2,
	/* Ended, waiting for a worker (POOL), for callbacks before its own (INLINE, NONE), or for
	 * the owner (NONE). Of events with a callback, like the next. */
	IOE_LATENCY_WORKER = 3,
	IOE_LATENCY_CALLBACK = 4, /* in its callback */
	IOE_LATENCY_END,          /* one more than the last */
};

#define IOE_LATENCY_BUCKETS 40

/* How long the timed events were in a stage: sum_ns / n is the mean. */
struct ioe_latency {
	uint64_t n;      /* timed events that have left the stage */
	uint64_t sum_ns; /* of what each has spent in it */
	uint64_t max_ns; /* the most that one has */
	/* How many of n: [i] 2^i <= ns < 2^(i+1), [0] also 0 ns, the last also all above. */
	uint64_t histogram[IOE_LATENCY_BUCKETS];
};

/* Counters since open, summed over the drivers. Each is exact once the engine has been drained;
 * in between they are read one by one, while the engine goes on. */
struct ioe_stats {
	uint32_t size;      /* set by the caller: sizeof(struct ioe_stats) */
	uint32_t n_drivers; /* as opened */
	uint32_t depth;     /* of the first driver, as opened: smaller than asked for if memory was
			     * short; ioe_engine_reason() tells if another driver has less */
	uint32_t reserved0;
	uint64_t events_by_op[32];   /* finished events by IOE_OP_* */
	uint64_t events_accepted;    /* by submit calls */
	uint64_t events_finished;    /* handed to callback or waiter */
	uint64_t errors;             /* finished events with result < 0 */
	uint64_t bytes_read;         /* transferred into events */
	uint64_t bytes_written;      /* transferred from events */
	uint64_t requests;           /* given to the backend; resumes and retries count again */
	uint64_t merged_requests;    /* of those, with more than one event */
	uint64_t merged_events;      /* events in merged requests */
	uint64_t resumed;            /* times an event was gone on with after a short transfer */
	uint64_t retried;            /* events or requests run again after -EINTR or -EAGAIN */
	uint64_t split;              /* merged requests taken apart after an error */
	uint64_t stale_completions;  /* of requests that were no more; dropped */
	uint64_t helped;             /* requests done by helpers (always, on threads) */
	uint64_t system_calls;       /* made by the drivers to submit and to wait */
	uint64_t wakes;              /* of sleeping drivers, by submitters */
	uint64_t parks;              /* times a driver went to sleep */
	uint64_t channel_full_waits; /* submitters that had to sleep for room */
	uint64_t in_flight;          /* requests with the backends now */
	uint64_t in_flight_max;      /* highest ever, of one driver */
	uint64_t in_flight_ns;       /* integral of in_flight over time: requests x ns */
	uint64_t elapsed_ns;         /* time the integral covers, summed over the drivers */
	double in_flight_average;    /* in_flight_ns / elapsed_ns, per driver; 0 with NO_TIMING */
	uint64_t cq_overflows; /* times the completion queue was full (uring); 0 if all is well */
	/* By IOE_LATENCY_*; 0 with NO_TIMING. One event in 32 is timed; which, each thread that
	 * submits draws at random (of 64 in a row one at least, and its first one). So n is
	 * about a 32nd of the events, and max_ns the most that one of those has spent. A driver
	 * reads the clock once for all events that it moves in one go: that much, some
	 * microseconds at a large depth, may be told of a neighbouring stage. Of engines that
	 * share workers each has what is its own. */
	struct ioe_latency latency[8];
};

/* Fill *ret_stats, up to its size, which the caller has set.
 * Returns 0 or -EINVAL (NULL, or size less than 8). Any thread, never blocks. */
int ioe_engine_stats(const struct ioe_engine *engine, struct ioe_stats *ret_stats);

/* ---- Submit -------------------------------------------------------------------------- */

/* Submit one event: 0 means accepted, and leads to exactly one callback (or one ioe_wait());
 * an error means refused, leads to none, and leaves the event's public part as it was.
 * Any thread, also in callbacks. Blocks while the driver's channel is full (never in a callback
 * of any engine, which goes beyond the capacity instead). NONE: on the owner's thread it drives
 * the engine instead of blocking, without running callbacks; on others it blocks until the owner
 * has made room. While there is no owner yet, the thread that opened the engine goes beyond the
 * capacity instead, because a program of one thread would wait for itself.
 * Order: events in flight together run and end in any order. Those that the driver takes up
 * together (one batch, for instance) and that overlap in one fd, one of them a write or a
 * fallocate, run one after another in the order of acceptance. (A barrier that is still waiting
 * does not hold up later events, even if they overlap it.) Which events are taken up together
 * is a matter of timing between calls: use callbacks or IOE_EVENT_BARRIER where order matters.
 * Returns 0, or
 *   -EINVAL      malformed: engine or event NULL, unknown op or flag, buffer NULL, length 0,
 *                offset + length over INT64_MAX, n_iov 0 or over 1024 or not 0 where there is no
 *                vector, an iovec entry NULL with length, fd negative (a nop has none), a barrier
 *                nop, reserved0 not 0
 *   -EOPNOTSUPP  a field that says so, or op_flags where it has no meaning, is not 0; or offset is
 *                IOE_OFFSET_STREAM
 *   -EBUSY       the event is still in an engine (best effort)
 *   -ESHUTDOWN   the engine is being closed
 *   -EIO         the kernel interface of the engine has broken; only close is left */
IOE_MUST_CHECK
int ioe_submit(struct ioe_engine *engine, struct ioe_event *event);

/* ioe_submit() that never blocks and never goes beyond the capacity: -EAGAIN when the channel is
 * full, in callbacks too. */
IOE_MUST_CHECK
int ioe_try_submit(struct ioe_engine *engine, struct ioe_event *event);

/* Submit events[0..n), in order: cheaper than one by one, with one wake at the most. Accepts
 * events[0..k) and returns k; blocks like ioe_submit() until all are in, and stops early only at
 * the first that would be refused: then k if k > 0, else its -errno. n = 0 is 0; n up to
 * INT32_MAX. Two events of the array must not be the same. Events of different threads are not
 * mixed into the ones of one call, unless n exceeds the room in the channel. */
IOE_MUST_CHECK
int ioe_submit_batch(struct ioe_engine *engine, struct ioe_event *const events[], uint32_t n);

/* ioe_submit_batch() that takes what fits now; -EAGAIN if that is none. */
IOE_MUST_CHECK
int ioe_try_submit_batch(struct ioe_engine *engine, struct ioe_event *const events[], uint32_t n);

/* ---- Wait ---------------------------------------------------------------------------- */

/* Wait for an accepted event without callback and return its result (bytes or -errno); once per
 * event, also after a drain; then the event is the caller's again. An event that is done may also
 * be submitted again without having been waited for. It may live on the stack.
 * Any thread. POOL: in callbacks too. NONE: drives the engine, on the owner's thread.
 * engine may be NULL where the event is known to have ended.
 * Returns the event's result, or
 *   -EINVAL   never submitted, or waited for already, or has a callback; event NULL; engine NULL
 *             and the event not done
 *   -EDEADLK  in a callback that runs on a driver (INLINE) or in the owner (NONE); in any
 *             callback, if the engine is a NONE engine
 *   -EBUSY    NONE, not the owner, and not done yet
 * To tell these from the event's own errors, look at event->result. */
int64_t ioe_wait(struct ioe_engine *engine, struct ioe_event *event);

/* ioe_wait() for timeout_ns at most; 0 looks once, -1 has no limit. -ETIMEDOUT: not done yet, the
 * engine still has the event, wait again; -EINVAL also for timeout_ns < -1. */
int64_t ioe_wait_for(struct ioe_engine *engine, struct ioe_event *event, int64_t timeout_ns);

/* True when the event has ended and the engine does not have it: its callback has started, or
 * ioe_wait() would return at once or has returned. False before its first submit. Any thread,
 * never blocks; what the engine wrote before is visible after true. */
bool ioe_event_is_done(const struct ioe_event *event);

/* IOE_THREADING_NONE: drive the engine until n_min events have finished (the callback has run, or
 * the event is ready for ioe_wait()) or timeout_ns is over; 0 polls, -1 has no limit. It waits with
 * nothing in the engine as well: other threads may submit. n_min = 0: one round without waiting.
 * Makes the calling thread the owner if there is none.
 * Returns the number of events finished, possibly more or (time over) less than n_min;
 * -EINVAL (engine NULL, not a NONE engine, timeout_ns < -1), -EDEADLK (in a callback), -EBUSY (not
 * the owner). */
int ioe_engine_run(struct ioe_engine *engine, uint32_t n_min, int64_t timeout_ns);

/* ---- Around it ----------------------------------------------------------------------- */

/* What O_DIRECT IO on a file must be aligned to. */
struct ioe_alignment {
	uint32_t size;         /* set by the caller: sizeof(struct ioe_alignment) */
	uint32_t memory_bytes; /* buffer addresses */
	uint32_t offset_bytes; /* offsets and lengths */
};

/* Ask the kernel what O_DIRECT IO on fd must be aligned to: statx(2) with STATX_DIOALIGN (Linux
 * 6.1), else the BLKSSZGET ioctl for block devices, else 4096, which is right for sectors
 * of 512 and 4096 bytes. fd need not be open with O_DIRECT. Any thread; the server of a network or
 * FUSE file system is not asked.
 * Returns 0, -EINVAL (NULL, or size less than 12), -EBADF, -EOPNOTSUPP (the kernel says that this
 * file takes no direct IO). 0 is no promise that it does where the kernel says nothing: open(2)
 * with O_DIRECT tells. */
IOE_MUST_CHECK
int ioe_file_alignment(int fd, struct ioe_alignment *ret_alignment);

/* Open a pool of n_workers [1, 256] callback threads to be shared by several engines.
 * Returns 0, -EINVAL, -ENOMEM, -EAGAIN (no more threads). Any thread. */
IOE_MUST_CHECK
int ioe_workers_open(uint32_t n_workers, struct ioe_workers **ret_workers);

/* Close a pool: ends its threads, frees it. NULL is 0. Not in a callback (-EDEADLK).
 * -EBUSY while an engine uses it; it stays open then. */
int ioe_workers_close(struct ioe_workers *workers);

#ifdef __cplusplus
}
#endif
#endif
