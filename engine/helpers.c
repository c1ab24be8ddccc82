/* SPDX-License-Identifier: MIT
 * helpers.c - doing requests by blocking system calls on helper threads.
 *
 * A request's way: the driver puts its job (one per slot) on a chain and pushes the chain to the
 * pool, a helper makes the system call and pushes the job on the done stack, the driver takes the
 * whole stack with one exchange and reverses it. No job is ever taken singly, so ABA is harmless.
 *
 * Files that cannot seek. preadv2() at an offset says -ESPIPE; then the offset is dropped, as
 * io_uring does. Without O_NONBLOCK the helper does not sit in the read or write itself, which
 * nothing could end, but asks with RWF_NOWAIT and, while that says -EAGAIN, waits in poll() for
 * the file *and* for cancel_fd, an eventfd of the set. That one is level triggered and shared:
 *   1. cancel(), under the lock, marks the job; if its helper is in poll (job->polling) it marks
 *      it signalled and counts it in n_signalled; the first one raises cancel_fd.
 *   2. A helper that leaves poll takes the lock. If it was signalled, it takes itself off
 *      n_signalled, and the last one lowers cancel_fd: it is raised if and only if
 *      n_signalled > 0, seen under the lock. So no cancel is lost: a signalled helper finds the fd
 *      raised until it has come out.
 *   3. A helper that was woken for another one's sake does not poll again before cancel_fd is
 *      down; it sleeps on the condition variable, so nobody spins. That is short: those it waits
 *      for have been woken by the same fd. A cancel of its own job ends that sleep too.
 *
 * Invariants: see helpers.h; nothing is allocated after open.
 * Threads:    perform() and what it calls on helpers, the rest on the driver's thread. The lock
 *             guards polling and signalled of the jobs, and n_signalled; it is taken only for
 *             files that cannot seek and for cancelling, and held over no blocking call.
 * Ownership:  jobs belong to the set; from push to done stack they are the helper's. */
#include "engine/helpers.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workers/workers.h"

/* How often in a row a file may be ready by poll() and -EAGAIN by RWF_NOWAIT (another reader was
 * faster, or a driver that does not mean it) before the helper makes the plain, blocking call. */
#define READY_ROUNDS_MAX 64

struct job {
	struct ioe__node node;              /* first: a node is its job */
	const struct ioe__request *request; /* NULL: not given */
	int64_t result;
	uint32_t cancelled; /* written by the driver under the lock, read without it too */
	bool polling;       /* its helper is in poll(), or about to be */
	bool signalled;     /* counted in n_signalled */
} IOE__ALIGNED_LINE;

struct ioe__helpers {
	/* The driver's. */
	struct ioe_workers *workers;
	struct ioe__sleeper *sleeper;
	struct ioe__backend_counters *counters;
	struct ioe__node *added_first; /* given, not started */
	struct ioe__node *added_last;
	struct ioe__node *ready_first; /* completed, not reaped */
	struct ioe__node *ready_last;
	uint64_t n_pushed;
	uint32_t depth;
	bool attached;
	/* Of cancelling. */
	bool lock_made;
	int cancel_fd;
	uint32_t n_signalled;
	pthread_mutex_t lock;
	pthread_cond_t lowered; /* cancel_fd is down, or a job has been cancelled */
	/* The helpers'. */
	struct ioe__work_owner owner IOE__ALIGNED_LINE;
	struct ioe__node *done IOE__ALIGNED_LINE;
	struct job jobs[] IOE__ALIGNED_LINE;
};

_Static_assert(offsetof(struct ioe__helpers, done) / IOE__CACHE_LINE !=
		       offsetof(struct ioe__helpers, owner) / IOE__CACHE_LINE,
	       "the stack that all helpers push on has a cache line of its own");

static struct ioe__helpers *helpers_of(struct ioe__work_owner *owner)
{
	return (struct ioe__helpers *)((char *)owner - offsetof(struct ioe__helpers, owner));
}

/* ---- On helpers ---------------------------------------------------------------------- */

static bool is_cancelled(const struct job *job)
{
	return __atomic_load_n(&job->cancelled, __ATOMIC_ACQUIRE) != 0; /* pairs with cancel() */
}

/* Wait until the file of a job is ready, or the job has been cancelled: 0, -ECANCELED, or an error
 * of poll(). A file that poll() does not know is ready: the read or write will say what it is. */
static int wait_ready(struct ioe__helpers *helpers, struct job *job)
{
	const struct ioe__request *request = job->request;
	struct pollfd fds[2] = {
		{ .fd = request->fd,
		  .events = (short)(request->op == IOE_OP_READ ? POLLIN : POLLOUT) },
		{ .fd = helpers->cancel_fd, .events = POLLIN },
	};
	int ret;

	do {
		pthread_mutex_lock(&helpers->lock);
		while (helpers->n_signalled > 0 && !is_cancelled(job))
			pthread_cond_wait(&helpers->lowered, &helpers->lock);
		job->polling = !is_cancelled(job);
		pthread_mutex_unlock(&helpers->lock);
		if (!job->polling)
			return -ECANCELED;

		ret = ioe__poll(fds, 2, -1);

		pthread_mutex_lock(&helpers->lock);
		job->polling = false;
		if (job->signalled) {
			job->signalled = false;
			if (--helpers->n_signalled == 0) {
				ioe__eventfd_clear(helpers->cancel_fd);
				pthread_cond_broadcast(&helpers->lowered);
			}
		}
		pthread_mutex_unlock(&helpers->lock);
		if (is_cancelled(job))
			return -ECANCELED;
	} while (ret >= 0 && fds[0].revents == 0);
	return ret < 0 ? ret : 0;
}

static int64_t transfer(const struct ioe__request *request, const struct iovec *iov, uint32_t n_iov,
			int64_t offset, uint32_t rw_flags)
{
	if (request->op == IOE_OP_READ)
		return ioe__preadv2(request->fd, iov, n_iov, offset, (int)rw_flags);
	return ioe__pwritev2(request->fd, iov, n_iov, offset, (int)rw_flags);
}

/* The plain call on a file that is ready. A write to a pipe that is larger than what "ready"
 * stands for would block until somebody reads: write what fits. */
static int64_t transfer_ready(const struct ioe__request *request, const struct iovec *iov,
			      uint32_t n_iov)
{
	struct iovec part;

	if (request->op != IOE_OP_WRITE || request->length <= PIPE_BUF)
		return transfer(request, iov, n_iov, -1, request->rw_flags);
	/* GCOVR_EXCL_START: only if the caller has changed his array */
	while (iov->iov_len == 0 && n_iov > 1) {
		iov++;
		n_iov--;
	}
	/* GCOVR_EXCL_STOP */
	part = *iov;
	if (part.iov_len > PIPE_BUF)
		part.iov_len = PIPE_BUF;
	return transfer(request, &part, 1, -1, request->rw_flags);
}

/* A read or write of a file that cannot seek. */
static int64_t transfer_stream(struct ioe__helpers *helpers, struct job *job,
			       const struct iovec *iov, uint32_t n_iov)
{
	const struct ioe__request *request = job->request;
	int flags = ioe__fd_flags(request->fd);
	int64_t ret;

	/* GCOVR_EXCL_START: only if the fd is closed right now */
	if (flags < 0)
		return flags;
	/* GCOVR_EXCL_STOP */
	if ((flags & O_NONBLOCK) || (request->rw_flags & RWF_NOWAIT))
		return transfer(request, iov, n_iov, -1, request->rw_flags);
	for (uint32_t round = 0; round < READY_ROUNDS_MAX; round++) {
		ret = transfer(request, iov, n_iov, -1, request->rw_flags | RWF_NOWAIT);
		if (ret != -EAGAIN && ret != -EOPNOTSUPP)
			return ret;
		int waited = wait_ready(helpers, job);
		if (waited < 0)
			return waited;
		if (ret == -EOPNOTSUPP)
			break;
	}
	return transfer_ready(request, iov, n_iov);
}

static int64_t perform_transfer(struct ioe__helpers *helpers, struct job *job)
{
	const struct ioe__request *request = job->request;
	const struct iovec single = { .iov_base = request->buffer, .iov_len = request->length };
	const struct iovec *iov = request->n_iov > 0 ? request->iov : &single;
	uint32_t n_iov = request->n_iov > 0 ? request->n_iov : 1;
	int64_t ret = transfer(request, iov, n_iov, (int64_t)request->offset, request->rw_flags);

	return ret == -ESPIPE ? transfer_stream(helpers, job, iov, n_iov) : ret;
}

static int64_t perform(struct ioe__helpers *helpers, struct job *job)
{
	const struct ioe__request *request = job->request;

	if (is_cancelled(job))
		return -ECANCELED;
	switch (request->op) {
	case IOE_OP_READ:
	case IOE_OP_WRITE:
		return perform_transfer(helpers, job);
	case IOE_OP_FSYNC:
		return ioe__fsync(request->fd);
	case IOE_OP_FDATASYNC:
		return ioe__fdatasync(request->fd);
	case IOE_OP_FALLOCATE:
		return ioe__fallocate(request->fd, (int)request->op_flags, (int64_t)request->offset,
				      (int64_t)request->length);
	case IOE_OP_NOP:
		return 0;
	/* GCOVR_EXCL_START: there are no other operations */
	default:
		return -EOPNOTSUPP;
		/* GCOVR_EXCL_STOP */
	}
}

static void run(struct ioe__node *node)
{
	struct job *job = (struct job *)node;
	struct ioe__helpers *helpers = helpers_of(node->owner);
	struct ioe__node *top;

	job->result = perform(helpers, job);
	top = __atomic_load_n(&helpers->done, __ATOMIC_RELAXED);
	do {
		node->next = top;
		/* Pairs with the exchange in take_done(); seq_cst: it is S3 of the sleeper. */
	} while (!__atomic_compare_exchange_n(&helpers->done, &top, node, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	/* The job is the driver's now. The set lives until this function has returned. */
	ioe__sleeper_notify(helpers->sleeper);
}

/* ---- On the driver's thread ---------------------------------------------------------- */

int ioe__helpers_open(const struct ioe__backend_config *config, uint32_t depth,
		      struct ioe__sleeper *sleeper, struct ioe__helpers **ret_helpers)
{
	size_t size_bytes = sizeof(struct ioe__helpers) + depth * sizeof(struct job);
	uint32_t n = config->n_helpers < depth ? config->n_helpers : depth;
	struct ioe__helpers *helpers = aligned_alloc(IOE__CACHE_LINE, size_bytes);
	char name[16];
	int ret;

	if (!helpers)
		return -ENOMEM;
	memset(helpers, 0, size_bytes);
	helpers->sleeper = sleeper;
	helpers->counters = config->counters;
	helpers->depth = depth;
	helpers->owner.run = run;
	helpers->cancel_fd = ret = ioe__eventfd_open();
	if (ret < 0)
		goto fail;
	pthread_mutex_init(&helpers->lock, NULL);
	pthread_cond_init(&helpers->lowered, NULL);
	helpers->lock_made = true;
	snprintf(name, sizeof(name), "ioe-hlp%u-", config->driver);
	ret = ioe__workers_open(n, name, &helpers->workers);
	if (ret < 0)
		goto fail;
	ioe__workers_attach(helpers->workers, &helpers->owner);
	helpers->attached = true;
	*ret_helpers = helpers;
	return 0;
fail:
	ioe__helpers_close(helpers);
	return ret;
}

void ioe__helpers_close(struct ioe__helpers *helpers)
{
	uint64_t n_done;
	int ret;

	if (!helpers)
		return;
	ioe__assert(!helpers->added_first && !helpers->ready_first);
	if (helpers->attached) {
		/* The last job has been reaped, but its helper may still be in run(). */
		while ((n_done = ioe__work_owner_done(&helpers->owner)) != helpers->n_pushed)
			(void)ioe__work_owner_wait(&helpers->owner, n_done, -1);
		ioe__assert(!helpers->done && helpers->n_signalled == 0);
		ioe__workers_detach(helpers->workers, &helpers->owner);
	}
	ret = ioe__workers_close(helpers->workers);
	ioe__assert(ret == 0);
	if (helpers->lock_made) {
		pthread_cond_destroy(&helpers->lowered);
		pthread_mutex_destroy(&helpers->lock);
	}
	if (helpers->cancel_fd >= 0)
		close(helpers->cancel_fd);
	free(helpers);
}

static struct job *take_job(struct ioe__helpers *helpers, const struct ioe__request *request)
{
	struct job *job;

	ioe__assert(request->slot < helpers->depth);
	job = &helpers->jobs[request->slot];
	ioe__assert(!job->request);
	job->request = request;
	return job;
}

static void append(struct ioe__node **first, struct ioe__node **last, struct ioe__node *node)
{
	node->next = NULL;
	if (*first)
		(*last)->next = node;
	else
		*first = node;
	*last = node;
}

void ioe__helpers_add(struct ioe__helpers *helpers, const struct ioe__request *request)
{
	struct job *job = take_job(helpers, request);

	job->node.owner = &helpers->owner;
	__atomic_store_n(&job->cancelled, 0, __ATOMIC_RELAXED); /* the push publishes it */
	append(&helpers->added_first, &helpers->added_last, &job->node);
	helpers->n_pushed++;
	ioe__count(&helpers->counters->helped, 1);
}

void ioe__helpers_start(struct ioe__helpers *helpers)
{
	if (!helpers->added_first)
		return;
	ioe__workers_push(helpers->workers, helpers->added_first, helpers->added_last);
	helpers->added_first = helpers->added_last = NULL;
}

void ioe__helpers_complete(struct ioe__helpers *helpers, const struct ioe__request *request,
			   int64_t result)
{
	struct job *job = take_job(helpers, request);

	job->result = result;
	append(&helpers->ready_first, &helpers->ready_last, &job->node);
}

void ioe__helpers_cancel(struct ioe__helpers *helpers, const struct ioe__request *request)
{
	struct job *job = &helpers->jobs[request->slot];

	if (job->request != request)
		return;
	pthread_mutex_lock(&helpers->lock);
	__atomic_store_n(&job->cancelled, 1, __ATOMIC_RELEASE); /* pairs with is_cancelled() */
	if (!job->polling) {
		pthread_cond_broadcast(&helpers->lowered);
	} else if (!job->signalled) {
		job->signalled = true;
		if (helpers->n_signalled++ == 0)
			ioe__eventfd_signal(helpers->cancel_fd);
	}
	pthread_mutex_unlock(&helpers->lock);
}

/* Put what the helpers have done behind what is ready, in the order they did it. */
static void take_done(struct ioe__helpers *helpers)
{
	struct ioe__node *node, *next, *newest;
	struct ioe__node *oldest = NULL;

	/* Looking is cheaper than exchanging, which takes the line from the helpers. */
	if (!__atomic_load_n(&helpers->done, __ATOMIC_RELAXED))
		return;
	newest = __atomic_exchange_n(&helpers->done, NULL, __ATOMIC_ACQUIRE);
	for (node = newest; node; node = next) {
		next = node->next;
		node->next = oldest;
		oldest = node;
	}
	if (helpers->ready_first)
		helpers->ready_last->next = oldest;
	else
		helpers->ready_first = oldest;
	helpers->ready_last = newest;
}

uint32_t ioe__helpers_reap(struct ioe__helpers *helpers, struct ioe__completion *ret_completions,
			   uint32_t n)
{
	uint32_t n_reaped = 0;

	take_done(helpers);
	while (n_reaped < n && helpers->ready_first) {
		struct job *job = (struct job *)helpers->ready_first;

		helpers->ready_first = job->node.next;
		ret_completions[n_reaped++] = (struct ioe__completion){
			.slot = job->request->slot,
			.generation = job->request->generation,
			.result = job->result,
		};
		job->request = NULL;
	}
	return n_reaped;
}

bool ioe__helpers_pending(const struct ioe__helpers *helpers)
{
	return helpers->ready_first || __atomic_load_n(&helpers->done, __ATOMIC_SEQ_CST);
}

void ioe__helpers_wait(struct ioe__helpers *helpers, int64_t wait_ns)
{
	struct ioe__sleeper *sleeper = helpers->sleeper;
	int64_t started_ns = wait_ns > 0 ? ioe__clock_ns() : 0;
	int64_t left_ns = wait_ns;

	while (ioe__sleeper_begin(sleeper, IOE__ASLEEP_FUTEX) && !ioe__helpers_pending(helpers)) {
		int ret;

		ioe__count(&helpers->counters->system_calls, 1);
		ret = ioe__futex_wait(&sleeper->asleep, IOE__ASLEEP_FUTEX, left_ns);
		if (ret != 0 && ret != -EAGAIN)
			break;
		if (wait_ns > 0) {
			left_ns = wait_ns - (ioe__clock_ns() - started_ns);
			if (left_ns <= 0)
				break;
		}
	}
	ioe__sleeper_end(sleeper);
}
