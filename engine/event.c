/* SPDX-License-Identifier: MIT
 * event.c - prepare, validate, accept and end events.
 * Invariants, Threads, Ownership: event.h. */
#include "engine/event.h"

#include <string.h>

#define FLAGS_KNOWN (IOE_EVENT_NO_MERGE | IOE_EVENT_NO_RESUME | IOE_EVENT_BARRIER)

_Static_assert(offsetof(struct ioe_event, result) == 64, "the engine's line is the second");
_Static_assert(offsetof(struct ioe_event, timeout_ns) == 128, "the cold line is the third");
_Static_assert(IOE_OP_END <= 32, "struct ioe_stats has room for the operations");

/* Bit t of step s: the engine may move an event from s to t. */
const uint8_t ioe__event_steps[] = {
	[IOE__STAGE_NONE] = 0,
	[IOE__STAGE_ACCEPTED] = 1 << IOE__STAGE_PENDING,
	[IOE__STAGE_PENDING] = 1 << IOE__STAGE_STAGED | 1 << IOE__STAGE_FINISHED,
	[IOE__STAGE_STAGED] = 1 << IOE__STAGE_SETTLED,
	[IOE__STAGE_SETTLED] = 1 << IOE__STAGE_PENDING | 1 << IOE__STAGE_FINISHED,
	[IOE__STAGE_FINISHED] = 0,
};

static void prep(struct ioe_event *event, uint8_t op, int fd)
{
	memset(event, 0, sizeof(*event));
	event->op = op;
	event->fd = fd;
}

static void prep_transfer(struct ioe_event *event, uint8_t op, int fd, const void *buffer,
			  uint64_t offset)
{
	prep(event, op, fd);
	event->buffer = (void *)(uintptr_t)buffer;
	event->offset = offset;
}

void ioe_prep_read(struct ioe_event *event, int fd, void *buf, uint64_t length, uint64_t offset)
{
	prep_transfer(event, IOE_OP_READ, fd, buf, offset);
	event->length = length;
}

void ioe_prep_write(struct ioe_event *event, int fd, const void *buf, uint64_t length,
		    uint64_t offset)
{
	prep_transfer(event, IOE_OP_WRITE, fd, buf, offset);
	event->length = length;
}

void ioe_prep_readv(struct ioe_event *event, int fd, const struct iovec *iov, uint32_t n_iov,
		    uint64_t offset)
{
	prep_transfer(event, IOE_OP_READV, fd, iov, offset);
	event->n_iov = n_iov;
}

void ioe_prep_writev(struct ioe_event *event, int fd, const struct iovec *iov, uint32_t n_iov,
		     uint64_t offset)
{
	prep_transfer(event, IOE_OP_WRITEV, fd, iov, offset);
	event->n_iov = n_iov;
}

void ioe_prep_fsync(struct ioe_event *event, int fd)
{
	prep(event, IOE_OP_FSYNC, fd);
}

void ioe_prep_fdatasync(struct ioe_event *event, int fd)
{
	prep(event, IOE_OP_FDATASYNC, fd);
}

void ioe_prep_fallocate(struct ioe_event *event, int fd, int mode, uint64_t offset, uint64_t length)
{
	prep(event, IOE_OP_FALLOCATE, fd);
	event->op_flags = (uint32_t)mode;
	event->offset = offset;
	event->length = length;
}

void ioe_prep_nop(struct ioe_event *event)
{
	prep(event, IOE_OP_NOP, 0);
}

static int check_range(const struct ioe_event *event, uint64_t length)
{
	if (length == 0 || length > INT64_MAX || event->offset > INT64_MAX - length)
		return -EINVAL;
	return 0;
}

static int check_vector(const struct ioe_event *event, uint64_t *ret_length)
{
	const struct iovec *iov = event->buffer;
	uint64_t sum = 0;

	if (event->n_iov == 0 || event->n_iov > IOV_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < event->n_iov; i++) {
		if (iov[i].iov_base == NULL && iov[i].iov_len != 0)
			return -EINVAL;
		if (iov[i].iov_len > INT64_MAX - sum)
			return -EINVAL;
		sum += iov[i].iov_len;
	}
	*ret_length = sum;
	return 0;
}

static int check_transfer(const struct ioe_event *event)
{
	uint64_t length = event->length;

	if (event->buffer == NULL)
		return -EINVAL;
	if (ioe__event_is_vectored(event)) {
		const int ret = check_vector(event, &length);

		if (ret < 0)
			return ret;
	}
	if (event->offset == IOE_OFFSET_STREAM)
		return length == 0 || length > INT64_MAX ? -EINVAL : -EOPNOTSUPP;
	return check_range(event, length);
}

static int check_reserved(const struct ioe_event *event)
{
	if (event->lane != 0 || event->ioprio != 0 || event->rw_flags != 0 ||
	    event->timeout_ns != 0 || event->fd2 != 0 || event->addr2 != 0)
		return -EOPNOTSUPP;
	if (event->op_flags != 0 && event->op != IOE_OP_FALLOCATE)
		return -EOPNOTSUPP;
	return 0;
}

int ioe__event_check(const struct ioe_event *event)
{
	int ret;

	if (event->op == IOE_OP_NONE || event->op >= IOE_OP_END)
		return -EINVAL;
	if ((event->flags & ~FLAGS_KNOWN) != 0 || event->reserved0 != 0 ||
	    (event->n_iov != 0 && !ioe__event_is_vectored(event)))
		return -EINVAL;
	ret = check_reserved(event);
	if (ret < 0)
		return ret;
	switch (event->op) {
	case IOE_OP_NOP:
		return (event->flags & IOE_EVENT_BARRIER) != 0 ? -EINVAL : 0;
	case IOE_OP_FSYNC:
	case IOE_OP_FDATASYNC:
		return event->fd < 0 ? -EINVAL : 0;
	case IOE_OP_FALLOCATE:
		return event->fd < 0 ? -EINVAL : check_range(event, event->length);
	default:
		return event->fd < 0 ? -EINVAL : check_transfer(event);
	}
}

static uint64_t length_of(const struct ioe_event *event)
{
	const struct iovec *iov = event->buffer;
	uint64_t sum = 0;

	if (!ioe__event_is_vectored(event))
		return event->length;
	for (uint32_t i = 0; i < event->n_iov; i++)
		sum += iov[i].iov_len;
	/* It has been checked; if the caller has changed the array since, ranges of files and what
	 * is computed of them must be sane all the same. */
	if (sum == 0)
		return 1;
	return sum < INT64_MAX - event->offset ? sum : INT64_MAX - event->offset;
}

void ioe__event_accept(struct ioe_event *event, bool driven_by_owner)
{
	event->length = length_of(event);
	event->result = 0;
	event->done = 0;
	event->ioe__record = 0;
	event->ioe__attempts = 0;
	event->ioe__stalls = 0;
	event->ioe__marks = 0;
	event->ioe__driven = driven_by_owner;
	event->ioe__waiters = NULL;
	event->ioe__stage = IOE__STAGE_ACCEPTED;
	__atomic_store_n(&event->ioe__state, IOE__EVENT_IN_ENGINE, __ATOMIC_RELAXED);
}

void ioe__event_hand_over(struct ioe_event *event, struct ioe__wakes *wakes)
{
	uint32_t was;

	ioe__assert(event->ioe__stage == IOE__STAGE_FINISHED);
	event->ioe__stage = IOE__STAGE_NONE;
	/* E1 of wait.c. Release: pairs with the acquire in ioe_event_is_done() and ioe_wait();
	 * result, done and the data are visible behind it. The waiter may return and reuse the
	 * memory at once. */
	was = __atomic_exchange_n(&event->ioe__state, IOE__EVENT_DONE, __ATOMIC_ACQ_REL);
	if (was != IOE__EVENT_IN_ENGINE)
		ioe__wakes_add(wakes, was >> IOE__EVENT_PLACE_SHIFT);
}

void ioe__event_call(struct ioe_event *event)
{
	const ioe_callback callback = event->callback;

	ioe__assert(event->ioe__stage == IOE__STAGE_FINISHED);
	event->ioe__stage = IOE__STAGE_NONE;
	/* Release: pairs with the acquire in ioe_event_is_done() on another thread. */
	__atomic_store_n(&event->ioe__state, IOE__EVENT_CALLED, __ATOMIC_RELEASE);
	callback(event);
}

bool ioe_event_is_done(const struct ioe_event *event)
{
	/* Acquire: pairs with the release in hand_over() and call(). */
	const uint32_t state = __atomic_load_n(&event->ioe__state, __ATOMIC_ACQUIRE);

	return (state & IOE__EVENT_STATE_MASK) >= IOE__EVENT_CALLED;
}
