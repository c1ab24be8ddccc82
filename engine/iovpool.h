/* SPDX-License-Identifier: MIT
 * iovpool.h - iovec arrays for merged requests: a buddy allocator over one block of memory.
 * Invariants: blocks are powers of two of entries, at most IOE__IOV_BLOCK_MAX (IOV_MAX); two free
 *             buddies below that are one block.
 * Threads:    the driver's only.
 * Ownership:  allocated at init; blocks are the requests' from take to give. */
#ifndef IOE_IOVPOOL_H
#define IOE_IOVPOOL_H

#include "engine/sys.h"

#define IOE__IOV_BLOCK_MAX 1024u
#define IOE__IOV_ORDERS    11 /* blocks of 1 << 0 to 1 << 10 entries */
#define IOE__NO_IOV_BLOCK  UINT32_MAX

_Static_assert(IOE__IOV_BLOCK_MAX == 1u << (IOE__IOV_ORDERS - 1), "the largest order");
_Static_assert(IOE__IOV_BLOCK_MAX == IOV_MAX, "what the kernel takes in one request");

struct ioe__iov_block;

struct ioe__iovpool {
	struct iovec *iov;
	struct ioe__iov_block *blocks; /* one for each entry; meaningful at the first of a block */
	uint32_t n;
	uint32_t free[IOE__IOV_ORDERS]; /* first free block of an order, or IOE__NO_IOV_BLOCK */
};

/* n entries at least, rounded up to the largest block. 0 or -ENOMEM. */
int ioe__iovpool_init(struct ioe__iovpool *pool, uint32_t n);
void ioe__iovpool_deinit(struct ioe__iovpool *pool);

/* A block of n entries, 1 <= n <= IOE__IOV_BLOCK_MAX, or of less if there is none: the largest
 * there is, but at least n_min entries. *ret_n is what it holds of n. Returns the index in
 * pool->iov, or IOE__NO_IOV_BLOCK. */
uint32_t ioe__iovpool_take(struct ioe__iovpool *pool, uint32_t n, uint32_t n_min, uint32_t *ret_n);
void ioe__iovpool_give(struct ioe__iovpool *pool, uint32_t block);

#endif
