/* SPDX-License-Identifier: MIT
 * backend_uring.c - requests through io_uring.
 *
 * One request is one SQE. Beside them the ring carries a poll of an eventfd, by which wake() ends
 * a sleep; cancels; and liburing's timeout where the kernel has no other. The poll is armed once
 * and completes for each signal (a read, which has to be armed again, costs a wake 2 to 3 us
 * more); before Linux 5.13 there is none of this kind, and it is the read.
 *
 * The wake is never lost: poll or read is armed in or before the system call that sleeps, and an
 * eventfd keeps its count, so that what is armed after the signal completes at once.
 *
 * With DEFER_TASKRUN completions become visible only in a system call with GETEVENTS, so that every
 * one we make has it; pending() looks at IORING_SQ_TASKRUN to know when one is due.
 *
 * Invariants: CQ entries >= SQ entries + depth + 2: requests, cancels of each of them, a wake and a
 *             timeout have room at the same time. Wakes that pile up while everything is being
 *             cancelled may overflow it: the kernel keeps what has no room, and is asked for it;
 *             after a break nothing is submitted any more.
 * Threads, Ownership: backend.h. */
#include "engine/backend.h"

#include "engine/ioe.h"

#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* user_data: the slot below, its generation above. No slot has this index: */
#define SLOT_OURS   UINT32_MAX
#define DATA_WAKE   ((uint64_t)SLOT_OURS)
#define DATA_CANCEL ((UINT64_C(1) << 32) | SLOT_OURS)

_Static_assert((uint32_t)LIBURING_UDATA_TIMEOUT == SLOT_OURS, "liburing's timeouts are told apart");

/* SQEs beside those of requests: the wake and a timeout. */
#define SQ_EXTRA 2u

/* How long a full SQ is tried again for a cancel, while the kernel takes nothing. */
#define SQE_TRIES_MAX 1000u
#define SQE_PAUSE_NS  INT64_C(100000)

/* How often memory for a ring is waited for: before the depth is halved, by all drivers together;
 * and at depth 1, or in all, however often they are opened again. */
#define MEMORY_WAITS     50u
#define MEMORY_WAITS_MAX 500u
#define MEMORY_WAIT_NS   INT64_C(1000000)

struct ioe__backend {
	struct io_uring ring;
	uint32_t depth;
	uint32_t n_helpers;
	int wake_fd;
	bool disabled;   /* until enable() */
	bool registered; /* the ring's fd, with the driving thread */
	bool wake_armed;
	bool wake_by_read;
	uint64_t wake_count; /* where an armed read puts the eventfd's count */
	int broken;          /* 0 or the error */
	/* Requests the kernel never got, to be reaped with -EIO. */
	struct ioe__completion *refused;
	uint32_t n_refused;
	struct ioe__backend_counters *counters;
};

/* Asked for, and given up in this order while the kernel says -EINVAL. */
static const struct {
	uint32_t flags;
	const char *name;
} niceties[] = {
	{ IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG, "DEFER_TASKRUN" },
	{ IORING_SETUP_SINGLE_ISSUER, "SINGLE_ISSUER" },
	{ IORING_SETUP_R_DISABLED, "R_DISABLED" },
	{ IORING_SETUP_SUBMIT_ALL, "SUBMIT_ALL" },
	{ IORING_SETUP_CLAMP, "CLAMP" },
};

static const uint8_t opcodes_needed[] = {
	IORING_OP_NOP,  IORING_OP_READV, IORING_OP_WRITEV,    IORING_OP_FSYNC,
	IORING_OP_READ, IORING_OP_WRITE, IORING_OP_FALLOCATE, IORING_OP_ASYNC_CANCEL,
};

/* ---- Open ---- */

static void note(char *ret_note, const char *what, const char *name)
{
	const size_t n = strlen(ret_note);

	(void)snprintf(ret_note + n, IOE__REASON_MAX - n, "%s%s%s", n > 0 ? ", " : "", what, name);
}

static int setup_ring(struct ioe__backend *backend, uint32_t depth, bool disabled, char *ret_note)
{
	uint32_t flags = IORING_SETUP_CQSIZE;
	size_t n_given_up = 0;
	int ret;

	for (size_t i = 0; i < sizeof(niceties) / sizeof(niceties[0]); i++)
		flags |= niceties[i].flags;
	if (!disabled)
		flags &= ~IORING_SETUP_R_DISABLED;
	for (;;) {
		struct io_uring_params params = { .flags = flags };
		uint32_t n_sq = 1;

		/* The kernel rounds the SQ up to a power of two; each of its entries may become a
		 * completion while depth others are outstanding. */
		while (n_sq < depth + SQ_EXTRA)
			n_sq *= 2;
		params.cq_entries = 2 * n_sq;
		ret = io_uring_queue_init_params(n_sq, &backend->ring, &params);
		if (ret != -EINVAL || n_given_up == sizeof(niceties) / sizeof(niceties[0]))
			break;
		if (flags & niceties[n_given_up].flags)
			note(ret_note, "no ", niceties[n_given_up].name);
		flags &= ~niceties[n_given_up++].flags;
	}
	backend->disabled = (flags & IORING_SETUP_R_DISABLED) != 0;
	return ret;
}

static int probe_opcodes(struct ioe__backend *backend, char *ret_note)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&backend->ring);
	int ret = 0;

	if (probe == NULL) {
		note(ret_note, "opcodes cannot be probed", "");
		return -ENOSYS;
	}
	for (size_t i = 0; i < sizeof(opcodes_needed); i++)
		/* GCOVR_EXCL_START: Linux 5.1 to 5.5 only */
		if (!io_uring_opcode_supported(probe, opcodes_needed[i]))
			ret = -ENOSYS;
	/* GCOVR_EXCL_STOP */
	io_uring_free_probe(probe);
	return ret;
}

/* A filter may let a ring be made and forbid its use: find out while another backend can still be
 * taken. */
static int probe_enter(struct ioe__backend *backend)
{
	struct io_uring *ring = &backend->ring;
	struct io_uring_sqe *sqe;
	int ret;

	/* Not enabled yet: the kernel says so when it is asked (io_uring/io_uring.c), and a second
	 * ring, enabled, might find no memory beside this one. */
	if (backend->disabled) {
		ret = (int)ioe__sys_result(
			syscall(__NR_io_uring_enter, ring->ring_fd, 0, 0, 0, NULL, 0));
		return ret == -EBADFD ? 0 : ret;
	}
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data64(sqe, DATA_CANCEL);
	do {
		ret = io_uring_submit_and_wait(ring, 1);
	} while (ret == -EINTR);
	if (ret < 0)
		return ret;
	io_uring_cq_advance(ring, io_uring_cq_ready(ring));
	return 0;
}

static void uring_free(struct ioe__backend *backend)
{
	if (backend->ring.ring_fd >= 0)
		io_uring_queue_exit(&backend->ring);
	if (backend->wake_fd >= 0)
		(void)close(backend->wake_fd);
	free(backend->refused);
	free(backend);
}

static bool wait_for_memory(struct ioe__shortage *waits, uint32_t n_max)
{
	if (waits->n_round >= n_max || waits->n >= MEMORY_WAITS_MAX)
		return false;
	waits->n_round++;
	waits->n++;
	ioe__sleep_ns(MEMORY_WAIT_NS);
	return true;
}

/* A ring as deep as memory allows: RLIMIT_MEMLOCK counts rings, before Linux 5.12 and again since
 * 6.14 (io_create_region()), for all processes of a user. What a closed ring had comes back after
 * an RCU grace period: 8 to 28 ms after its close on 6.18. So the depth that was asked for is tried
 * for a while before it is halved, and the smallest for longer before there is no ring at all; but
 * not if it is other drivers of the same engine who have it. */
static int setup_depth(struct ioe__backend *backend, struct ioe__backend_config *config)
{
	const uint32_t asked = config->depth;
	struct ioe__shortage alone = { 0 };
	struct ioe__shortage *waits = config->shortage != NULL ? config->shortage : &alone;
	uint32_t depth = asked;
	int ret;

	if (config->driver == 0)
		waits->n_round = 0;
	for (;;) {
		config->ret_note[0] = '\0';
		ret = setup_ring(backend, depth, config->other_thread, config->ret_note);
		if (ret != -ENOMEM)
			break;
		if (wait_for_memory(waits, depth > 1 || config->driver > 0 ? MEMORY_WAITS :
									     MEMORY_WAITS_MAX))
			continue;
		if (depth == 1)
			break;
		depth /= 2;
	}
	if (ret < 0) {
		backend->ring.ring_fd = -1;
		return ret;
	}
	if (depth < asked) {
		const size_t n = strlen(config->ret_note);

		(void)snprintf(config->ret_note + n, IOE__REASON_MAX - n,
			       "%sdepth %u instead of %u for want of memory (RLIMIT_MEMLOCK?)",
			       n > 0 ? ", " : "", depth, asked);
	}
	backend->depth = depth;
	config->ret_depth = depth;
	return 0;
}

static int uring_open(struct ioe__backend_config *config, struct ioe__backend **ret_backend)
{
	struct ioe__backend *backend = calloc(1, sizeof(*backend));
	int ret;

	if (backend == NULL)
		return -ENOMEM;
	backend->ring.ring_fd = -1;
	backend->wake_fd = -1;
	backend->counters = config->counters;
	backend->n_helpers = config->n_helpers;
	ret = setup_depth(backend, config);
	if (ret == 0)
		ret = probe_opcodes(backend, config->ret_note);
	if (ret == 0)
		ret = probe_enter(backend);
	if (ret == 0) {
		/* Blocking: an armed read of a non-blocking eventfd would end with -EAGAIN. */
		ret = (int)ioe__sys_result(eventfd(0, EFD_CLOEXEC));
		backend->wake_fd = ret;
	}
	if (ret >= 0) {
		backend->refused = calloc(backend->depth, sizeof(*backend->refused));
		ret = backend->refused == NULL ? -ENOMEM : 0;
	}
	if (ret < 0) {
		uring_free(backend);
		return ret;
	}
	*ret_backend = backend;
	return 0;
}

/* liburing 2.3's shared library does not export io_uring_enable_rings(). */
static int enable_ring(struct ioe__backend *backend)
{
	return (int)ioe__sys_result(syscall(__NR_io_uring_register, backend->ring.ring_fd,
					    IORING_REGISTER_ENABLE_RINGS, NULL, 0));
}

static int uring_enable(struct ioe__backend *backend)
{
	/* The kernel's own helpers (io-wq) are as many as ours would be, of each of its kinds. */
	unsigned int n_workers[2] = { backend->n_helpers, backend->n_helpers };
	int ret;

	if (backend->disabled) {
		ret = enable_ring(backend);
		if (ret < 0) {
			backend->broken = ret;
			return ret;
		}
		backend->disabled = false;
	}
	/* Both are niceties: an older kernel goes on without. */
	(void)io_uring_register_iowq_max_workers(&backend->ring, n_workers);
	backend->registered = io_uring_register_ring_fd(&backend->ring) == 1;
	return 0;
}

/* ---- Run ---- */

static bool task_work_is_due(const struct ioe__backend *backend)
{
	return (__atomic_load_n(backend->ring.sq.kflags, __ATOMIC_RELAXED) &
		(IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

static bool uring_pending(struct ioe__backend *backend)
{
	return io_uring_cq_ready(&backend->ring) > 0 || backend->n_refused > 0 ||
	       task_work_is_due(backend);
}

static void refuse(struct ioe__backend *backend, uint32_t slot, uint32_t generation)
{
	ioe__assert(backend->n_refused < backend->depth);
	backend->refused[backend->n_refused++] = (struct ioe__completion){
		.slot = slot,
		.generation = generation,
		.result = -EIO,
	};
}

/* The kernel interface has broken: what the kernel has not consumed from the SQ it never will. */
static int break_ring(struct ioe__backend *backend, int error)
{
	const struct io_uring_sq *sq = &backend->ring.sq;
	const uint32_t head = __atomic_load_n(sq->khead, __ATOMIC_ACQUIRE);

	if (backend->broken != 0)
		return backend->broken;
	backend->broken = error;
	for (uint32_t i = head; i != sq->sqe_tail; i++) {
		const uint64_t data = sq->sqes[i & sq->ring_mask].user_data;

		if ((uint32_t)data != SLOT_OURS)
			refuse(backend, (uint32_t)data, (uint32_t)(data >> 32));
	}
	return error;
}

/* Submit nothing: only let the kernel complete what it has done. */
static void get_events(struct ioe__backend *backend)
{
	ioe__count(&backend->counters->system_calls, 1);
	(void)ioe__sys_result(syscall(__NR_io_uring_enter, backend->ring.ring_fd, 0, 0,
				      IORING_ENTER_GETEVENTS, NULL, 0));
}

static struct io_uring_sqe *get_sqe(struct ioe__backend *backend)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&backend->ring);

	/* Full of cancels: the only ones beyond depth and SQ_EXTRA. */
	for (uint32_t i = 0; sqe == NULL && i < SQE_TRIES_MAX; i++) {
		ioe__count(&backend->counters->system_calls, 1);
		if (io_uring_submit(&backend->ring) <= 0)
			ioe__sleep_ns(SQE_PAUSE_NS);
		sqe = io_uring_get_sqe(&backend->ring);
	}
	return sqe;
}

static bool arm_wake(struct ioe__backend *backend)
{
	struct io_uring_sqe *sqe;

	if (backend->wake_armed)
		return true;
	sqe = get_sqe(backend);
	if (sqe == NULL)
		return false;
	if (backend->wake_by_read)
		io_uring_prep_read(sqe, backend->wake_fd, &backend->wake_count,
				   sizeof(backend->wake_count), 0);
	else
		io_uring_prep_poll_multishot(sqe, backend->wake_fd, POLLIN);
	io_uring_sqe_set_data64(sqe, DATA_WAKE);
	backend->wake_armed = true;
	return true;
}

static void uring_stage(struct ioe__backend *backend, const struct ioe__request *request)
{
	struct io_uring_sqe *sqe;
	const void *address = request->n_iov > 0 ? (const void *)request->iov : request->buffer;
	const uint32_t length = request->n_iov > 0 ? request->n_iov : (uint32_t)request->length;
	const bool vector = request->n_iov > 0;

	if (backend->broken != 0) {
		refuse(backend, request->slot, request->generation);
		return;
	}
	sqe = io_uring_get_sqe(&backend->ring);
	ioe__assert(sqe != NULL);
	switch (request->op) {
	case IOE_OP_READ:
		io_uring_prep_rw(vector ? IORING_OP_READV : IORING_OP_READ, sqe, request->fd,
				 address, length, request->offset);
		break;
	case IOE_OP_WRITE:
		io_uring_prep_rw(vector ? IORING_OP_WRITEV : IORING_OP_WRITE, sqe, request->fd,
				 address, length, request->offset);
		break;
	case IOE_OP_FSYNC:
		io_uring_prep_fsync(sqe, request->fd, 0);
		break;
	case IOE_OP_FDATASYNC:
		io_uring_prep_fsync(sqe, request->fd, IORING_FSYNC_DATASYNC);
		break;
	case IOE_OP_FALLOCATE:
		/* Mode in len, length in addr (io_uring/sync.c, io_fallocate_prep()). */
		io_uring_prep_rw(IORING_OP_FALLOCATE, sqe, request->fd,
				 (const void *)(uintptr_t)request->length, request->op_flags,
				 request->offset);
		break;
	default:
		ioe__assert(request->op == IOE_OP_NOP);
		io_uring_prep_nop(sqe);
		break;
	}
	if (request->op == IOE_OP_READ || request->op == IOE_OP_WRITE) {
		sqe->rw_flags = (int)request->rw_flags;
		sqe->ioprio = request->ioprio;
	}
	io_uring_sqe_set_data64(sqe, (uint64_t)request->generation << 32 | request->slot);
}

#ifdef IOE_TEST_SEAM
/* As if the kernel had taken only n of what is staged, or had answered n < 0. It does not wait
 * then. */
static int enter_with(struct ioe__backend *backend, int n)
{
	struct io_uring_sq *sq = &backend->ring.sq;
	const uint32_t tail = sq->sqe_tail;
	int ret;

	if (n < 0)
		return n;
	sq->sqe_tail = *sq->khead + (uint32_t)n;
	ret = io_uring_submit(&backend->ring);
	sq->sqe_tail = tail;
	return ret;
}
#endif

static int enter(struct ioe__backend *backend, int64_t wait_ns)
{
	struct __kernel_timespec ts;
	struct io_uring_cqe *cqe;

	ioe__count(&backend->counters->system_calls, 1);
#ifdef IOE_TEST_SEAM
	const int n_staged = (int)io_uring_sq_ready(&backend->ring);
	const int n_taken = ioe__seam_submit(backend, (uint32_t)n_staged);

	if (n_taken != n_staged)
		return enter_with(backend, n_taken);
#endif
	if (wait_ns == 0)
		return io_uring_submit_and_get_events(&backend->ring);
	if (wait_ns < 0)
		return io_uring_submit_and_wait(&backend->ring, 1);
	ts.tv_sec = wait_ns / IOE__NS_PER_S;
	ts.tv_nsec = wait_ns % IOE__NS_PER_S;
	return io_uring_submit_and_wait_timeout(&backend->ring, &cqe, 1, &ts, NULL);
}

/* The kernel takes no more. Where it has not taken all it was given, it returns without a look at
 * what has been done (io_uring/io_uring.c, sys_io_uring_enter()): with DEFER_TASKRUN nothing would
 * ever complete, and so nothing be freed, while it is full. */
static int full(struct ioe__backend *backend)
{
	get_events(backend);
	return -EAGAIN;
}

static int uring_commit(struct ioe__backend *backend, int64_t wait_ns)
{
	if (backend->broken != 0) {
		get_events(backend);
		return backend->broken;
	}
	if (io_uring_cq_ready(&backend->ring) > 0 || backend->n_refused > 0)
		wait_ns = 0;
	/* Without a wake armed there is no sleeping. */
	if (wait_ns != 0 && !arm_wake(backend))
		wait_ns = 0;
	if (wait_ns == 0 && io_uring_sq_ready(&backend->ring) == 0 && !task_work_is_due(backend))
		return 0;
	/* Each turn but the last has submitted something, or was interrupted. */
	for (;;) {
		const uint32_t n_staged = io_uring_sq_ready(&backend->ring);
		const int ret = enter(backend, wait_ns);
		const uint32_t n_left = io_uring_sq_ready(&backend->ring);

		if (ret == -EAGAIN || ret == -EBUSY)
			return full(backend);
		if (ret < 0 && ret != -EINTR && ret != -ETIME)
			return break_ring(backend, ret);
		if (n_left == 0)
			return 0;
		if (ret != -EINTR && n_left == n_staged)
			return full(backend);
		wait_ns = 0;
	}
}

static uint32_t reap_refused(struct ioe__backend *backend, struct ioe__completion *completions,
			     uint32_t n)
{
	const uint32_t k = backend->n_refused < n ? backend->n_refused : n;

	backend->n_refused -= k;
	memcpy(completions, backend->refused + backend->n_refused, k * sizeof(*completions));
	return k;
}

static uint32_t uring_reap(struct ioe__backend *backend, struct ioe__completion *ret_completions,
			   uint32_t n)
{
	struct io_uring_cqe *cqe;
	uint32_t head;
	uint32_t n_seen = 0;
	uint32_t k = 0;

	/* GCOVR_EXCL_START: would be a bug of ours, there is room for all */
	if (__atomic_load_n(backend->ring.sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW)
		ioe__count(&backend->counters->cq_overflows, 1);
	/* GCOVR_EXCL_STOP */
	if (backend->n_refused > 0)
		k = reap_refused(backend, ret_completions, n);
	io_uring_for_each_cqe(&backend->ring, head, cqe)
	{
		if (k == n)
			break;
		n_seen++;
		if ((uint32_t)cqe->user_data != SLOT_OURS) {
			ret_completions[k++] = (struct ioe__completion){
				.slot = (uint32_t)cqe->user_data,
				.generation = (uint32_t)(cqe->user_data >> 32),
				.result = cqe->res,
			};
		} else if (cqe->user_data == DATA_WAKE && (cqe->flags & IORING_CQE_F_MORE) == 0) {
			backend->wake_armed = false;
			if (cqe->res < 0)
				backend->wake_by_read = true;
		}
	}
	io_uring_cq_advance(&backend->ring, n_seen);
	return k;
}

static void uring_wake(struct ioe__backend *backend)
{
	ioe__eventfd_signal(backend->wake_fd);
}

static bool cancel(struct ioe__backend *backend, uint64_t data)
{
	struct io_uring_sqe *sqe = get_sqe(backend);

	if (sqe == NULL)
		return false;
	io_uring_prep_cancel64(sqe, data, 0);
	io_uring_sqe_set_data64(sqe, DATA_CANCEL);
	return true;
}

static void uring_cancel(struct ioe__backend *backend, const struct ioe__request *request)
{
	if (backend->broken == 0)
		(void)cancel(backend, (uint64_t)request->generation << 32 | request->slot);
}

static void uring_close(struct ioe__backend *backend)
{
	struct ioe__completion rest[8];
	bool asked = false;

	/* What is armed goes home first, so that nothing of ours is left to the kernel's
	 * asynchronous end of the ring. */
	while (backend->wake_armed && backend->broken == 0) {
		asked = asked || cancel(backend, DATA_WAKE);
		if (uring_commit(backend, asked ? -1 : 0) == -EAGAIN)
			ioe__sleep_ns(SQE_PAUSE_NS);
		(void)uring_reap(backend, rest, 8);
	}
	if (backend->registered)
		(void)io_uring_unregister_ring_fd(&backend->ring);
	uring_free(backend);
}

const struct ioe__backend_ops ioe__backend_uring = {
	.name = "uring",
	.open = uring_open,
	.enable = uring_enable,
	.close = uring_close,
	.stage = uring_stage,
	.commit = uring_commit,
	.reap = uring_reap,
	.wake = uring_wake,
	.cancel = uring_cancel,
	.pending = uring_pending,
};
