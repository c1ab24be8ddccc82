/* SPDX-License-Identifier: MIT
 * aio_ring.h - a context of Linux AIO and its events; private to backend_aio.c.
 *
 * Events are taken from the ring that the kernel maps into the process, without a system call,
 * when its header is the one we know; io_getevents() is for waiting, and for kernels with another
 * ring. What io_getevents() has given is taken first: it is older than what the ring has.
 *
 * Invariants: each event is taken once, in the kernel's order; a place in the ring is the kernel's
 *             again before its event is handed on.
 * Threads:    one at a time, any.
 * Ownership:  owns the context and the memory for events. */
#ifndef IOE_AIO_RING_H
#define IOE_AIO_RING_H

#include <stdlib.h>

#include "engine/sys_aio.h"

struct ioe__aio_events {
	unsigned long context;
	struct ioe__aio_ring *ring; /* NULL: not to be used */
	struct io_event *events;    /* [capacity], given by io_getevents() */
	uint32_t capacity;
	uint32_t position; /* [position, n) have not been taken */
	uint32_t n;
};

/* Both open and close take a zeroed one; close also what open has left behind when it failed. */
static inline void ioe__aio_events_close(struct ioe__aio_events *events)
{
	if (events->context)
		ioe__io_destroy(events->context);
	free(events->events);
}

/* For *depth requests at one time, and one more; *depth is halved, down to 1, while the kernel has
 * no room for more. 0, -ENOMEM, or -errno of io_setup(). */
static inline int ioe__aio_events_open(struct ioe__aio_events *events, uint32_t *depth)
{
	struct ioe__aio_ring *ring;
	int ret;

	while ((ret = ioe__io_setup(*depth + 1, &events->context)) < 0) {
		if ((ret != -EAGAIN && ret != -ENOMEM) || *depth == 1)
			return ret;
		*depth /= 2;
	}
	events->capacity = *depth + 1;
	events->events = calloc(events->capacity, sizeof(*events->events));
	if (!events->events)
		return -ENOMEM;
	memcpy(&ring, &events->context, sizeof(void *)); /* the ring is at this address */
	if (ring->magic == IOE__AIO_RING_MAGIC && ring->incompat_features == 0 &&
	    ring->header_length == sizeof(*ring))
		events->ring = ring;
	return 0;
}

/* Whether one can be taken without a system call. */
static inline bool ioe__aio_events_ready(const struct ioe__aio_events *events)
{
	const struct ioe__aio_ring *ring = events->ring;

	/* The acquire pairs with the kernel's barrier between event and tail. */
	return events->position < events->n ||
	       (ring && ring->head != __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE));
}

/* Take the next one; false if there is none without a system call. */
static inline bool ioe__aio_events_take(struct ioe__aio_events *events, struct io_event *ret_event)
{
	struct ioe__aio_ring *ring = events->ring;
	uint32_t head;

	if (!ioe__aio_events_ready(events))
		return false;
	if (events->position < events->n) {
		*ret_event = events->events[events->position++];
		return true;
	}
	head = ring->head;
	*ret_event = ring->events[head];
	/* Release: the event has been read before the kernel may write another in its place. */
	__atomic_store_n(&ring->head, head + 1 == ring->nr ? 0 : head + 1, __ATOMIC_RELEASE);
	return true;
}

/* Get events from the kernel, at least n_min within timeout_ns (-1: no limit), when all it gave
 * before have been taken. Their number, or -errno. */
static inline int ioe__aio_events_get(struct ioe__aio_events *events, uint32_t n_min,
				      int64_t timeout_ns)
{
	int ret;

	ioe__assert(events->position == events->n);
	events->position = events->n = 0;
	ret = ioe__io_getevents(events->context, n_min, events->capacity, events->events,
				timeout_ns);
	if (ret > 0)
		events->n = (uint32_t)ret;
	return ret;
}

#endif
