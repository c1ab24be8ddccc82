/* SPDX-License-Identifier: MIT
 * request.c - requests made of events, and the settle table.
 * Invariants, Threads, Ownership: request.h. */
#include "engine/request.h"

#include "engine/sys_file.h"
#include "merge/merge.h"

/* Bytes. Sectors are no larger (BLK_MAX_BLOCK_SIZE of the kernel). */
#define ALIGNED_ANYWHERE 65536u

/* What is left of an event, as one plain buffer or as part of the caller's array: never a copy. */
struct rest {
	void *buffer;
	const struct iovec *iov;
	uint32_t n_iov; /* 0: buffer[0..length) */
	uint64_t length;
};

/* Of a vector partly done, first the rest of the element it stopped in, then the caller's array
 * from the next one: 3 x 4096 bytes with 5000 done leaves 3192 of the second, then the third.
 * The array should be what it was at acceptance. A caller who changes it all the same harms no
 * more than his own event: each element is read once, of one that has grown no more is taken than
 * is left, and if the array has shrunk below what is done, there is no place: -EFAULT, the kernel
 * says to NULL. */
static struct rest rest_of_vector(const struct ioe_event *event)
{
	const struct iovec *iov = event->buffer;
	const uint64_t left = event->length - event->done;
	uint64_t skip = event->done;

	for (uint32_t i = 0; i < event->n_iov; i++) {
		const uint64_t length = __atomic_load_n(&iov[i].iov_len, __ATOMIC_RELAXED);

		if (skip >= length) {
			skip -= length;
			continue;
		}
		if (skip == 0 && i + 1 < event->n_iov)
			return (struct rest){ .iov = iov + i,
					      .n_iov = event->n_iov - i,
					      .length = left };
		return (struct rest){ .buffer = (char *)iov[i].iov_base + skip,
				      .length = length - skip < left ? length - skip : left };
	}
	return (struct rest){ .buffer = NULL, .length = left };
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

/* Put a buffer behind iov[0..n); returns how many elements there are then. One that begins in
 * memory where the last element ends makes that longer: the kernel's work on a request goes by its
 * elements, too. */
static uint32_t append_buffer(struct iovec *iov, uint32_t n, struct iovec buffer)
{
	/* As numbers: of an array that has been emptied, the base is NULL. */
	if (n > 0 &&
	    (uintptr_t)iov[n - 1].iov_base + iov[n - 1].iov_len == (uintptr_t)buffer.iov_base) {
		iov[n - 1].iov_len += buffer.iov_len;
		return n;
	}
	iov[n] = buffer;
	return n + 1;
}

/* Of an array no more than was accepted, each element read once: what the caller has done to it
 * since must not move the data of those behind it. *ret_bytes is what there is, less where it has
 * shrunk. */
static uint32_t append_rest(struct iovec *iov, uint32_t n, const struct rest *rest,
			    uint64_t *ret_bytes)
{
	uint64_t left = rest->length;

	*ret_bytes = rest->length;
	if (rest->n_iov == 0)
		return append_buffer(iov, n, (struct iovec){ rest->buffer, rest->length });
	for (uint32_t i = 0; i < rest->n_iov && left > 0; i++) {
		uint64_t length = __atomic_load_n(&rest->iov[i].iov_len, __ATOMIC_RELAXED);

		if (length == 0)
			continue;
		length = length < left ? length : left;
		n = append_buffer(iov, n, (struct iovec){ rest->iov[i].iov_base, length });
		left -= length;
	}
	*ret_bytes -= left;
	return n;
}

/* All that O_DIRECT may want aligned, or'ed together: a multiple of a power of two if each is. */
struct alignment_bits {
	uint64_t file; /* offset and length; up to Linux 6.17 (iov_iter_is_aligned()) the lengths of
			  * all elements of a vector, too */
	uint64_t memory; /* addresses and lengths of buffers */
};

static struct alignment_bits alignment_bits(const struct ioe_event *event, const struct rest *rest)
{
	struct alignment_bits bits = { .file = (event->offset + event->done) | rest->length };

	if (rest->n_iov == 0)
		bits.memory = (uintptr_t)rest->buffer | rest->length;
	for (uint32_t i = 0; i < rest->n_iov; i++) {
		bits.file |= rest->iov[i].iov_len;
		bits.memory |= (uintptr_t)rest->iov[i].iov_base | rest->iov[i].iov_len;
	}
	return bits;
}

/* Nothing is a multiple of what is no power of two. */
static bool is_multiple(uint64_t bits, uint32_t of)
{
	return (of & (of - 1)) == 0 && (bits & ((uint64_t)of - 1)) == 0;
}

static void look_at_file(struct ioe__file_view *view, int fd)
{
	const int flags = ioe__fd_flags(fd);

	*view = (struct ioe__file_view){
		.fd = fd,
		.direct = flags >= 0 && (flags & O_DIRECT) != 0,
		.alignment = { .size = sizeof(view->alignment),
			       .offset_bytes = IOE__ALIGNMENT_USUAL,
			       .memory_bytes = IOE__ALIGNMENT_USUAL },
	};
	if (view->direct)
		(void)!ioe_file_alignment(fd, &view->alignment);
}

/* Whether an event may share a request. With O_DIRECT the kernel looks at a request as a whole: two
 * halves of a sector, each of them -EINVAL, pass as one (Linux 6.18, preadv of 2 x 2048 bytes,
 * sectors of 4096). Merging must not show (law 4), so what is not aligned for its file runs alone.
 * What would do for any file needs no look at it. */
static bool may_share(struct ioe__file_view *view, const struct ioe_event *event,
		      const struct rest *rest)
{
	const struct alignment_bits bits = alignment_bits(event, rest);

	if (is_multiple(bits.file | bits.memory, ALIGNED_ANYWHERE))
		return true;
	if (view->fd != event->fd)
		look_at_file(view, event->fd);
	return !view->direct || (is_multiple(bits.file, view->alignment.offset_bytes) &&
				 is_multiple(bits.memory, view->alignment.memory_bytes));
}

/* Of several: fills as much of the block as whole events fill; returns how many that are, 1 if the
 * first has to be alone. A vector of which an element is half done would need the element and the
 * array: such an event ends the request, as does one whose array has shrunk. */
static uint32_t build_merged(struct ioe__request *request, struct ioe__file_view *view,
			     struct iovec *iov, uint32_t n_iov_max, struct ioe_event *event,
			     uint32_t n_events)
{
	uint32_t n = 0;
	uint32_t n_iov = 0;
	uint64_t bytes = 0;

	while (n < n_events && n_iov + ioe__merge_n_buffers(event) <= n_iov_max) {
		const struct rest rest = rest_of(event);
		const bool shares = may_share(view, event, &rest);
		uint64_t n_bytes;

		if (!shares && n > 0)
			break;
		n_iov = append_rest(iov, n_iov, &rest, &n_bytes);
		bytes += n_bytes;
		n++;
		if (!shares || n_bytes < event->length - event->done)
			break;
		event = ioe__event_next(event);
	}
	request->buffer = NULL;
	request->iov = iov;
	request->n_iov = n_iov;
	request->length = bytes;
	return n;
}

static void give_block(struct ioe__request *request, struct ioe__iovpool *pool)
{
	if (request->iov_block != IOE__NO_IOV_BLOCK)
		ioe__iovpool_give(pool, request->iov_block);
	request->iov_block = IOE__NO_IOV_BLOCK;
}

/* Of several, if there is a block for their iovec; returns of how many it is. */
static uint32_t build_several(struct ioe__request *request, struct ioe__iovpool *pool,
			      struct ioe__file_view *view, struct ioe_event *first,
			      uint32_t n_events, uint32_t n_buffers)
{
	uint32_t n_got;
	uint32_t n;

	request->iov_block =
		ioe__iovpool_take(pool, n_buffers, ioe__merge_n_buffers(first) + 1, &n_got);
	if (request->iov_block == IOE__NO_IOV_BLOCK)
		return 1;
	n = build_merged(request, view, pool->iov + request->iov_block, n_got, first, n_events);
	if (n > 1 && request->n_iov > 1)
		return n;
	if (n > 1) { /* neighbours in memory, too: no vector is needed */
		request->buffer = request->iov->iov_base;
		request->n_iov = 0;
	}
	request->iov = NULL;
	give_block(request, pool);
	return n;
}

uint32_t ioe__request_build(struct ioe__request *request, struct ioe__iovpool *pool,
			    struct ioe__file_view *view, struct ioe_event *first, uint32_t n_events,
			    uint32_t n_buffers)
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
	if (n_events > 1)
		n = build_several(request, pool, view, first, n_events, n_buffers);
	if (n == 1)
		build_single(request, first);
	request->events = first;
	request->n_events = n;
	return n;
}

void ioe__request_release(struct ioe__request *request, struct ioe__iovpool *pool)
{
	ioe__assert(request->state == IOE__REQUEST_STAGED);
	give_block(request, pool);
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
