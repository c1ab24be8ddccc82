/* SPDX-License-Identifier: MIT
 * backend_aio.c - requests by Linux AIO, and by helper threads where AIO would block.
 *
 * io_submit() must not block the driver. Reads and writes are submitted with RWF_NOWAIT; what
 * the kernel then will not do at once, a helper does with a plain call, and its answer counts:
 *   refused by io_submit()  -EBADF is the answer. Everything else may be a peculiarity of AIO
 *                           (-EOPNOTSUPP: no NOWAIT for this file; -EINVAL: read() but no
 *                           read_iter(), fsync() not in this file system): helper.
 *   completed -EAGAIN       cold buffered reads; direct writes that extend the file, or into
 *                           ranges with page cache; locks held by others: helper. It also means
 *                           "the queue of the device is full", but only on block devices
 *                           themselves: the direct IO of the file systems (iomap) does not hand
 *                           NOWAIT on to the device. Measured on 6.18: ext4 on a disk with 256
 *                           tags, random direct reads at depth 128, 256, 512: 0 of 10^6; a loop
 *                           device with 128 tags, depth 128: 0.06 %, depth 192: 90 % when tried
 *                           again at once. So direct IO of block devices is held back and tried
 *                           again, one request for each that has completed; after HELD_MAX
 *                           times, or when nothing of ours is with the kernel: helper.
 *   completed -EOPNOTSUPP   buffered writes on ext4: helper.
 *   buffered writes         straight to a helper: one fcntl() per file and batch is cheaper than a
 *                           submission that fails for each.
 *   NO_RESUME               straight to a helper: a NOWAIT read of a range that is partly cached
 *                           is shorter than what the file has.
 * One case is left where io_submit() blocks: direct IO on a file system at a depth above the
 * number of tags of the device (nr_requests): there it waits for a tag, NOWAIT or not.
 *
 * How the driver sleeps. With native requests in the kernel: in io_getevents(); otherwise only
 * helpers and wake() can end its sleep: on the futex of the sleeper. Why no wake is lost, beyond
 * the argument in helpers.h: wake() and helpers write to wake_fd, the sleeper's eventfd, if the
 * driver sleeps in io_getevents().
 *   1. A one-shot IOCB_CMD_POLL of wake_fd is armed whenever the driver blocks there: submit()
 *      puts it at the end of the batch if it is not, wait_for_events() asserts it.
 *   2. It fires if wake_fd is readable when it is armed, or becomes so later (level triggered).
 *   3. wake_fd is cleared only when the completion of the poll has been reaped. A write that the
 *      clearing takes away was published before; armed is false from there on, so the
 *      driver passes ioe__sleeper_begin() and the look at everything before it blocks again.
 *   4. A write after the clearing meets 2.
 *
 * Invariants: a slot is in one place (enum place) at a time; n_native counts those in NATIVE;
 *             nothing is kept about an fd from one commit to the next.
 * Threads:    as backend.h says; the context is bound to no thread.
 * Ownership:  owns context, wake_fd and helpers; iocbs lie in the slots. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/aio_ring.h"
#include "engine/helpers.h"
#include "engine/ioe.h"

/* aio_data of the poll of wake_fd; requests have slot | generation << 32. */
#define WAKE_TAG UINT64_MAX

/* How often a request that found the device's queue full is tried again by io_submit(). */
#define HELD_MAX 8

/* Files that one batch remembers. */
#define N_FACTS 64

enum place {
	PLACE_NONE, /* the driver has the slot */
	PLACE_STAGED,
	PLACE_NATIVE, /* with the kernel */
	PLACE_HELD,   /* waits for a completion, then is staged again */
	PLACE_HELPED, /* with the helpers, ready to be reaped included */
};

struct slot {
	struct iocb iocb; /* first: an iocb is its slot */
	const struct ioe__request *request;
	uint32_t next_held; /* slot index */
	uint16_t n_held;    /* times it has been held */
	uint8_t place;
	bool cancelled; /* goes to the kernel or to a helper no more */
};

struct ioe__backend {
	struct ioe__sleeper sleeper;
	struct ioe__helpers *helpers;
	struct ioe__backend_counters *counters;
	struct ioe__aio_events events;
	uint32_t depth;
	int broken; /* -errno of the interface; 0: it works */
	bool armed; /* the poll of wake_fd is with the kernel */
	uint32_t n_native;
	uint32_t n_staged;
	uint32_t n_held;
	uint32_t held_first;
	uint32_t held_last;
	uint32_t n_progress; /* native requests completed since the last commit */
	struct iocb wake_iocb;
	/* Whether a file is open with O_DIRECT, valid during one commit. */
	uint64_t n_commits;
	struct fact {
		uint64_t commit;
		int fd;
		bool direct;
	} facts[N_FACTS];
	struct slot *slots;  /* [depth] */
	uint32_t *staged;    /* [depth], slot indices in order */
	struct iocb **batch; /* [depth + 1] */
};

/* ---- Where requests go --------------------------------------------------------------- */

static void complete(struct ioe__backend *backend, struct slot *slot, int64_t result)
{
	slot->place = PLACE_HELPED;
	ioe__helpers_complete(backend->helpers, slot->request, result);
}

static void help(struct ioe__backend *backend, struct slot *slot)
{
	if (slot->cancelled) {
		complete(backend, slot, -ECANCELED);
		return;
	}
	slot->place = PLACE_HELPED;
	ioe__helpers_add(backend->helpers, slot->request);
}

/* Whether a file is open with O_DIRECT; also true if it is none, so that io_submit() says so. */
static bool is_direct(struct ioe__backend *backend, int fd)
{
	struct fact *fact = &backend->facts[(uint32_t)fd % N_FACTS];

	if (fact->commit != backend->n_commits || fact->fd != fd) {
		int flags = ioe__fd_flags(fd);

		ioe__count(&backend->counters->system_calls, 1);
		fact->commit = backend->n_commits;
		fact->fd = fd;
		fact->direct = flags < 0 || (flags & O_DIRECT);
	}
	return fact->direct;
}

static bool is_native(struct ioe__backend *backend, const struct ioe__request *request)
{
	switch (request->op) {
	case IOE_OP_READ:
		return !(request->flags & IOE_EVENT_NO_RESUME);
	case IOE_OP_WRITE:
		return !(request->flags & IOE_EVENT_NO_RESUME) && is_direct(backend, request->fd);
	case IOE_OP_FSYNC:
	case IOE_OP_FDATASYNC:
		return true;
	default:
		return false;
	}
}

static void prepare_iocb(struct slot *slot)
{
	const struct ioe__request *request = slot->request;
	struct iocb *iocb = &slot->iocb;
	bool is_read = request->op == IOE_OP_READ;

	memset(iocb, 0, sizeof(*iocb));
	ioe__iocb_set_tag(iocb, request->slot | (uint64_t)request->generation << 32);
	iocb->aio_fildes = request->fd;
	if (request->op == IOE_OP_FSYNC || request->op == IOE_OP_FDATASYNC) {
		iocb->aio_lio_opcode = request->op == IOE_OP_FSYNC ? IO_CMD_FSYNC : IO_CMD_FDSYNC;
		return;
	}
	iocb->aio_rw_flags = request->rw_flags | RWF_NOWAIT;
	if (request->n_iov > 0) {
		iocb->aio_lio_opcode = is_read ? IO_CMD_PREADV : IO_CMD_PWRITEV;
		iocb->u.v.vec = request->iov;
		iocb->u.v.nr = request->n_iov;
		iocb->u.v.offset = (long long)request->offset;
	} else {
		iocb->aio_lio_opcode = is_read ? IO_CMD_PREAD : IO_CMD_PWRITE;
		iocb->u.c.buf = request->buffer;
		iocb->u.c.nbytes = request->length;
		iocb->u.c.offset = (long long)request->offset;
	}
}

/* Decide for everything staged; what is native stays there, with its iocb filled. */
static void route_staged(struct ioe__backend *backend)
{
	uint32_t n_native = 0;

	backend->n_commits++;
	for (uint32_t i = 0; i < backend->n_staged; i++) {
		struct slot *slot = &backend->slots[backend->staged[i]];

		if (slot->cancelled) {
			complete(backend, slot, -ECANCELED);
		} else if (is_native(backend, slot->request)) {
			prepare_iocb(slot);
			backend->staged[n_native++] = backend->staged[i];
		} else if (slot->request->op == IOE_OP_NOP) {
			complete(backend, slot, 0);
		} else {
			help(backend, slot);
		}
	}
	backend->n_staged = n_native;
}

/* ---- Requests that wait for room in a device's queue ---------------------------------- */

static uint32_t pop_held(struct ioe__backend *backend)
{
	uint32_t index = backend->held_first;

	backend->held_first = backend->slots[index].next_held;
	backend->n_held--;
	return index;
}

/* A request of ours has completed with the -EAGAIN of our own RWF_NOWAIT. */
static void try_again(struct ioe__backend *backend, struct slot *slot)
{
	int fd = slot->request->fd;
	uint32_t index = slot->request->slot;
	int flags;

	if (slot->n_held >= HELD_MAX || backend->n_native == 0 || !ioe__fd_is_block_device(fd) ||
	    (flags = ioe__fd_flags(fd)) < 0 || !(flags & O_DIRECT)) {
		help(backend, slot);
		return;
	}
	slot->n_held++;
	slot->place = PLACE_HELD;
	if (backend->n_held++ > 0)
		backend->slots[backend->held_last].next_held = index;
	else
		backend->held_first = index;
	backend->held_last = index;
}

/* Stage as many of the held as have completed, before the rest; with nothing in the kernel that
 * could complete, the helpers wait for room. */
static void release_held(struct ioe__backend *backend)
{
	uint32_t n = backend->n_progress < backend->n_held ? backend->n_progress : backend->n_held;

	backend->n_progress = 0;
	if (n > 0)
		memmove(backend->staged + n, backend->staged,
			backend->n_staged * sizeof(*backend->staged));
	for (uint32_t i = 0; i < n; i++) {
		backend->staged[i] = pop_held(backend);
		backend->slots[backend->staged[i]].place = PLACE_STAGED;
	}
	backend->n_staged += n;
	while (backend->n_native == 0 && backend->n_held > 0)
		help(backend, &backend->slots[pop_held(backend)]);
}

/* ---- Submit -------------------------------------------------------------------------- */

/* The interface has broken: what the kernel does not have ends here. */
static int give_up(struct ioe__backend *backend)
{
	for (uint32_t i = 0; i < backend->n_staged; i++)
		complete(backend, &backend->slots[backend->staged[i]], -EIO);
	backend->n_staged = 0;
	while (backend->n_held > 0)
		complete(backend, &backend->slots[pop_held(backend)], -EIO);
	return backend->broken;
}

static void note_taken(struct ioe__backend *backend, struct iocb *const *iocbs, int n)
{
	for (int i = 0; i < n; i++) {
		if (iocbs[i] == &backend->wake_iocb) {
			backend->armed = true;
			continue;
		}
		((struct slot *)iocbs[i])->place = PLACE_NATIVE;
		backend->n_native++;
	}
}

/* io_submit() has answered with an error, which names the first iocb, unless it is about the
 * context or the call itself: an empty batch tells. 0: that iocb is settled; else the interface
 * has broken. Cannot loop: each refusal takes one iocb off the batch. */
static int note_refused(struct ioe__backend *backend, struct iocb *iocb, int error)
{
	struct slot *slot = (struct slot *)iocb;
	int ret;

	if (iocb == &backend->wake_iocb)
		return error;
	if (error == -EBADF) {
		complete(backend, slot, error);
		return 0;
	}
	if (error != -EOPNOTSUPP) {
		ioe__count(&backend->counters->system_calls, 1);
		ret = ioe__io_submit(backend->events.context, 0, NULL);
		if (ret < 0 && ret != -EAGAIN && ret != -EINTR)
			return error;
	}
	help(backend, slot);
	return 0;
}

static int give(struct ioe__backend *backend, uint32_t n, struct iocb **iocbs)
{
#ifdef IOE_TEST_SEAM
	const int n_taken = ioe__seam_submit(backend, n);

	if (n_taken <= 0)
		return n_taken;
	n = (uint32_t)n_taken;
#endif
	ioe__count(&backend->counters->system_calls, 1);
	return ioe__io_submit(backend->events.context, n, iocbs);
}

/* Give what is staged to the kernel, and the poll of wake_fd if the driver is going to wait. */
static int submit(struct ioe__backend *backend, bool will_wait)
{
	uint32_t n_staged = backend->n_staged;
	uint32_t n = n_staged, position = 0;
	int ret = 0;

	for (uint32_t i = 0; i < n_staged; i++)
		backend->batch[i] = &backend->slots[backend->staged[i]].iocb;
	if (will_wait && !backend->armed && (n_staged > 0 || backend->n_native > 0))
		backend->batch[n++] = &backend->wake_iocb;
	while (position < n) {
		struct iocb **next = backend->batch + position;

		ret = give(backend, n - position, next);
		if (ret > 0) {
			note_taken(backend, next, ret);
			position += (uint32_t)ret;
			continue;
		}
		if (ret == 0 || ret == -EAGAIN || ret == -EINTR) {
			ret = -EAGAIN;
			break;
		}
		ret = note_refused(backend, *next, ret);
		if (ret < 0) {
			backend->broken = ret;
			break;
		}
		position++;
	}
	if (position > n_staged)
		position = n_staged;
	backend->n_staged -= position;
	memmove(backend->staged, backend->staged + position,
		backend->n_staged * sizeof(*backend->staged));
	return ret < 0 ? ret : 0;
}

/* ---- The contract -------------------------------------------------------------------- */

static void aio_stage(struct ioe__backend *backend, const struct ioe__request *request)
{
	struct slot *slot = &backend->slots[request->slot];

	ioe__assert(request->slot < backend->depth && slot->place == PLACE_NONE);
	slot->request = request;
	slot->place = PLACE_STAGED;
	slot->n_held = 0;
	slot->cancelled = false;
	backend->staged[backend->n_staged++] = request->slot;
}

static bool aio_pending(struct ioe__backend *backend)
{
	return ioe__aio_events_ready(&backend->events) || ioe__helpers_pending(backend->helpers);
}

static int wait_for_events(struct ioe__backend *backend, int64_t wait_ns)
{
	int ret = 0;

	if (aio_pending(backend))
		return 0;
	if (backend->n_native == 0) {
		ioe__helpers_wait(backend->helpers, wait_ns);
		return 0;
	}
	ioe__assert(backend->armed);
	if (ioe__sleeper_begin(&backend->sleeper, IOE__ASLEEP_EVENTFD) && !aio_pending(backend)) {
		ioe__count(&backend->counters->system_calls, 1);
		ret = ioe__aio_events_get(&backend->events, 1, wait_ns);
	}
	ioe__sleeper_end(&backend->sleeper);
	return ret < 0 && ret != -EINTR ? ret : 0;
}

static int aio_commit(struct ioe__backend *backend, int64_t wait_ns)
{
	int ret;

	if (backend->broken)
		return give_up(backend);
	release_held(backend);
	route_staged(backend);
	ioe__helpers_start(backend->helpers);
	ret = submit(backend, wait_ns != 0);
	ioe__helpers_start(backend->helpers);
	if (ret == 0 && wait_ns != 0)
		backend->broken = ret = wait_for_events(backend, wait_ns);
	return backend->broken ? give_up(backend) : ret;
}

/* Settle one event of the kernel's; true if it completes a request. */
static bool handle_event(struct ioe__backend *backend, const struct io_event *event,
			 struct ioe__completion *ret_completion)
{
	uint64_t tag = ioe__io_event_tag(event);
	struct ioe__completion completion = { .slot = (uint32_t)tag,
					      .generation = (uint32_t)(tag >> 32),
					      .result = (long)event->res };
	const struct ioe__request *request;
	struct slot *slot;

	if (tag == WAKE_TAG) {
		backend->armed = false;
		ioe__count(&backend->counters->system_calls, 1);
		ioe__eventfd_clear(backend->sleeper.eventfd);
		return false;
	}
	*ret_completion = completion;
	if (completion.slot >= backend->depth)
		return true; /* not ours: the driver counts it */
	slot = &backend->slots[completion.slot];
	request = slot->request;
	if (slot->place != PLACE_NATIVE || request->generation != completion.generation)
		return true;
	backend->n_native--;
	if (request->op == IOE_OP_READ || request->op == IOE_OP_WRITE) {
		if (completion.result == -EAGAIN && !(request->rw_flags & RWF_NOWAIT)) {
			try_again(backend, slot);
			return false;
		}
		/* GCOVR_EXCL_START: file systems of the tests say it in io_submit() */
		if (completion.result == -EOPNOTSUPP) {
			help(backend, slot);
			return false;
		}
		/* GCOVR_EXCL_STOP */
	}
	backend->n_progress++;
	slot->place = PLACE_NONE;
	return true;
}

static uint32_t aio_reap(struct ioe__backend *backend, struct ioe__completion *ret_completions,
			 uint32_t n)
{
	uint32_t n_reaped = ioe__helpers_reap(backend->helpers, ret_completions, n);
	struct io_event event;

	for (uint32_t i = 0; i < n_reaped; i++)
		backend->slots[ret_completions[i].slot].place = PLACE_NONE;
	if (!backend->events.ring && !ioe__aio_events_ready(&backend->events) && n_reaped < n) {
		/* GCOVR_EXCL_START: no kernel is known whose ring is another */
		/* A failure here shows at the next commit that waits. */
		ioe__count(&backend->counters->system_calls, 1);
		(void)ioe__aio_events_get(&backend->events, 0, 0);
		/* GCOVR_EXCL_STOP */
	}
	while (n_reaped < n && ioe__aio_events_take(&backend->events, &event))
		n_reaped += handle_event(backend, &event, &ret_completions[n_reaped]);
	ioe__helpers_start(backend->helpers);
	return n_reaped;
}

static void aio_wake(struct ioe__backend *backend)
{
	ioe__sleeper_wake(&backend->sleeper);
}

/* The kernel lets go of nothing that is natively with it: it ends by itself, or with an -EAGAIN
 * that we do not follow up. */
static void aio_cancel(struct ioe__backend *backend, const struct ioe__request *request)
{
	struct slot *slot = &backend->slots[request->slot];

	slot->cancelled = true;
	if (slot->place == PLACE_HELPED)
		ioe__helpers_cancel(backend->helpers, request);
}

/* ---- Open, close --------------------------------------------------------------------- */

static void aio_close(struct ioe__backend *backend)
{
	if (!backend)
		return;
	ioe__assert(backend->n_native == 0 && backend->n_staged == 0 && backend->n_held == 0);
	ioe__helpers_close(backend->helpers);
	ioe__aio_events_close(&backend->events); /* ends the poll, too */
	if (backend->sleeper.eventfd >= 0)
		close(backend->sleeper.eventfd);
	free(backend->batch);
	free(backend->staged);
	free(backend->slots);
	free(backend);
}

/* As much depth as the kernel has room for; the one more is for the poll. */
static int open_context(struct ioe__backend *backend, struct ioe__backend_config *config)
{
	int ret;

	backend->depth = config->depth;
	ret = ioe__aio_events_open(&backend->events, &backend->depth);
	if (config->shortage != NULL)
		config->shortage->of_contexts = ret == -EAGAIN;
	if (ret == 0 && backend->depth < config->depth)
		snprintf(config->ret_note, sizeof(config->ret_note),
			 "depth %u instead of %u for want of memory (fs.aio-max-nr?)",
			 backend->depth, config->depth);
	return ret;
}

static int allocate(struct ioe__backend *backend)
{
	uint32_t depth = backend->depth;

	backend->slots = calloc(depth, sizeof(*backend->slots));
	backend->staged = calloc(depth, sizeof(*backend->staged));
	backend->batch = calloc(depth + 1, sizeof(void *));
	return backend->slots && backend->staged && backend->batch ? 0 : -ENOMEM;
}

/* Arm the poll for the first time: this tells whether the other calls are allowed, and whether the
 * kernel has the opcode. */
static int probe(struct ioe__backend *backend, struct ioe__backend_config *config)
{
	struct iocb *iocb = &backend->wake_iocb;
	int ret;

	ioe__iocb_set_tag(iocb, WAKE_TAG);
	iocb->aio_lio_opcode = IO_CMD_POLL;
	iocb->aio_fildes = backend->sleeper.eventfd;
	iocb->u.poll.events = POLLIN;
	ret = ioe__io_submit(backend->events.context, 1, &iocb);
	if (ret == -EINVAL) {
		snprintf(config->ret_note, sizeof(config->ret_note), "no IOCB_CMD_POLL");
		return -ENOSYS;
	}
	if (ret < 0)
		return ret;
	backend->armed = true;
	/* With a signal pending it says -EINTR, and has shown that it is there. */
	ret = ioe__aio_events_get(&backend->events, 0, 0);
	return ret < 0 && ret != -EINTR ? ret : 0;
}

static int aio_open(struct ioe__backend_config *config, struct ioe__backend **ret_backend)
{
	struct ioe__backend *backend = aligned_alloc(IOE__CACHE_LINE, sizeof(*backend));
	int ret;

	if (!backend)
		return -ENOMEM;
	memset(backend, 0, sizeof(*backend));
	backend->counters = config->counters;
	backend->sleeper.eventfd = ret = ioe__eventfd_open();
	if (ret < 0)
		goto fail;
	if ((ret = open_context(backend, config)) < 0 || (ret = allocate(backend)) < 0 ||
	    (ret = probe(backend, config)) < 0)
		goto fail;
	ret = ioe__helpers_open(config, backend->depth, &backend->sleeper, &backend->helpers);
	if (ret < 0)
		goto fail;
	config->ret_depth = backend->depth;
	*ret_backend = backend;
	return 0;
fail:
	aio_close(backend);
	return ret;
}

static int aio_enable(struct ioe__backend *backend)
{
	(void)backend;
	return 0;
}

const struct ioe__backend_ops ioe__backend_aio = {
	.name = "aio",
	.open = aio_open,
	.enable = aio_enable,
	.close = aio_close,
	.stage = aio_stage,
	.commit = aio_commit,
	.reap = aio_reap,
	.wake = aio_wake,
	.cancel = aio_cancel,
	.pending = aio_pending,
};
