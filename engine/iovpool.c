/* SPDX-License-Identifier: MIT
 * iovpool.c - iovec arrays for merged requests.
 * Invariants, Threads, Ownership: iovpool.h. */
#include "engine/iovpool.h"

#include <stdlib.h>

struct ioe__iov_block {
	uint32_t next; /* of the free blocks of one order */
	uint32_t prev;
	uint8_t order;
	bool free;
};

static void push_free(struct ioe__iovpool *pool, uint32_t index, uint32_t order)
{
	struct ioe__iov_block *block = &pool->blocks[index];

	block->order = (uint8_t)order;
	block->free = true;
	block->prev = IOE__NO_IOV_BLOCK;
	block->next = pool->free[order];
	if (block->next != IOE__NO_IOV_BLOCK)
		pool->blocks[block->next].prev = index;
	pool->free[order] = index;
}

static void remove_free(struct ioe__iovpool *pool, uint32_t index)
{
	struct ioe__iov_block *block = &pool->blocks[index];

	if (block->prev != IOE__NO_IOV_BLOCK)
		pool->blocks[block->prev].next = block->next;
	else
		pool->free[block->order] = block->next;
	if (block->next != IOE__NO_IOV_BLOCK)
		pool->blocks[block->next].prev = block->prev;
	block->free = false;
}

int ioe__iovpool_init(struct ioe__iovpool *pool, uint32_t n)
{
	*pool = (struct ioe__iovpool){ 0 };
	pool->n = (n + IOE__IOV_BLOCK_MAX - 1) / IOE__IOV_BLOCK_MAX * IOE__IOV_BLOCK_MAX;
	pool->iov = calloc(pool->n, sizeof(*pool->iov));
	pool->blocks = calloc(pool->n, sizeof(*pool->blocks));
	if (pool->iov == NULL || pool->blocks == NULL)
		return -ENOMEM;
	for (uint32_t order = 0; order < IOE__IOV_ORDERS; order++)
		pool->free[order] = IOE__NO_IOV_BLOCK;
	for (uint32_t i = pool->n; i > 0; i -= IOE__IOV_BLOCK_MAX)
		push_free(pool, i - IOE__IOV_BLOCK_MAX, IOE__IOV_ORDERS - 1);
	return 0;
}

void ioe__iovpool_deinit(struct ioe__iovpool *pool)
{
	free(pool->iov);
	free(pool->blocks);
	*pool = (struct ioe__iovpool){ 0 };
}

uint32_t ioe__iovpool_take(struct ioe__iovpool *pool, uint32_t n, uint32_t n_min, uint32_t *ret_n)
{
	uint32_t wanted = 0;
	uint32_t order;
	uint32_t index;

	while ((1u << wanted) < n)
		wanted++;
	for (order = wanted; order < IOE__IOV_ORDERS; order++)
		if (pool->free[order] != IOE__NO_IOV_BLOCK)
			break;
	if (order == IOE__IOV_ORDERS) {
		/* Nothing that large: the largest there is. */
		do {
			if (wanted == 0)
				return IOE__NO_IOV_BLOCK;
			wanted--;
			if ((1u << wanted) < n_min)
				return IOE__NO_IOV_BLOCK;
		} while (pool->free[wanted] == IOE__NO_IOV_BLOCK);
		order = wanted;
		n = 1u << wanted;
	}
	index = pool->free[order];
	remove_free(pool, index);
	while (order > wanted) {
		order--;
		push_free(pool, index + (1u << order), order);
	}
	pool->blocks[index].order = (uint8_t)order;
	*ret_n = n;
	return index;
}

void ioe__iovpool_give(struct ioe__iovpool *pool, uint32_t index)
{
	uint32_t order = pool->blocks[index].order;

	while (order < IOE__IOV_ORDERS - 1) {
		const uint32_t buddy = index ^ (1u << order);

		if (!pool->blocks[buddy].free || pool->blocks[buddy].order != order)
			break;
		remove_free(pool, buddy);
		index &= ~(1u << order);
		order++;
	}
	push_free(pool, index, order);
}
