/* SPDX-License-Identifier: MIT
 * order.c - barriers.
 * Invariants, Threads, Ownership: order.h. */
#include "engine/order.h"

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

struct ioe_event *ioe__order_finish(struct ioe__order *order, struct ioe_event *event)
{
	struct ioe__record *record = &order->records[event->ioe__record];
	struct ioe_event *first;

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
