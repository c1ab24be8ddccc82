/* SPDX-License-Identifier: MIT
 * order.c - barriers, and overlaps.
 * Invariants, Threads, Ownership: order.h. */
#include "engine/order.h"

#include "merge/merge.h"

#include <stdlib.h>

#define RECORDS_MAX 65535u /* records are numbered by uint16_t, from 1 */

int ioe__order_init(struct ioe__order *order, uint32_t n)
{
	uint32_t n_buckets = 64;

	*order = (struct ioe__order){ .n_records = n < RECORDS_MAX ? n : RECORDS_MAX };
	while (n_buckets < 2 * order->n_records)
		n_buckets *= 2;
	order->bucket_mask = n_buckets - 1;
	order->buckets = calloc(n_buckets, sizeof(*order->buckets));
	order->records = calloc(order->n_records + 1, sizeof(*order->records));
	if (order->buckets == NULL || order->records == NULL)
		return -ENOMEM;
	for (uint32_t i = order->n_records; i > 0; i--) {
		order->records[i].next = order->free;
		order->free = (uint16_t)i;
	}
	return 0;
}

void ioe__order_deinit(struct ioe__order *order)
{
	free(order->buckets);
	free(order->records);
	*order = (struct ioe__order){ 0 };
}

/* Fibonacci hashing: neighbouring fds go far apart. */
static uint16_t *bucket_of(const struct ioe__order *order, int fd)
{
	return &order->buckets[((uint32_t)fd * UINT32_C(2654435769) >> 12) & order->bucket_mask];
}

static uint16_t find_or_add(struct ioe__order *order, int fd)
{
	uint16_t *bucket = bucket_of(order, fd);
	struct ioe__record *record;
	uint16_t index = *bucket;

	for (; index != 0; index = order->records[index].next)
		if (order->records[index].fd == fd)
			return index;
	index = order->free;
	if (index == 0)
		return 0;
	record = &order->records[index];
	order->free = record->next;
	*record = (struct ioe__record){ .fd = fd, .next = *bucket };
	*bucket = index;
	return index;
}

static void remove_record(struct ioe__order *order, uint16_t index)
{
	struct ioe__record *record = &order->records[index];
	uint16_t *link = bucket_of(order, record->fd);

	while (*link != index)
		link = &order->records[*link].next;
	*link = record->next;
	record->next = order->free;
	order->free = index;
	if (order->last == index)
		order->last = 0;
}

bool ioe__order_admit(struct ioe__order *order, struct ioe_event *event)
{
	struct ioe__record *record;
	uint16_t index = order->last;

	if (event->op == IOE_OP_NOP) {
		event->ioe__record = 0;
		return true;
	}
	if (index == 0 || order->records[index].fd != event->fd)
		index = find_or_add(order, event->fd);
	if (index == 0)
		return false;
	order->last = index;
	record = &order->records[index];
	event->ioe__record = index;
	event->ioe__fd_next = NULL;
	event->ioe__fd_prev = record->last;
	if (record->last != NULL)
		record->last->ioe__fd_next = event;
	else
		record->first = event;
	record->last = event;
	return true;
}

/* ---- Overlaps (law 6) ---- */

static void list_append(struct ioe__watch_list *list, struct ioe_event *event)
{
	event->ioe__again_next = NULL;
	event->ioe__again_prev = list->last;
	if (list->last != NULL)
		list->last->ioe__again_next = event;
	else
		list->first = event;
	list->last = event;
}

static void list_remove(struct ioe__watch_list *list, struct ioe_event *event)
{
	if (event->ioe__again_prev != NULL)
		event->ioe__again_prev->ioe__again_next = event->ioe__again_next;
	else
		list->first = event->ioe__again_next;
	if (event->ioe__again_next != NULL)
		event->ioe__again_next->ioe__again_prev = event->ioe__again_prev;
	else
		list->last = event->ioe__again_prev;
}

static void enter(struct ioe__order *order, struct ioe__watch_list *list, struct ioe_event *event)
{
	uint64_t low;
	uint64_t high;

	if (!ioe__order_is_alert(order)) {
		order->low = UINT64_MAX;
		order->high = 0;
	}
	if (ioe__merge_range(event, &low, &high)) {
		order->low = low < order->low ? low : order->low;
		order->high = high > order->high ? high : order->high;
		order->n_changes += ioe__merge_changes(event);
	}
	list_append(list, event);
}

static void leave(struct ioe__order *order, struct ioe__watch_list *list, struct ioe_event *event)
{
	order->n_changes -= ioe__merge_changes(event);
	list_remove(list, event);
}

/* The latest event of a list, from `from` back, that the event conflicts with, or NULL. */
static struct ioe_event *find_conflict(struct ioe_event *from, const struct ioe_event *event)
{
	for (; from != NULL; from = from->ioe__again_prev)
		if (from != event && from->ioe__batch == event->ioe__batch &&
		    ioe__merge_conflict(from, event))
			return from;
	return NULL;
}

/* Hang the event on what it has to wait for: among the held ones from `last_held` back, then among
 * the watched. False: nothing. */
static bool hang(struct ioe__order *order, struct ioe_event *event, struct ioe_event *last_held)
{
	struct ioe_event *blocker = find_conflict(last_held, event);

	if (blocker == NULL)
		blocker = find_conflict(order->watched.last, event);
	if (blocker == NULL)
		return false;
	event->ioe__next_waiter = blocker->ioe__waiters;
	blocker->ioe__waiters = event;
	return true;
}

void ioe__order_watch(struct ioe__order *order, struct ioe_event *event)
{
	if (event->ioe__marks & IOE__MARK_WATCHED)
		return;
	event->ioe__marks |= IOE__MARK_WATCHED;
	enter(order, &order->watched, event);
}

bool ioe__order_hold(struct ioe__order *order, struct ioe_event *event)
{
	uint64_t low;
	uint64_t high;

	if (!ioe__merge_range(event, &low, &high) || low >= order->high || high <= order->low ||
	    (order->n_changes == 0 && !ioe__merge_changes(event)))
		return false;
	if (!hang(order, event, order->held.last))
		return false;
	event->ioe__marks |= IOE__MARK_HELD;
	enter(order, &order->held, event);
	return true;
}

static void forget_waiters(struct ioe_event *event)
{
	for (; event != NULL; event = event->ioe__again_next)
		event->ioe__waiters = NULL;
}

void ioe__order_cut_loose(struct ioe__order *order)
{
	if (order->held.first == NULL)
		return;
	forget_waiters(order->watched.first);
	forget_waiters(order->held.first);
}

/* Those that hung on an event that has finished: let go, or hung on something else. */
static void release_waiters(struct ioe__order *order, struct ioe_event *event,
			    struct ioe__event_list *released)
{
	struct ioe_event *waiter = NULL;

	/* They were hung latest first: turn them round. */
	while (event->ioe__waiters != NULL) {
		struct ioe_event *first = event->ioe__waiters;

		event->ioe__waiters = first->ioe__next_waiter;
		first->ioe__next_waiter = waiter;
		waiter = first;
	}
	while (waiter != NULL) {
		struct ioe_event *next = waiter->ioe__next_waiter;

		if (!hang(order, waiter, waiter->ioe__again_prev)) {
			leave(order, &order->held, waiter);
			waiter->ioe__marks &= (uint8_t)~IOE__MARK_HELD;
			ioe__order_watch(order, waiter);
			ioe__event_list_append(released, waiter);
		}
		waiter = next;
	}
}

static void finish_overlaps(struct ioe__order *order, struct ioe_event *event,
			    struct ioe__event_list *released)
{
	if (event->ioe__marks & IOE__MARK_WATCHED)
		leave(order, &order->watched, event);
	else if (event->ioe__marks & IOE__MARK_HELD)
		leave(order, &order->held, event);
	event->ioe__marks &= (uint8_t) ~(IOE__MARK_WATCHED | IOE__MARK_HELD);
	release_waiters(order, event, released);
}

/* ---- The end of an event ---- */

struct ioe_event *ioe__order_finish(struct ioe__order *order, struct ioe_event *event,
				    struct ioe__event_list *released)
{
	struct ioe__record *record = &order->records[event->ioe__record];
	struct ioe_event *first;

	if (event->ioe__marks & (IOE__MARK_WATCHED | IOE__MARK_HELD))
		finish_overlaps(order, event, released);
	if (event->ioe__record == 0)
		return NULL;
	if (event->ioe__fd_next != NULL)
		event->ioe__fd_next->ioe__fd_prev = event->ioe__fd_prev;
	else
		record->last = event->ioe__fd_prev;
	if (event->ioe__fd_prev != NULL) {
		event->ioe__fd_prev->ioe__fd_next = event->ioe__fd_next;
		return NULL;
	}
	first = event->ioe__fd_next;
	record->first = first;
	if (first == NULL) {
		remove_record(order, event->ioe__record);
		return NULL;
	}
	if ((first->ioe__marks & IOE__MARK_WAITING) == 0)
		return NULL;
	first->ioe__marks &= (uint8_t)~IOE__MARK_WAITING;
	return first;
}

struct ioe_event *ioe__order_find_waiting(const struct ioe__order *order)
{
	for (uint32_t i = 1; i <= order->n_records; i++) {
		struct ioe_event *event = order->records[i].last;

		/* A free record keeps no list: first is NULL. */
		if (order->records[i].first == NULL)
			continue;
		for (; event != NULL; event = event->ioe__fd_prev)
			if (event->ioe__marks & IOE__MARK_WAITING)
				return event;
	}
	return NULL;
}
