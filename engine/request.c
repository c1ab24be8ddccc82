/* SPDX-License-Identifier: MIT
 * request.c - requests made of events, and the settle table.
 * Invariants, Threads, Ownership: request.h. */
#include "engine/request.h"

#include "merge/merge.h"

/* What is left of an event, as one plain buffer or as part of the caller's array: never a copy. */
struct rest {
	void *buffer;
	const struct iovec *iov;
	uint32_t n_iov; /* 0: buffer[0..length) */
	uint64_t length;
};

/* Of a vector partly done, first the rest of the element it stopped in, then the caller's array
 * from the next one: 3 x 4096 bytes with 5000 done leaves 3192 of the second, then the third. */
static struct rest rest_of_vector(const struct ioe_event *event)
{
	const struct iovec *iov = event->buffer;
	uint64_t skip = event->done;
	uint32_t i = 0;

	while (skip >= iov[i].iov_len) {
		skip -= iov[i].iov_len;
		i++;
		ioe__assert(i < event->n_iov);
	}
	if (skip > 0 || i + 1 == event->n_iov)
		return (struct rest){ .buffer = (char *)iov[i].iov_base + skip,
				      .length = iov[i].iov_len - skip };
	return (struct rest){ .iov = iov + i,
			      .n_iov = event->n_iov - i,
			      .length = event->length - event->done };
}

static struct rest rest_of(const struct ioe_event *event)
{
	if (ioe__event_is_vectored(event))
		return rest_of_vector(event);
	return (struct rest){ .buffer = (char *)event->buffer + event->done,
			      .length = event->length - event->done };
}

static uint8_t request_op(const struct ioe_event *event)
{
	switch (event->op) {
	case IOE_OP_READV:
		return IOE_OP_READ;
	case IOE_OP_WRITEV:
		return IOE_OP_WRITE;
	default:
		return event->op;
	}
}

static bool is_transfer(const struct ioe__request *request)
{
	return request->op == IOE_OP_READ || request->op == IOE_OP_WRITE;
}

/* Of one event: the caller's own buffer or array; nothing from the pool. */
static void build_single(struct ioe__request *request, const struct ioe_event *event)
{
	struct rest rest;

	request->length = event->length;
	request->buffer = NULL;
	request->iov = NULL;
	request->n_iov = 0;
	if (!is_transfer(request))
		return;
	rest = rest_of(event);
	request->buffer = rest.buffer;
	request->iov = rest.iov;
	request->n_iov = rest.n_iov;
	/* The kernel would stop there by itself; a plain length must fit 32 bits, too. */
	request->length = rest.length < IOE__TRANSFER_MAX ? rest.length : IOE__TRANSFER_MAX;
}

static uint32_t append_rest(struct iovec *iov, const struct ioe_event *event)
{
	const struct rest rest = rest_of(event);

	if (rest.n_iov == 0) {
		*iov = (struct iovec){ .iov_base = rest.buffer, .iov_len = rest.length };
		return 1;
	}
	for (uint32_t i = 0; i < rest.n_iov; i++)
		iov[i] = rest.iov[i];
	return rest.n_iov;
}

/* Of several: fills as much of the block as whole events fill; returns how many that are. A
 * vector of which an element is half done would need the element and the array: such an event
 * ends the request. */
static uint32_t build_merged(struct ioe__request *request, struct iovec *iov, uint32_t n_iov_max,
			     struct ioe_event *event, uint32_t n_events)
{
	uint32_t n = 0;
	uint32_t n_iov = 0;
	uint64_t bytes = 0;

	while (n < n_events && n_iov + ioe__merge_n_buffers(event) <= n_iov_max) {
		const uint32_t added = append_rest(iov + n_iov, event);
		uint64_t length = 0;

		for (uint32_t i = 0; i < added; i++)
			length += iov[n_iov + i].iov_len;
		n_iov += added;
		bytes += length;
		n++;
		if (length < event->length - event->done)
			break;
		event = ioe__event_next(event);
	}
	request->buffer = NULL;
	request->iov = iov;
	request->n_iov = n_iov;
	request->length = bytes;
	return n;
}

uint32_t ioe__request_build(struct ioe__request *request, struct ioe__iovpool *pool,
			    struct ioe_event *first, uint32_t n_events, uint32_t n_buffers)
{
	uint32_t n = 1;

	ioe__assert(request->state == IOE__REQUEST_FREE);
	request->state = IOE__REQUEST_STAGED;
	request->op = request_op(first);
	request->flags = first->flags;
	request->fd = first->fd;
	request->rw_flags = first->rw_flags;
	request->op_flags = first->op_flags;
	request->ioprio = first->ioprio;
	request->offset = first->offset + first->done;
	request->iov_block = IOE__NO_IOV_BLOCK;
	if (n_events > 1) {
		const uint32_t n_min = ioe__merge_n_buffers(first) + 1;
		uint32_t n_got;

		request->iov_block = ioe__iovpool_take(pool, n_buffers, n_min, &n_got);
		if (request->iov_block != IOE__NO_IOV_BLOCK)
			n = build_merged(request, pool->iov + request->iov_block, n_got, first,
					 n_events);
	}
	if (n == 1) {
		if (request->iov_block != IOE__NO_IOV_BLOCK)
			ioe__iovpool_give(pool, request->iov_block);
		request->iov_block = IOE__NO_IOV_BLOCK;
		build_single(request, first);
	}
	request->events = first;
	request->n_events = n;
	return n;
}

void ioe__request_release(struct ioe__request *request, struct ioe__iovpool *pool)
{
	ioe__assert(request->state == IOE__REQUEST_STAGED);
	if (request->iov_block != IOE__NO_IOV_BLOCK)
		ioe__iovpool_give(pool, request->iov_block);
	request->state = IOE__REQUEST_FREE;
	request->generation++;
	request->events = NULL;
	request->n_events = 0;
}

static struct ioe__settlement finish(int64_t result)
{
	return (struct ioe__settlement){ .verdict = IOE__VERDICT_FINISH, .result = result };
}

static struct ioe__settlement go_on(enum ioe__verdict verdict)
{
	return (struct ioe__settlement){ .verdict = verdict };
}

/* -EAGAIN belongs to the caller who asked not to wait. The flags are read now, not kept: a rare
 * path, and fds are reused. */
static bool again_is_for_caller(const struct ioe__request *request)
{
	int flags;

	if (request->rw_flags & RWF_NOWAIT)
		return true;
	flags = ioe__fd_flags(request->fd);
	return flags < 0 || (flags & O_NONBLOCK) != 0;
}

/* A direct read that went on behind the end of a file whose size is no multiple of the sector
 * is misaligned, and the kernel says so instead of "end of file" (law 3). */
static bool is_end_of_direct_file(const struct ioe__request *request, const struct ioe_event *event)
{
	int flags;

	if (request->op != IOE_OP_READ || event->done == 0)
		return false;
	flags = ioe__fd_flags(request->fd);
	return flags >= 0 && (flags & O_DIRECT) != 0;
}

static struct ioe__settlement settle_error(struct ioe__request *request, int64_t error)
{
	struct ioe_event *event = request->events;
	const bool is_sync = request->op == IOE_OP_FSYNC || request->op == IOE_OP_FDATASYNC;

	if (error == -EINTR) {
		if (event->ioe__attempts++ < IOE__AGAIN_MAX)
			return go_on(IOE__VERDICT_AGAIN);
		return request->n_events > 1 ? go_on(IOE__VERDICT_SPLIT) : finish(error);
	}
	if (request->n_events > 1)
		return go_on(IOE__VERDICT_SPLIT);
	/* The kernel reports a lost write once: a sync is not run again (law 4). */
	if (is_sync)
		return finish(error);
	if (error == -EAGAIN && !again_is_for_caller(request) &&
	    event->ioe__attempts++ < IOE__AGAIN_MAX)
		return go_on(IOE__VERDICT_LATER);
	if (error == -EINVAL && is_end_of_direct_file(request, event))
		return finish((int64_t)event->done);
	return finish(error);
}

struct ioe__settlement ioe__request_settle(struct ioe__request *request, int64_t result)
{
	struct ioe_event *event = request->events;
	const uint64_t moved = (uint64_t)result;

	if (result < 0)
		return settle_error(request, result);
	if (!is_transfer(request))
		return finish(result);
	/* More than was asked for: no kernel does it; not to be believed. */
	if (moved > request->length)
		return request->n_events > 1 ? go_on(IOE__VERDICT_SPLIT) : finish(-EIO);
	if (event->flags & IOE_EVENT_NO_RESUME)
		return finish(result);
	if (moved > 0) {
		event->ioe__attempts = 0;
		event->ioe__stalls = 0;
		return (struct ioe__settlement){ IOE__VERDICT_ADVANCE, result };
	}
	/* At the end of the file, or no progress: of several, each alone will tell. */
	if (request->n_events > 1)
		return go_on(IOE__VERDICT_SPLIT);
	if (request->op == IOE_OP_READ)
		return finish((int64_t)event->done);
	if (event->ioe__stalls++ < IOE__STALLS_MAX)
		return go_on(IOE__VERDICT_AGAIN);
	return finish(-EIO);
}
