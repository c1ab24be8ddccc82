/* SPDX-License-Identifier: MIT
 * pending.c - events with the driver, before they are in a request: admit, plan, stage.
 * Invariants: law 5: whatever can be staged is staged at once, nothing waits for a neighbour;
 *             again is served first, so that what has been started comes before what has not,
 *             then ready; then what has no place in a file and the plan in turn, so that neither
 *             starves the other.
 * Threads, Ownership: driver.h. */
#include "engine/driver.h"

static bool has_place(const struct ioe_event *event)
{
	return ioe__event_is_read(event) || ioe__event_is_write(event) ||
	       event->op == IOE_OP_FALLOCATE;
}

/* False: no record is free. It stays, with all behind it, until events have finished; there are
 * more records than slots, so the slots are all in use then. */
static bool admit(struct ioe__driver *driver, struct ioe_event *event)
{
	if (!ioe__order_admit(&driver->order, event))
		return false;
	driver->n_unfinished++;
	ioe__event_move(event, IOE__STAGE_PENDING);
	if ((event->flags & IOE_EVENT_BARRIER) != 0 && !ioe__order_is_first(event)) {
		event->ioe__marks |= IOE__MARK_WAITING;
		return true;
	}
	/* What has no place in a file has no neighbours, and overlaps nothing. */
	if (!has_place(event)) {
		ioe__event_list_append(&driver->placeless, event);
		return true;
	}
	ioe__event_list_append(&driver->incoming, event);
	driver->n_incoming++;
	return true;
}

static void arrive(struct ioe__driver *driver, struct ioe_event *event)
{
	event->ioe__batch = driver->batch + 1;
	ioe__timing_taken(&driver->timing, event);
	ioe__event_list_append(&driver->arrived, event);
	driver->has_arrived = true;
}

static void empty_channel(struct ioe__driver *driver)
{
	struct ioe__node *node = ioe__channel_take(&driver->channel);

	while (node != NULL) {
		struct ioe_event *event = ioe__event_of(node);

		node = node->next;
		arrive(driver, event);
	}
}

void ioe__pending_add(struct ioe__driver *driver, struct ioe_event *event)
{
	ioe__timing_forget(&driver->timing);
	/* What others have pushed before comes before it: a barrier waits for that (law 7). */
	empty_channel(driver);
	event->ioe__marks |= IOE__MARK_OWN;
	ioe__count(&driver->counters.events_own, 1);
	arrive(driver, event);
}

void ioe__pending_absorb(struct ioe__driver *driver)
{
	struct ioe__event_list *arrived = &driver->arrived;

	empty_channel(driver);
	if (driver->has_arrived) {
		driver->has_arrived = false;
		driver->batch++;
		driver->view.fd = -1;
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
	const uint32_t n = ioe__request_build(request, &driver->iovpool, &driver->view,
					      group->first, group->n_events, group->n_buffers);

	for (uint32_t i = 0; i < n; i++) {
		ioe__timing_given(&driver->timing, event);
		ioe__event_move(event, IOE__STAGE_STAGED);
		driver->n_restore += ioe__event_holds_credit(event);
		event->ioe__marks |= IOE__MARK_STARTED;
		event = ioe__event_next(event);
	}
	if (n > 1) {
		ioe__count(&driver->counters.merged_requests, 1);
		ioe__count(&driver->counters.merged_events, n);
	}
	driver->in_flight++;
	driver->n_staged++;
#ifdef IOE_TEST_SEAM
	if (ioe__seam.on_stage != NULL)
		ioe__seam.on_stage(driver, request);
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
	struct ioe_event *event = driver->again.first;
	struct ioe__merge_group group = { .first = event, .n_events = 1 };
	struct ioe_event *next = ioe__event_next(event);

	group.n_buffers = ioe__merge_n_buffers(event);
	group.bytes = event->length - event->done;
	while (next != NULL && ((event->ioe__marks | next->ioe__marks) & IOE__MARK_ALONE) == 0 &&
	       ioe__merge_joins(event, next) &&
	       ioe__merge_fits(&driver->config.limits, group.bytes + next->length,
			       group.n_events + 1, group.n_buffers + ioe__merge_n_buffers(next))) {
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
	struct ioe__overlaps *overlaps = &driver->overlaps;
	struct ioe_event *event = group->first;

	for (; group->n_events > 0; group->n_events--) {
		struct ioe_event *next = ioe__event_next(event);

		if (!ioe__overlap_hold(overlaps, event)) {
			if (group->contested)
				ioe__overlap_watch(overlaps, event);
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
				ioe__overlap_watch(&driver->overlaps, event);
			event = ioe__event_next(event);
		}
	}
}

/* What of the last plan has found no slot yet is planned again with what has come since. */
static void plan(struct ioe__driver *driver)
{
	struct ioe__event_list *incoming = &driver->incoming;
	const uint32_t n_again = driver->plan.n_left;
	struct ioe_event *last;
	struct ioe_event *first;

	if (incoming->first->ioe__batch == driver->planned_batch)
		watch_staged(driver, driver->planned_batch);
	first = ioe__merge_end(&driver->plan, &last);
	if (first != NULL) {
		last->ioe__node.next = &incoming->first->ioe__node;
		incoming->first = first;
		driver->n_incoming += n_again;
	}
	ioe__merge_reset(&driver->plan);
	while (incoming->first != NULL && driver->plan.n < driver->plan.capacity) {
		struct ioe_event *event = ioe__event_list_pop(incoming);

		driver->n_incoming--;
		driver->planned_batch = event->ioe__batch;
		ioe__merge_add(&driver->plan, event);
	}
	ioe__merge_form(&driver->plan, &driver->config.limits);
}

/* When the last plan has been staged whole; and while it has not, for want of slots, whenever as
 * many events have come as are left of it: they may be neighbours. A new plan then takes in as many
 * new events as old ones at least, so that each event is planned twice on average, at the most; and
 * something is taken of each plan before the next is made. */
static bool should_plan(const struct ioe__driver *driver)
{
	const uint32_t n_left = driver->plan.n_left;

	if (driver->n_incoming == 0)
		return false;
	return n_left == 0 ||
	       (driver->n_incoming >= n_left && n_left <= driver->plan.capacity / 2 &&
		driver->config.limits.bytes_max > 0);
}

/* False: there is none. */
static bool stage_first(struct ioe__driver *driver, struct ioe__event_list *list)
{
	struct ioe_event *event = ioe__event_list_pop(list);

	if (event == NULL)
		return false;
	stage_one(driver, event);
	return true;
}

/* The next request of the plan, or what must be looked at before; false: there is nothing. */
static bool stage_planned(struct ioe__driver *driver)
{
	if (driver->current.n_events == 0) {
		if (should_plan(driver))
			plan(driver);
		if (!ioe__merge_take(&driver->plan, &driver->current))
			return false;
		if (driver->current.contested || ioe__overlap_is_alert(&driver->overlaps)) {
			hold_back(driver, &driver->current);
			return true;
		}
	}
	stage_current(driver);
	return true;
}

void ioe__pending_stage(struct ioe__driver *driver)
{
	bool staged = true;

	ioe__timing_forget(&driver->timing);
	wake_delayed(driver);
	while (driver->n_free > 0 && staged) {
		if (driver->again.first != NULL) {
			stage_again(driver);
			continue;
		}
		/* Before what has come after them, which may overlap them (law 6). */
		if (stage_first(driver, &driver->ready))
			continue;
		driver->is_plans_turn = !driver->is_plans_turn;
		if (driver->is_plans_turn)
			staged = stage_planned(driver) || stage_first(driver, &driver->placeless);
		else
			staged = stage_first(driver, &driver->placeless) || stage_planned(driver);
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

	ioe__overlap_cut_loose(&driver->overlaps);
	while ((event = ioe__overlap_find_held(&driver->overlaps)) != NULL)
		ioe__finish(driver, event, driver->failing);
	fail_list(driver, &driver->again);
	fail_list(driver, &driver->delayed);
	fail_list(driver, &driver->incoming);
	driver->n_incoming = 0;
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
	fail_list(driver, &driver->placeless);
}
