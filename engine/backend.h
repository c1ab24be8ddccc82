/* SPDX-License-Identifier: MIT
 * backend.h - what a driver asks of a way to reach the kernel, and the table of the ways.
 *
 * The contract. A backend is made of one file and one row of the table in backend.c. It knows
 * requests and completions; it knows nothing of channels, merging, events or callbacks.
 *
 *   stage    takes a request; it cannot fail, and no system call is made. The driver stages at
 *            most config.depth requests that have not been reaped. The request, its iovec array
 *            and the buffers stay as they are until it has been reaped.
 *   commit   gives everything staged to the kernel, with one system call where the kernel
 *            allows; then, if wait_ns is not 0, blocks until there is a completion to reap, wake()
 *            has been called since the last commit that waited, a signal came, or wait_ns is over
 *            (-1: no limit). It never blocks when wait_ns is 0. A completion that is ready
 *            makes it return at once. A request that the kernel refuses is completed with
 *            that error, alone; the others go on.
 *            0          all staged requests are with the kernel (or have completed)
 *            -EAGAIN    the kernel takes no more for now (EAGAIN, EBUSY): what was not taken
 *                       stays staged; reap, then commit again
 *            other      the kernel interface has broken. The requests that the kernel does not
 *                       have are completed with -EIO before commit returns; those it has are
 *                       reaped when it gives them back. Requests staged later end with -EIO
 *                       at the next commit. commit goes on returning the error and must not
 *                       block in this state; the driver sleeps.
 *   reap     copies up to n completions out and frees their place *before* it returns (the head of
 *            a completion queue has been advanced). Each staged request is completed exactly once;
 *            the driver checks slot and generation all the same.
 *   wake     makes a commit that waits, or the next that will, return soon. The one function for
 *            any thread; idempotent; cheap to call twice but not free.
 *   cancel   asks for an end of a request with the kernel, if the kernel lets go of it; best
 *            effort, and the request is reaped as ever (with -ECANCELED if it worked). May act at
 *            the next commit.
 *   pending  true if reap would return a completion without a further system call, or if a
 *            commit with wait_ns 0 would make one visible (a spinning driver asks this).
 *
 * Results are those of the system call: bytes >= 0, or -errno. A read or write with O_NONBLOCK on
 * the file may end with -EAGAIN. On a file that cannot seek the offset is ignored.
 * -EAGAIN, -EINTR and short counts are handed up as they are: settling is the driver's.
 *
 * Threads:   open() on any thread; enable() and everything after it, close() included, on the
 *            driver's thread; wake() anywhere between open() and close().
 * Ownership: the backend owns what it opens; requests belong to the driver. */
#ifndef IOE_BACKEND_H
#define IOE_BACKEND_H

#include "engine/sys.h"

/* One slot of a driver: a request, or the room for one. */
struct ioe__request {
	uint32_t slot;       /* index of this slot, [0, depth) */
	uint32_t generation; /* how often the slot has been used */
	/* What to do; constant from stage to reap. */
	uint8_t op;    /* IOE_OP_NOP, _READ, _WRITE, _FSYNC, _FDATASYNC or _FALLOCATE */
	uint8_t state; /* enum ioe__request_state, the driver's */
	uint16_t ioprio;
	uint32_t flags; /* IOE_EVENT_* of its events */
	int fd;
	uint32_t rw_flags; /* RWF_* */
	uint32_t op_flags; /* of fallocate: mode */
	/* Elements of iov; 0: the data is buffer[0..length). IOE_OP_READ and _WRITE only. */
	uint32_t n_iov;
	const struct iovec *iov;
	void *buffer;
	uint64_t offset;
	uint64_t length; /* bytes; at most IOE__TRANSFER_MAX for read and write */
	/* The driver's: the events it is made of, linked, in the order of their offsets. */
	struct ioe_event *events;
	uint32_t n_events;
	uint32_t iov_block; /* where iov stands in the driver's pool, or IOE__NO_IOV_BLOCK */
};

struct ioe__completion {
	uint32_t slot;
	uint32_t generation;
	int64_t result;
};

/* Counters a backend keeps for its driver; written on the driver's thread by ioe__count(). */
struct ioe__backend_counters {
	uint64_t system_calls; /* to submit and to wait */
	uint64_t helped;       /* requests given to helpers */
	uint64_t cq_overflows;
};

/* One writer, any readers: a plain add, readable at any time without tearing. */
static inline void ioe__count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

#define IOE__REASON_MAX 256

/* What the drivers of an engine may take from each other while they are opened. How often memory
 * for a ring has been waited for: what one has waited for in vain the next need not. */
struct ioe__shortage {
	uint32_t n;       /* waits in all */
	uint32_t n_round; /* since driver 0 was opened last */
	bool of_contexts; /* the last open of aio found none; any other -EAGAIN is of threads */
};

struct ioe__backend_config {
	uint32_t depth;     /* requests staged and not reaped, at the most; what the caller asks */
	uint32_t n_helpers; /* threads for what cannot be done asynchronously */
	uint32_t driver;    /* index, for names of threads */
	/* The thread that opens is not the one that will drive: nothing may be bound to the opening
	 * thread; enable() binds it. */
	bool other_thread;
	struct ioe__backend_counters *counters;
	struct ioe__shortage *shortage; /* shared by the drivers of an engine; NULL: alone */
	/* Out: the depth there is (smaller when memory was short), and a note of what was given
	 * up, "" if nothing. */
	uint32_t ret_depth;
	char ret_note[IOE__REASON_MAX];
};

struct ioe__backend;

struct ioe__backend_ops {
	const char *name;
	int (*open)(struct ioe__backend_config *config, struct ioe__backend **ret_backend);
	int (*enable)(struct ioe__backend *backend);
	void (*close)(struct ioe__backend *backend);
	void (*stage)(struct ioe__backend *backend, const struct ioe__request *request);
	int (*commit)(struct ioe__backend *backend, int64_t wait_ns);
	uint32_t (*reap)(struct ioe__backend *backend, struct ioe__completion *ret_completions,
			 uint32_t n);
	void (*wake)(struct ioe__backend *backend);
	void (*cancel)(struct ioe__backend *backend, const struct ioe__request *request);
	bool (*pending)(struct ioe__backend *backend);
};

extern const struct ioe__backend_ops ioe__backend_uring;
extern const struct ioe__backend_ops ioe__backend_aio;
extern const struct ioe__backend_ops ioe__backend_threads;

/* The row of IOE_BACKEND_URING, _AIO or _THREADS. */
const struct ioe__backend_ops *ioe__backend_ops(uint32_t backend);

/* Open the backend that config asks for (an IOE_BACKEND_*), or with AUTO the first available.
 * reason, of IOE__REASON_MAX bytes, gets the line for ioe_engine_reason().
 * 0, or the error of the backend asked for. */
int ioe__backend_open(uint32_t backend, struct ioe__backend_config *config, char *reason,
		      const struct ioe__backend_ops **ret_ops, struct ioe__backend **ret_backend);

/* Whether an error of open() means "not available here" rather than "failed". */
bool ioe__backend_is_unavailable(int error);

#endif
