/* SPDX-License-Identifier: MIT
 * pending.c - events with the driver, before they are in a request: admit, plan, stage.
 * Invariants: law 5: whatever can be staged is staged at once, nothing waits for a neighbour;
 *             lists are served in the order again, ready, current, plan, so that what has
 *             been started comes before what has not.
 * Threads, Ownership: driver.h. */
#include "engine/driver.h"

/* False: no record is free. It stays, with all behind it, until events have finished; there are
 * more records than slots, so the slots are all in use then. */
static bool admit(struct ioe__driver *driver, struct ioe_event *event)
{
	if (!ioe__order_admit(&driver->order, event))
		return false;
	driver->n_unfinished++;
	ioe__event_move(event, IOE__STAGE_PENDING);
	if ((event->flags & IOE_EVENT_BARRIER) != 0 && !ioe__order_is_first(event))
		event->ioe__marks |= IOE__MARK_WAITING;
	else
		ioe__event_list_append(&driver->incoming, event);
	return true;
}

void ioe__pending_absorb(struct ioe__driver *driver)
{
	struct ioe__event_list *arrived = &driver->arrived;
	struct ioe__node *node = ioe__channel_take(&driver->channel);

	if (node != NULL)
		driver->batch++;
	while (node != NULL) {
		struct ioe_event *event = ioe__event_of(node);

		node = node->next;
		event->ioe__batch = driver->batch;
		ioe__event_list_append(arrived, event);
	}
	while (arrived->first != NULL) {
		struct ioe_event *event = arrived->first;
		struct ioe_event *next = ioe__event_next(event);

		if (!admit(driver, event))
			break;
		arrived->first = next;
	}
}

/* -EAGAIN: again when something else has completed, or after a while (request.h). */
static void wake_delayed(struct ioe__driver *driver)
{
	struct ioe__event_list all = driver->delayed;
	struct ioe_event *event;
	int64_t now_ns;

	if (all.first == NULL)
		return;
	now_ns = ioe__clock_ns();
	driver->delayed = (struct ioe__event_list){ NULL, NULL };
	while ((event = ioe__event_list_pop(&all)) != NULL) {
		const bool quick = event->ioe__attempts <= IOE__AGAIN_QUICK_MAX;

		if ((driver->completed && quick) || (int64_t)event->ioe__due_ns <= now_ns)
			ioe__event_list_append(&driver->again, event);
		else
			ioe__event_list_append(&driver->delayed, event);
	}
	driver->completed = false;
}

/* Make a request of the first events of a group; returns how many. */
static uint32_t stage(struct ioe__driver *driver, const struct ioe__merge_group *group)
{
	const uint32_t slot = driver->free_slots[--driver->n_free];
	struct ioe__request *request = &driver->requests[slot];
	struct ioe_event *event = group->first;
	struct ioe__driver_counters *counters = &driver->counters;
	const uint32_t n = ioe__request_build(request, &driver->iovpool, group->first,
					      group->n_events, group->n_buffers);

	for (uint32_t i = 0; i < n; i++) {
		ioe__event_move(event, IOE__STAGE_STAGED);
		if ((event->ioe__marks & IOE__MARK_STARTED) == 0) {
			event->ioe__marks |= IOE__MARK_STARTED;
			driver->n_restore++;
		}
		event = ioe__event_next(event);
	}
	ioe__count(&counters->requests, 1);
	if (n > 1) {
		ioe__count(&counters->merged_requests, 1);
		ioe__count(&counters->merged_events, n);
	}
	driver->in_flight++;
	driver->n_staged++;
	__atomic_store_n(&counters->in_flight, driver->in_flight, __ATOMIC_RELAXED);
	if (driver->in_flight > counters->in_flight_max)
		__atomic_store_n(&counters->in_flight_max, driver->in_flight, __ATOMIC_RELAXED);
#ifdef IOE_TEST_SEAM
	if (ioe__seam.on_stage != NULL)
		ioe__seam.on_stage(request);
#endif
	driver->ops->stage(driver->backend, request);
	return n;
}

static void stage_one(struct ioe__driver *driver, struct ioe_event *event)
{
	const struct ioe__merge_group group = { .first = event, .n_events = 1 };

	(void)stage(driver, &group);
}

/* The first events of `again` that can be one request: the rest of a merged one that ended short
 * goes on as one. */
static void stage_again(struct ioe__driver *driver)
{
	const struct ioe__merge_limits *limits = &driver->config.limits;
	struct ioe_event *event = driver->again.first;
	struct ioe__merge_group group = { .first = event, .n_events = 1 };
	struct ioe_event *next = ioe__event_next(event);

	group.n_buffers = ioe__merge_n_buffers(event);
	group.bytes = event->length - event->done;
	while (next != NULL && ((event->ioe__marks | next->ioe__marks) & IOE__MARK_ALONE) == 0 &&
	       ioe__merge_joins(event, next) && group.n_events < limits->events_max &&
	       group.bytes + next->length <= limits->bytes_max &&
	       group.n_buffers + ioe__merge_n_buffers(next) <= limits->iov_max) {
		group.n_events++;
		group.n_buffers += ioe__merge_n_buffers(next);
		group.bytes += next->length;
		event = next;
		next = ioe__event_next(event);
	}
	for (uint32_t n = stage(driver, &group); n > 0; n--)
		(void)ioe__event_list_pop(&driver->again);
}

static void stage_current(struct ioe__driver *driver)
{
	struct ioe__merge_group *group = &driver->current;

	for (uint32_t n = stage(driver, group); n > 0; n--) {
		group->n_events--;
		group->n_buffers -= ioe__merge_n_buffers(group->first);
		group->first = ioe__event_next(group->first);
	}
}

/* Law 6: while events of a batch that overlap are on their way, look at each event of a group by
 * itself. Those that may start go through `again`, where neighbours are one request as well; the
 * contested ones hold back what conflicts with them until they have finished. */
static void hold_back(struct ioe__driver *driver, struct ioe__merge_group *group)
{
	struct ioe__order *order = &driver->order;
	struct ioe_event *event = group->first;

	for (; group->n_events > 0; group->n_events--) {
		struct ioe_event *next = ioe__event_next(event);

		if (!ioe__order_hold(order, event)) {
			if (group->contested)
				ioe__order_watch(order, event);
			ioe__event_list_append(&driver->again, event);
		}
		event = next;
	}
}

/* A drain that is too large for one plan: what of it has been given to the backend is watched, so
 * that the rest of it waits where it conflicts. (What came back or is held is looked at anyway.) */
static void watch_staged(struct ioe__driver *driver, uint32_t batch)
{
	for (uint32_t slot = 0; slot < driver->depth; slot++) {
		const struct ioe__request *request = &driver->requests[slot];
		struct ioe_event *event = request->events;

		if (request->state != IOE__REQUEST_STAGED)
			continue;
		for (uint32_t n = request->n_events; n > 0; n--) {
			if (event->ioe__batch == batch)
				ioe__order_watch(&driver->order, event);
			event = ioe__event_next(event);
		}
	}
}

static void plan(struct ioe__driver *driver)
{
	if (driver->incoming.first->ioe__batch == driver->planned_batch)
		watch_staged(driver, driver->planned_batch);
	ioe__merge_reset(&driver->plan);
	while (driver->incoming.first != NULL && driver->plan.n < driver->plan.capacity) {
		struct ioe_event *event = ioe__event_list_pop(&driver->incoming);

		driver->planned_batch = event->ioe__batch;
		ioe__merge_add(&driver->plan, event);
	}
	ioe__merge_form(&driver->plan, &driver->config.limits);
}

void ioe__pending_stage(struct ioe__driver *driver)
{
	struct ioe__order *order = &driver->order;

	wake_delayed(driver);
	while (driver->n_free > 0) {
		if (driver->again.first != NULL) {
			stage_again(driver);
		} else if (driver->ready.first != NULL) {
			stage_one(driver, ioe__event_list_pop(&driver->ready));
		} else if (driver->current.n_events > 0) {
			stage_current(driver);
		} else if (ioe__merge_take(&driver->plan, &driver->current)) {
			if (driver->current.contested || ioe__order_is_alert(order))
				hold_back(driver, &driver->current);
		} else if (driver->incoming.first != NULL) {
			plan(driver);
		} else {
			break;
		}
	}
}

static void fail_list(struct ioe__driver *driver, struct ioe__event_list *list)
{
	struct ioe_event *event;

	while ((event = ioe__event_list_pop(list)) != NULL)
		ioe__finish(driver, event, driver->failing);
}

void ioe__pending_fail(struct ioe__driver *driver)
{
	struct ioe_event *event;

	ioe__order_cut_loose(&driver->order);
	while ((event = driver->order.held.first) != NULL)
		ioe__finish(driver, event, driver->failing);
	fail_list(driver, &driver->again);
	fail_list(driver, &driver->delayed);
	fail_list(driver, &driver->incoming);
	do {
		struct ioe__merge_group *group = &driver->current;

		for (; group->n_events > 0; group->n_events--) {
			event = group->first;
			group->first = ioe__event_next(event);
			ioe__finish(driver, event, driver->failing);
		}
	} while (ioe__merge_take(&driver->plan, &driver->current));
	while ((event = ioe__order_find_waiting(&driver->order)) != NULL) {
		event->ioe__marks &= (uint8_t)~IOE__MARK_WAITING;
		ioe__finish(driver, event, driver->failing);
	}
	fail_list(driver, &driver->ready);
}
