/* SPDX-License-Identifier: MIT
 * event.h - the life of an event: validation, the hand-over word, the stages in the engine.
 *
 * Two fields tell where an event is. ioe__state is the word between the caller and the engine,
 * changed at acceptance and at the end only. ioe__stage is the engine's own and tells how far it
 * has come; each change goes through ioe__event_move(), which asserts that it is a step of
 *
 *   accepted -> pending -> staged -> settled -> finished
 *                  ^--------------------'           (resume, retry, split)
 *
 * and pending -> finished (cancelled, or broken). "In the kernel" is a state of the request that
 * a staged event is in (request.h).
 *
 * Invariants: an event without callback is not touched by the engine after the exchange in
 *             ioe__event_hand_over(), one with a callback not after ioe__event_call().
 * Threads:    check, accept: the submitter; move: who has the event; hand_over, call: once.
 * Ownership:  events are the callers'. */
#ifndef IOE_EVENT_H
#define IOE_EVENT_H

#include "engine/ioe.h"
#include "engine/sys.h"
#include "engine/wait.h"

/* ioe_event.ioe__state, its low byte. */
enum ioe__event_state {
	IOE__EVENT_IDLE = 0,       /* prepared */
	IOE__EVENT_IN_ENGINE = 1,  /* accepted, not finished */
	IOE__EVENT_WAITED_FOR = 2, /* the same, and somebody sleeps at the place above it */
	IOE__EVENT_CALLED = 3,     /* its callback has started */
	IOE__EVENT_DONE = 4,       /* without callback: finished, not collected */
	IOE__EVENT_COLLECTED = 5,  /* ioe_wait() has returned its result */
};

/* WAITED_FOR: the place (wait.h) stands above the state; else there is 0. */
#define IOE__EVENT_STATE_MASK  0xffu
#define IOE__EVENT_PLACE_SHIFT 8

/* ioe_event.ioe__stage. */
enum ioe__event_stage {
	IOE__STAGE_NONE = 0,
	IOE__STAGE_ACCEPTED, /* in the channel, or taken out of it and not admitted */
	IOE__STAGE_PENDING,  /* with the driver, in one of its lists */
	IOE__STAGE_STAGED,   /* in a request */
	IOE__STAGE_SETTLED,  /* out of its request; what becomes of it is being decided */
	IOE__STAGE_FINISHED, /* on the way to its callback */
};

/* ioe_event.ioe__marks: the driver's. */
#define IOE__MARK_STARTED 1u  /* has been staged once: its credit has been returned */
#define IOE__MARK_WATCHED 2u  /* later conflicting ones of its batch wait (law 6) */
#define IOE__MARK_ALONE   4u  /* out of a split: never in a request with others again */
#define IOE__MARK_WAITING 8u  /* a barrier that waits for earlier events */
#define IOE__MARK_HELD    16u /* waits for a watched or held one that it conflicts with */
#define IOE__MARK_TIMED   32u /* drawn at acceptance; stays to the end (timing.h) */
#define IOE__MARK_OWN     64u /* from a callback on its driver: has taken no credit */

/* Law 10: what a submit call would say of the event, 0 or -errno; nothing is changed. */
int ioe__event_check(const struct ioe_event *event);

/* True while an engine has the event. */
static inline bool ioe__event_is_held(const struct ioe_event *event)
{
	const uint32_t state = __atomic_load_n(&event->ioe__state, __ATOMIC_RELAXED);

	return state == IOE__EVENT_IN_ENGINE ||
	       (state & IOE__EVENT_STATE_MASK) == IOE__EVENT_WAITED_FOR;
}

/* Take an event that has been checked into the engine. driven_by_owner: the engine is one of
 * IOE_THREADING_NONE; noted in the event, so that waiters need not look at the engine. */
void ioe__event_accept(struct ioe_event *event, bool driven_by_owner);

extern const uint8_t ioe__event_steps[];

static inline void ioe__event_move(struct ioe_event *event, enum ioe__event_stage to)
{
	ioe__assert((ioe__event_steps[event->ioe__stage] >> to) & 1);
	event->ioe__stage = (uint8_t)to;
}

/* Its place in the channel is still to be given back. */
static inline bool ioe__event_holds_credit(const struct ioe_event *event)
{
	return (event->ioe__marks & (IOE__MARK_STARTED | IOE__MARK_OWN)) == 0;
}

/* End an event without callback: one exchange, the last touch. If somebody sleeps, that is noted
 * in `wakes`, to be sent. */
void ioe__event_hand_over(struct ioe_event *event, struct ioe__wakes *wakes);

/* End an event with a callback: run it. The caller has set the thread's context. */
void ioe__event_call(struct ioe_event *event);

static inline struct ioe_event *ioe__event_of(struct ioe__node *node)
{
	return (struct ioe_event *)((char *)node - offsetof(struct ioe_event, ioe__node));
}

/* A list of events by their nodes, first in first out. */
struct ioe__event_list {
	struct ioe_event *first;
	struct ioe_event *last;
};

static inline struct ioe_event *ioe__event_next(const struct ioe_event *event)
{
	struct ioe__node *next = event->ioe__node.next;

	return next != NULL ? ioe__event_of(next) : NULL;
}

static inline void ioe__event_list_append(struct ioe__event_list *list, struct ioe_event *event)
{
	event->ioe__node.next = NULL;
	if (list->first == NULL)
		list->first = event;
	else
		list->last->ioe__node.next = &event->ioe__node;
	list->last = event;
}

static inline struct ioe_event *ioe__event_list_pop(struct ioe__event_list *list)
{
	struct ioe_event *event = list->first;

	if (event != NULL)
		list->first = ioe__event_next(event);
	return event;
}

static inline bool ioe__event_is_read(const struct ioe_event *event)
{
	return event->op == IOE_OP_READ || event->op == IOE_OP_READV;
}

static inline bool ioe__event_is_write(const struct ioe_event *event)
{
	return event->op == IOE_OP_WRITE || event->op == IOE_OP_WRITEV;
}

static inline bool ioe__event_is_vectored(const struct ioe_event *event)
{
	return event->op == IOE_OP_READV || event->op == IOE_OP_WRITEV;
}

#endif
