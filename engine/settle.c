/* SPDX-License-Identifier: MIT
 * settle.c - completed requests: apply the verdict of the settle table to their events, and end
 *            the events that are done.
 * Invariants: a completion that does not name a request with the backend changes nothing;
 *             a slot is free again before any of its events ends or is staged anew.
 * Threads, Ownership: driver.h. */
#include "engine/driver.h"

void ioe__finish(struct ioe__driver *driver, struct ioe_event *event, int64_t result)
{
	struct ioe__driver_counters *counters = &driver->counters;
	struct ioe_event *barrier;

	ioe__event_move(event, IOE__STAGE_FINISHED);
	event->result = result;
	if (result >= 0)
		event->done = (uint64_t)result;
	else
		ioe__count(&counters->errors, 1);
	driver->n_restore += ioe__event_holds_credit(event);

	ioe__count(&counters->events_by_op[event->op], 1);
	/* Release: pairs with the acquire in stats.c. */
	__atomic_store_n(&counters->events_finished, counters->events_finished + 1,
			 __ATOMIC_RELEASE);
	if (ioe__event_is_read(event))
		ioe__count(&counters->bytes_read, event->done);
	else if (ioe__event_is_write(event))
		ioe__count(&counters->bytes_written, event->done);

	ioe__overlap_finish(&driver->overlaps, event, &driver->again);
	barrier = ioe__order_finish(&driver->order, event);
	if (barrier != NULL)
		ioe__event_list_append(&driver->ready, barrier);
	ioe__assert(driver->n_unfinished > 0);
	driver->n_unfinished--;

	ioe__timing_finished(&driver->timing, event);
	if (event->callback == NULL) {
		driver->n_handed_over++;
		ioe__event_hand_over(event, &driver->wakes);
	} else {
		event->ioe__node.owner = driver->config.account;
		ioe__event_list_append(&driver->finished, event);
	}
}

/* Back to pending, to be staged before anything else; or the end, if nothing new is started. */
static void again(struct ioe__driver *driver, struct ioe_event *event)
{
	if (driver->failing != 0) {
		ioe__finish(driver, event, driver->failing);
		return;
	}
	ioe__event_move(event, IOE__STAGE_PENDING);
	ioe__overlap_watch(&driver->overlaps, event);
	ioe__event_list_append(&driver->again, event);
}

static void later(struct ioe__driver *driver, struct ioe_event *event)
{
	if (driver->failing != 0) {
		ioe__finish(driver, event, driver->failing);
		return;
	}
	ioe__event_move(event, IOE__STAGE_PENDING);
	ioe__overlap_watch(&driver->overlaps, event);
	event->ioe__due_ns = (uint64_t)(ioe__clock_ns() + IOE__AGAIN_NS);
	ioe__event_list_append(&driver->delayed, event);
}

/* `left` bytes belong to the event and those behind it; returns what is left for the next. */
static uint64_t advance(struct ioe__driver *driver, struct ioe_event *event, uint64_t left)
{
	const uint64_t rest = event->length - event->done;

	if (left >= rest) {
		ioe__finish(driver, event, (int64_t)event->length);
		return left - rest;
	}
	event->done += left;
	if (left > 0) {
		/* Here too: the settle table does it for the first event of a request. */
		event->ioe__attempts = 0;
		event->ioe__stalls = 0;
	}
	ioe__count(&driver->counters.resumed, 1);
	again(driver, event);
	return 0;
}

static void settle_request(struct ioe__driver *driver, struct ioe__request *request, int64_t result)
{
	struct ioe__driver_counters *counters = &driver->counters;
	const struct ioe__settlement settlement = ioe__request_settle(request, result);
	struct ioe_event *event = request->events;
	uint32_t n = request->n_events;
	uint64_t left = (uint64_t)settlement.result;

	ioe__request_release(request, &driver->iovpool);
	driver->free_slots[driver->n_free++] = request->slot;
	if (settlement.verdict != IOE__VERDICT_LATER)
		driver->completed = true;
	if (settlement.verdict == IOE__VERDICT_SPLIT)
		ioe__count(&counters->split, 1);
	for (; n > 0; n--) {
		/* Ending or moving an event writes its link. */
		struct ioe_event *next = n > 1 ? ioe__event_next(event) : NULL;

		ioe__event_move(event, IOE__STAGE_SETTLED);
		switch (settlement.verdict) {
		case IOE__VERDICT_FINISH:
			ioe__finish(driver, event, settlement.result);
			break;
		case IOE__VERDICT_ADVANCE:
			left = advance(driver, event, left);
			break;
		case IOE__VERDICT_SPLIT:
			event->ioe__marks |= IOE__MARK_ALONE;
			again(driver, event);
			break;
		case IOE__VERDICT_AGAIN:
			ioe__count(&counters->retried, 1);
			again(driver, event);
			break;
		case IOE__VERDICT_LATER:
			ioe__count(&counters->retried, 1);
			later(driver, event);
			break;
		}
		event = next;
	}
}

void ioe__settle(struct ioe__driver *driver, const struct ioe__completion *completions, uint32_t n)
{
	ioe__timing_forget(&driver->timing);
	for (uint32_t i = 0; i < n; i++) {
		const struct ioe__completion *completion = &completions[i];
		struct ioe__request *request;

		if (completion->slot >= driver->depth ||
		    driver->requests[completion->slot].generation != completion->generation ||
		    driver->requests[completion->slot].state != IOE__REQUEST_STAGED) {
			ioe__count(&driver->counters.stale_completions, 1);
			continue;
		}
		request = &driver->requests[completion->slot];
		driver->in_flight--;
		settle_request(driver, request, completion->result);
	}
	__atomic_store_n(&driver->counters.in_flight, driver->in_flight, __ATOMIC_RELAXED);
}
