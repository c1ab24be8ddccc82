/* SPDX-License-Identifier: MIT
 * channel.h - a bounded queue from many producers to one driver, with parking.
 *
 * A producer reserves credit, links its events into a chain, pushes the chain with one
 * compare-and-swap, wakes the driver if that has gone to sleep, and leaves. The driver takes
 * everything with one exchange and returns credit as it starts the events.
 *
 * Invariants: see README.md, whose numbers (C1...) the comments in channel.c use.
 * Threads:    reserve, unreserve, push, leave, notify, taken, n_waits: any. take, restore, park,
 *             unpark: the driver. close, wait_left, deinit: the thread that closes the engine.
 * Ownership:  nodes are borrowed from push to take; the memory of the channel is the engine's,
 *             aligned to a cache line. */
#ifndef IOE_CHANNEL_H
#define IOE_CHANNEL_H

#include "engine/ioe.h"
#include "engine/sys.h"

#include <ck_ec.h>

/* How to reserve when there is no room. */
enum ioe__reserve {
	IOE__RESERVE_WAIT,  /* sleep until there is room for one at least */
	IOE__RESERVE_TRY,   /* -EAGAIN */
	IOE__RESERVE_FORCE, /* go below zero: all n (callbacks, law 9) */
};

struct ioe__channel {
	/* Producers: [ reserved so far: 40 | closing: 1 | threads inside: 23 ]. The count is
	 * free-running and stands on top, so that it overflows out of the word; the number of
	 * threads is bounded by the kernel's 2^22 process ids. */
	uint64_t gate IOE__ALIGNED_LINE;
	uint64_t n_waits; /* producers that had to sleep */

	struct ioe__node *head IOE__ALIGNED_LINE; /* the newest; producers push, the driver takes */

	/* The driver writes, producers read. */
	uint64_t restored IOE__ALIGNED_LINE; /* credit returned so far, free-running, 40 bits */
	struct ck_ec32 room;                 /* advanced when returned credit is announced */
	uint64_t n_unannounced;              /* the driver's own, like the next */
	bool had_sleepers;

	uint32_t parked IOE__ALIGNED_LINE; /* the driver sleeps, or is about to */
	uint64_t n_wakes;

	/* Constant. */
	uint32_t capacity IOE__ALIGNED_LINE;
	void (*wake)(void *arg); /* ends the driver's sleep; thread-safe */
	void *wake_arg;
};

void ioe__channel_init(struct ioe__channel *channel, uint32_t capacity, void (*wake)(void *arg),
		       void *wake_arg);

/* Enter the channel and reserve credit for up to n >= 1 events: returns k in [1, n], and the
 * caller pushes k events (or unreserves some) and leaves; or -ESHUTDOWN, or -EAGAIN (TRY), and the
 * caller is not inside. */
int64_t ioe__channel_reserve(struct ioe__channel *channel, uint32_t n, enum ioe__reserve how);

/* Give credit for n events back that was reserved and will not be used. */
void ioe__channel_unreserve(struct ioe__channel *channel, uint32_t n);

/* Publish a chain first -> ... -> last, in the order of submission, and wake the driver if it is
 * parked. The nodes are not touched after they are published. */
void ioe__channel_push(struct ioe__channel *channel, struct ioe__node *first,
		       struct ioe__node *last);

/* The last touch of a producer. */
void ioe__channel_leave(struct ioe__channel *channel);

/* Everything that is there, oldest first, linked, NULL at the end; or NULL. */
struct ioe__node *ioe__channel_take(struct ioe__channel *channel);

/* Return credit for n events that have been started. Producers that come by see it at once; those
 * that sleep are woken when it is announced, which happens here when half of the capacity has
 * come together. */
void ioe__channel_restore(struct ioe__channel *channel, uint64_t n);

/* Wake the sleeping producers if credit has been returned since the last time. The driver does so
 * before it sleeps, and when a round has brought nothing new. */
void ioe__channel_announce(struct ioe__channel *channel);

/* Whether producers have been found asleep since this was asked last: the driver is what they wait
 * for, and they want the CPUs. */
bool ioe__channel_had_sleepers(struct ioe__channel *channel);

/* Declare that the driver will sleep. True: it may, and the next push or notify will call wake().
 * False: there is something to take; it is not parked. After true the driver looks at whatever
 * else could be asked of it (flags set before a notify) before it sleeps. */
bool ioe__channel_park(struct ioe__channel *channel);
void ioe__channel_unpark(struct ioe__channel *channel);

/* Whether take would return something. */
bool ioe__channel_has_work(const struct ioe__channel *channel);

/* Wake the driver if it is parked: something that it looks at after park() has been set. */
void ioe__channel_notify(struct ioe__channel *channel);

/* Credit reserved so far, mod 2^40: at least the number of events accepted through the channel. */
uint64_t ioe__channel_reserved(const struct ioe__channel *channel);
#define IOE__CHANNEL_COUNT_MASK ((UINT64_C(1) << 40) - 1)

/* Refuse producers from now on, and send the waiting ones away with -ESHUTDOWN. */
void ioe__channel_close(struct ioe__channel *channel);
bool ioe__channel_is_closing(const struct ioe__channel *channel);

/* After close: wait until no producer is inside. */
void ioe__channel_wait_left(struct ioe__channel *channel);

#endif
