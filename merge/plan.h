/* SPDX-License-Identifier: MIT
 * plan.h - private to merge/: what a plan keeps of its events, and the keys they are sorted by.
 *
 * Invariants: of two conflicting events of a batch the earlier has the lower rank.
 * Threads:    none of its own.
 * Ownership:  all arrays stand in the memory that ioe__merge_init() was given. */
#ifndef IOE_MERGE_PLAN_H
#define IOE_MERGE_PLAN_H

#include "engine/sys.h"
#include "merge/merge.h"

#include <assert.h>

#define IOE__MERGE_NONE UINT32_MAX

/* Combinations of flags, rw_flags, ioprio and lane that a batch can tell apart; events of further
 * ones are not merged. Bounds the search in ioe__merge_add(). */
#define IOE__MERGE_TRAITS_MAX 64

struct ioe__merge_traits {
	uint32_t flags;
	uint32_t rw_flags;
	uint32_t ioprio;
	uint32_t lane;
};

/* One event of the batch; on the first of a group, the group too. */
struct ioe__merge_item {
	struct ioe_event *event; /* NULL once it has been taken */
	uint64_t start;          /* bytes [start, end) of the file, if has_range */
	uint64_t end;
	uint64_t bytes; /* of the group that this is the first of, like the next four */
	uint32_t n_events;
	uint32_t n_buffers;
	uint32_t last;     /* item at its end */
	uint32_t earliest; /* item of it that arrived first */
	uint32_t next;     /* item behind this one in its group, or NONE */
	/* The first item of the group that leaves when it is this one's turn (this one is the
	 * earliest of it), or NONE: this one leaves at another's turn. */
	uint32_t leads;
	uint32_t rank;
	uint16_t class; /* the merge key without the fd; 0: never merged */
	uint8_t has_range : 1;
	uint8_t changes : 1;   /* its range of the file: write, fallocate */
	uint8_t contested : 1; /* overlaps others, directly or through others, and one changes it */
};

static_assert(sizeof(struct ioe__merge_item) == 64, "an item is a cache line");

/* What is sorted: a total order of (fd, class, offset, index), 128 bits as two words.
 *   hi   fd 31 bits, class 10 bits, the upper 23 bits of the offset
 *   lo   the lower 40 bits of the offset, index 23 bits, end 1 bit
 * `end` tells the two ends of an event apart, where both are sorted. */
struct ioe__merge_key {
	uint64_t hi;
	uint64_t lo;
};

#define IOE__MERGE_CLASS_BITS 10
#define IOE__MERGE_INDEX_BITS 23
#define IOE__MERGE_TAIL_BITS  (IOE__MERGE_INDEX_BITS + 1)

static_assert(31 + IOE__MERGE_CLASS_BITS + 63 + IOE__MERGE_TAIL_BITS == 128, "a key is full");
static_assert(2 * IOE__MERGE_TRAITS_MAX + 1 < 1 << IOE__MERGE_CLASS_BITS, "classes fit in a key");

/* The work done for plans by this thread, which tests hold against O(n log n): comparisons of keys,
 * and steps of the loops that compare none. */
#ifdef IOE_VERIFY
extern _Thread_local uint64_t ioe__merge_work;
#define ioe__merge_worked(n) ((void)(ioe__merge_work += (n)))
#else
#define ioe__merge_worked(n) ((void)0)
#endif

static inline struct ioe__merge_key ioe__merge_key(int fd, uint32_t class, uint64_t offset,
						   uint32_t index, bool end)
{
	return (struct ioe__merge_key){
		.hi = (uint64_t)(uint32_t)fd << 33 | (uint64_t) class << 23 | offset >> 40,
		.lo = offset << IOE__MERGE_TAIL_BITS | (uint64_t)index << 1 | end,
	};
}

static inline uint32_t ioe__merge_key_index(const struct ioe__merge_key *key)
{
	return (uint32_t)(key->lo >> 1) & ((UINT32_C(1) << IOE__MERGE_INDEX_BITS) - 1);
}

static inline bool ioe__merge_key_less(const struct ioe__merge_key *a,
				       const struct ioe__merge_key *b)
{
	__extension__ typedef unsigned __int128 wide; /* it compares without a branch */

	ioe__merge_worked(1);
	return ((wide)a->hi << 64 | a->lo) < ((wide)b->hi << 64 | b->lo);
}

/* Same fd, class and offset. */
static inline bool ioe__merge_key_same_place(const struct ioe__merge_key *a,
					     const struct ioe__merge_key *b)
{
	return a->hi == b->hi && (a->lo ^ b->lo) >> IOE__MERGE_TAIL_BITS == 0;
}

/* A node of the tree over stretches of the file: [0] of all events, [1] of those that change it.
 * Ranks are kept plus one; 0 is none. */
struct ioe__merge_node {
	uint32_t whole[2]; /* highest of those noted on the node as a whole */
	uint32_t any[2];   /* highest of those noted on the node or below it */
};

/* The filters: two sets of bits, each with at least this many for each event of the batch, so that
 * some 1 of 16 bits is set. They tell what may meet another of its kind from what cannot. */
#define IOE__MERGE_FILTER_BITS 16

/* Bits of one set for n events: a power of two, from 64 on. */
static inline uint64_t ioe__merge_filter_bits(uint32_t n)
{
	uint64_t bits = 64;

	while (bits < (uint64_t)n * IOE__MERGE_FILTER_BITS)
		bits *= 2;
	return bits;
}

/* Odd constants of 64 random bits: the upper bits of the product depend on all bits of both. */
static inline uint64_t ioe__merge_hash(uint64_t key, uint64_t offset)
{
	return (offset + key * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
}

/* Sort keys[0..n). O(n) if they are sorted already, O(n log n) at the most.
 * scratch: room for n keys. */
void ioe__merge_sort(struct ioe__merge_key *keys, uint32_t n, struct ioe__merge_key *scratch);

/* Set the rank of every item: 0, or one more than the highest of the earlier items that it
 * conflicts with; and mark the contested ones. Returns how many ranks there are: 1 if no items
 * conflict. O(n log n), and O(n) where no ranges are near each other. */
uint32_t ioe__merge_rank(struct ioe__merge_plan *plan);

#endif
