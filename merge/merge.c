/* SPDX-License-Identifier: MIT
 * merge.c - join the events of a batch into groups, each a request to be.
 *
 * Invariants: as in merge.h.
 * Threads:    none of its own; a plan is used by the driver thread that owns it.
 * Ownership:  events are borrowed; nothing is allocated.
 *
 * Forming. (1) If the batch changes files, events that overlap are found and get ranks (rank.c).
 * (2) A filter of a few bits an event picks the candidates: events that may have a neighbour. Where
 * nothing can merge this is all the work. (3) The candidates are sorted by fd, class (the rest of
 * the merge key) and offset, and if two of them really are neighbours, grouped by rank. (4) The
 * candidates of each rank are joined from left to right.
 *
 * README.md has the rule, its proof, and examples. */
#include "merge/plan.h"

#include <string.h>

#ifndef RWF_ATOMIC
#define RWF_ATOMIC 0x00000040 /* Linux 6.11; Debian 12 has older headers */
#endif

#ifdef IOE_VERIFY
_Thread_local uint64_t ioe__merge_work;
#endif

#define NONE          IOE__MERGE_NONE
#define CAPACITY_MAX  (UINT32_C(1) << IOE__MERGE_INDEX_BITS)
#define IOV_COUNT_MAX 1024 /* IOV_MAX, UIO_MAXIOV of the kernel */
/* Open groups that are tried for an event, of those that end where it begins: more than one only
 * if the batch reads the same bytes several times. */
#define JOIN_TRIES_MAX 64
#define ALIGNMENT      64

static bool is_read(const struct ioe_event *event)
{
	return event->op == IOE_OP_READ || event->op == IOE_OP_READV;
}

static bool is_write(const struct ioe_event *event)
{
	return event->op == IOE_OP_WRITE || event->op == IOE_OP_WRITEV;
}

static bool is_mergeable(const struct ioe_event *event)
{
	const uint32_t alone = IOE_EVENT_NO_MERGE | IOE_EVENT_NO_RESUME | IOE_EVENT_BARRIER;

	return (is_read(event) || is_write(event)) && (event->flags & alone) == 0 &&
	       (event->rw_flags & (uint32_t)(RWF_NOWAIT | RWF_ATOMIC)) == 0 &&
	       event->offset != IOE_OFFSET_STREAM;
}

static bool has_range(const struct ioe_event *event)
{
	return (is_read(event) || is_write(event) || event->op == IOE_OP_FALLOCATE) &&
	       event->offset != IOE_OFFSET_STREAM;
}

static bool changes_file(const struct ioe_event *event)
{
	return is_write(event) || event->op == IOE_OP_FALLOCATE;
}

/* Where the range of an event ends. Taking bytes out of a file or putting some in moves all that
 * is behind them. */
static uint64_t range_end(const struct ioe_event *event)
{
	if (event->op == IOE_OP_FALLOCATE &&
	    (event->op_flags & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) != 0)
		return INT64_MAX;
	return event->offset + event->length;
}

bool ioe__merge_joins(const struct ioe_event *a, const struct ioe_event *b)
{
	return is_mergeable(a) && is_mergeable(b) && a->fd == b->fd && is_read(a) == is_read(b) &&
	       a->flags == b->flags && a->rw_flags == b->rw_flags && a->ioprio == b->ioprio &&
	       a->lane == b->lane && a->offset + a->length == b->offset && b->done == 0;
}

bool ioe__merge_conflict(const struct ioe_event *a, const struct ioe_event *b)
{
	return has_range(a) && has_range(b) && a->fd == b->fd &&
	       (changes_file(a) || changes_file(b)) && a->offset < range_end(b) &&
	       b->offset < range_end(a);
}

bool ioe__merge_range(const struct ioe_event *event, uint64_t *ret_low, uint64_t *ret_high)
{
	if (!has_range(event))
		return false;
	*ret_low = event->offset;
	*ret_high = range_end(event);
	return true;
}

bool ioe__merge_changes(const struct ioe_event *event)
{
	return changes_file(event);
}

uint32_t ioe__merge_n_buffers(const struct ioe_event *event)
{
	return event->n_iov != 0 ? event->n_iov : 1;
}

/* ---- The plan ------------------------------------------------------------------------ */

static size_t place(size_t *at, size_t n, size_t size)
{
	size_t here = *at;

	*at += (n * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	return here;
}

/* Lay the arrays out in memory; memory NULL only counts. */
static size_t lay_out(struct ioe__merge_plan *plan, uint8_t *memory, size_t capacity)
{
	size_t at = 0;
	size_t items = place(&at, capacity, sizeof(plan->items[0]));
	size_t keys = place(&at, capacity, sizeof(plan->keys[0]));
	size_t points = place(&at, 2 * capacity, sizeof(plan->points[0]));
	size_t scratch = place(&at, 2 * capacity, sizeof(plan->scratch[0]));
	size_t tree = place(&at, 4 * capacity, sizeof(plan->tree[0]));
	size_t traits = place(&at, IOE__MERGE_TRAITS_MAX, sizeof(plan->traits[0]));
	size_t filter =
		place(&at, 2 * ioe__merge_filter_bits((uint32_t)capacity) / 64, sizeof(uint64_t));
	size_t links = place(&at, 2 * capacity, sizeof(uint32_t));
	size_t order = place(&at, capacity, sizeof(uint32_t));
	size_t counts = place(&at, capacity + 1, sizeof(uint32_t));

	if (memory != NULL) {
		plan->items = (void *)(memory + items);
		plan->keys = (void *)(memory + keys);
		plan->points = (void *)(memory + points);
		plan->scratch = (void *)(memory + scratch);
		plan->tree = (void *)(memory + tree);
		plan->traits = (void *)(memory + traits);
		plan->filter = (void *)(memory + filter);
		plan->links = (void *)(memory + links);
		plan->order = (void *)(memory + order);
		plan->counts = (void *)(memory + counts);
	}
	return at;
}

size_t ioe__merge_memory_bytes(uint32_t capacity)
{
	struct ioe__merge_plan plan;

	return lay_out(&plan, NULL, capacity);
}

void ioe__merge_init(struct ioe__merge_plan *plan, void *memory, uint32_t capacity)
{
	ioe__assert(capacity >= 1 && capacity <= CAPACITY_MAX);
	ioe__assert((uintptr_t)memory % ALIGNMENT == 0);
	memset(plan, 0, sizeof(*plan));
	plan->capacity = capacity;
	(void)lay_out(plan, memory, capacity);
}

void ioe__merge_reset(struct ioe__merge_plan *plan)
{
	ioe__assert(plan->n_left == 0);
	plan->n = 0;
	plan->n_mergeable = 0;
	plan->n_changes = 0;
	plan->n_traits = 0;
	plan->length_max = 0;
	plan->cursor = 0;
	plan->by_rank = false;
}

/* The number of the merge key but for the fd, from 1; 0 if this batch has too many. */
static uint32_t class_of(struct ioe__merge_plan *plan, const struct ioe_event *event)
{
	const struct ioe__merge_traits new = { .flags = event->flags,
					       .rw_flags = event->rw_flags,
					       .ioprio = event->ioprio,
					       .lane = event->lane };
	uint32_t k = 0;

	for (; k < plan->n_traits; k++) {
		const struct ioe__merge_traits *old = &plan->traits[k];

		ioe__merge_worked(1);
		if (old->flags == new.flags && old->rw_flags == new.rw_flags &&
		    old->ioprio == new.ioprio && old->lane == new.lane)
			break;
	}
	if (k == IOE__MERGE_TRAITS_MAX)
		return 0;
	if (k == plan->n_traits)
		plan->traits[plan->n_traits++] = new;
	return 2 * k + 1 + is_write(event);
}

void ioe__merge_add(struct ioe__merge_plan *plan, struct ioe_event *event)
{
	uint32_t i = plan->n;
	struct ioe__merge_item *item = &plan->items[i];

	ioe__assert(i < plan->capacity);
	item->event = event;
	item->start = event->offset;
	item->end = range_end(event);
	item->bytes = event->length;
	item->n_events = 1;
	item->n_buffers = ioe__merge_n_buffers(event);
	item->last = i;
	item->earliest = i;
	item->next = NONE;
	item->leads = i;
	item->rank = 0;
	item->class = is_mergeable(event) ? (uint16_t)class_of(plan, event) : 0;
	item->has_range = has_range(event);
	item->changes = changes_file(event);
	item->contested = false;
	if (item->has_range && item->end - item->start > plan->length_max)
		plan->length_max = item->end - item->start;
	plan->n_mergeable += item->class != 0;
	plan->n_changes += item->changes;
	plan->n++;
	plan->n_left++;
}

/* ---- Forming ------------------------------------------------------------------------- */

/* Where starts and ends of ranges meet. */
static uint64_t hash_end(const struct ioe__merge_item *item, uint64_t offset)
{
	return ioe__merge_hash((uint64_t)(uint32_t)item->event->fd << 10 | item->class, offset);
}

/* Fill keys with the mergeable items that may have a neighbour; returns how many. Events that
 * have one are all among them; of the others, some 1 of 8. */
static uint32_t find_candidates(struct ioe__merge_plan *plan)
{
	const uint64_t bits = ioe__merge_filter_bits(plan->n);
	const int shift = 64 - __builtin_ctzll(bits);
	uint64_t *starts = plan->filter;
	uint64_t *ends = plan->filter + bits / 64;
	uint32_t n = 0;

	ioe__merge_worked(bits / 64 + 2 * (uint64_t)plan->n);
	memset(plan->filter, 0, bits / 64 * 2 * sizeof(uint64_t));
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct ioe__merge_item *item = &plan->items[i];
		uint64_t start = hash_end(item, item->start) >> shift;
		uint64_t end = hash_end(item, item->end) >> shift;

		if (item->class == 0)
			continue;
		starts[start / 64] |= UINT64_C(1) << start % 64;
		ends[end / 64] |= UINT64_C(1) << end % 64;
	}
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct ioe__merge_item *item = &plan->items[i];
		uint64_t start = hash_end(item, item->start) >> shift;
		uint64_t end = hash_end(item, item->end) >> shift;

		plan->keys[n] = ioe__merge_key(item->event->fd, item->class, item->start, i, false);
		n += item->class != 0 && ((starts[end / 64] >> end % 64 & 1) != 0 ||
					  (ends[start / 64] >> start % 64 & 1) != 0);
	}
	return n;
}

/* The first of keys[from..to) that stands where item k ends, else `to`. Most often it is
 * keys[from] or none: the search gallops. */
static uint32_t find_successor(const struct ioe__merge_plan *plan, uint32_t k, uint32_t from,
			       uint32_t to)
{
	const struct ioe__merge_item *item = &plan->items[k];
	const struct ioe__merge_key key =
		ioe__merge_key(item->event->fd, item->class, item->end, 0, false);
	uint32_t low = from;
	uint32_t high = from;

	for (uint32_t step = 1; high < to && ioe__merge_key_less(&plan->keys[high], &key);
	     step *= 2) {
		low = high + 1;
		high = to - high > step ? high + step : to;
	}
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ioe__merge_key_less(&plan->keys[middle], &key))
			low = middle + 1;
		else
			high = middle;
	}
	return low < to && ioe__merge_key_same_place(&plan->keys[low], &key) ? low : to;
}

static bool any_neighbours(const struct ioe__merge_plan *plan, uint32_t n)
{
	for (uint32_t k = 0; k + 1 < n; k++)
		if (find_successor(plan, ioe__merge_key_index(&plan->keys[k]), k + 1, n) < n)
			return true;
	return false;
}

static bool fits(const struct ioe__merge_item *group, const struct ioe__merge_item *item,
		 const struct ioe__merge_limits *limits)
{
	return ioe__merge_fits(limits, group->bytes + item->bytes, group->n_events + 1,
			       group->n_buffers + item->n_buffers);
}

/* The groups that end where an item begins, for the first of the items at that place: a list of
 * their first items. */
static uint32_t *waiting_at(const struct ioe__merge_plan *plan, uint32_t i)
{
	return &plan->links[2 * (size_t)i];
}

/* The next in the list that a group, named by its first item, is in. */
static uint32_t *waiting_next(const struct ioe__merge_plan *plan, uint32_t first)
{
	return &plan->links[2 * (size_t)first + 1];
}

/* Take a group that item k fits out of the list, else NONE. */
static uint32_t take_group_for(const struct ioe__merge_plan *plan, uint32_t k, uint32_t *list,
			       const struct ioe__merge_limits *limits)
{
	if (plan->items[k].event->done != 0)
		return NONE;
	for (uint32_t tries = 0; *list != NONE && tries < JOIN_TRIES_MAX; tries++) {
		const uint32_t first = *list;

		ioe__merge_worked(1);
		if (fits(&plan->items[first], &plan->items[k], limits)) {
			*list = *waiting_next(plan, first);
			return first;
		}
		list = waiting_next(plan, first);
	}
	return NONE;
}

static void append(struct ioe__merge_plan *plan, uint32_t first, uint32_t k)
{
	struct ioe__merge_item *group = &plan->items[first];
	struct ioe__merge_item *item = &plan->items[k];

	plan->items[group->last].next = k;
	group->last = k;
	group->bytes += item->bytes;
	group->n_events++;
	group->n_buffers += item->n_buffers;
	if (k < group->earliest)
		group->earliest = k;
	item->leads = NONE;
	item->last = NONE;
}

/* Join keys[from..to), of one rank. Those at one place (same fd, class and offset) are taken
 * together: each is appended to a group that ends there and has room for it, or begins one;
 * then its group waits at the place where it ends now, if an event stands there. */
static void join(struct ioe__merge_plan *plan, const struct ioe__merge_limits *limits,
		 uint32_t from, uint32_t to)
{
	const struct ioe__merge_key *keys = plan->keys;

	ioe__merge_worked(3 * ((uint64_t)to - from));
	for (uint32_t k = from; k < to; k++)
		*waiting_at(plan, ioe__merge_key_index(&keys[k])) = NONE;
	for (uint32_t here = from, behind; here < to; here = behind) {
		uint32_t *waiting = waiting_at(plan, ioe__merge_key_index(&keys[here]));

		for (behind = here + 1; behind < to; behind++)
			if (!ioe__merge_key_same_place(&keys[behind], &keys[here]))
				break;
		for (uint32_t k = here; k < behind; k++) {
			const uint32_t i = ioe__merge_key_index(&keys[k]);
			const uint32_t successor = find_successor(plan, i, behind, to);
			uint32_t first = take_group_for(plan, i, waiting, limits);
			uint32_t *there;

			if (first == NONE)
				first = i;
			else
				append(plan, first, i);
			if (successor == to)
				continue;
			there = waiting_at(plan, ioe__merge_key_index(&keys[successor]));
			*waiting_next(plan, first) = *there;
			*there = first;
		}
	}
}

/* Counting sort by rank, stable: of the items into order, and of keys[0..n). Afterwards counts[r]
 * is the end of rank r in keys. */
static void sort_by_rank(struct ioe__merge_plan *plan, uint32_t n, uint32_t n_ranks)
{
	uint32_t *counts = plan->counts;

	ioe__merge_worked(2 * ((uint64_t)plan->n + n + n_ranks));
	memset(counts, 0, (n_ranks + 1) * sizeof(counts[0]));
	for (uint32_t i = 0; i < plan->n; i++)
		counts[plan->items[i].rank + 1]++;
	for (uint32_t r = 1; r < n_ranks; r++)
		counts[r] += counts[r - 1];
	for (uint32_t i = 0; i < plan->n; i++)
		plan->order[counts[plan->items[i].rank]++] = i;

	memset(counts, 0, (n_ranks + 1) * sizeof(counts[0]));
	for (uint32_t k = 0; k < n; k++)
		counts[plan->items[ioe__merge_key_index(&plan->keys[k])].rank + 1]++;
	for (uint32_t r = 1; r < n_ranks; r++)
		counts[r] += counts[r - 1];
	for (uint32_t k = 0; k < n; k++) {
		uint32_t rank = plan->items[ioe__merge_key_index(&plan->keys[k])].rank;

		plan->scratch[counts[rank]++] = plan->keys[k];
	}
	memcpy(plan->keys, plan->scratch, n * sizeof(plan->keys[0]));
}

/* Each group leaves at the turn of its earliest item. */
static void set_turns(struct ioe__merge_plan *plan, uint32_t n)
{
	ioe__merge_worked(n);
	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = ioe__merge_key_index(&plan->keys[k]);
		struct ioe__merge_item *item = &plan->items[i];

		if (item->last == NONE || item->earliest == i)
			continue;
		item->leads = NONE;
		plan->items[item->earliest].leads = i;
	}
}

void ioe__merge_form(struct ioe__merge_plan *plan, const struct ioe__merge_limits *limits)
{
	struct ioe__merge_limits effective = *limits;
	uint32_t n_ranks = 1;
	uint32_t from = 0;
	uint32_t n;

	if (effective.bytes_max > IOE__TRANSFER_MAX)
		effective.bytes_max = IOE__TRANSFER_MAX;
	if (effective.iov_max > IOV_COUNT_MAX)
		effective.iov_max = IOV_COUNT_MAX;
	if (plan->n_changes != 0 && plan->n > 1)
		n_ranks = ioe__merge_rank(plan);
	/* Alone, each event leaves at its own turn, and order is kept as it is. */
	if (plan->n_mergeable < 2 || effective.bytes_max < 2 || effective.events_max < 2 ||
	    effective.iov_max < 2)
		return;
	n = find_candidates(plan);
	if (n < 2)
		return;
	ioe__merge_sort(plan->keys, n, plan->scratch);
	if (!any_neighbours(plan, n))
		return;
	if (n_ranks == 1) {
		join(plan, &effective, 0, n);
	} else {
		plan->by_rank = true;
		sort_by_rank(plan, n, n_ranks);
		for (uint32_t r = 0; r < n_ranks; from = plan->counts[r++])
			join(plan, &effective, from, plan->counts[r]);
	}
	set_turns(plan, n);
}

bool ioe__merge_take(struct ioe__merge_plan *plan, struct ioe__merge_group *ret_group)
{
	while (plan->cursor < plan->n) {
		uint32_t turn = plan->cursor++;
		uint32_t i = plan->items[plan->by_rank ? plan->order[turn] : turn].leads;
		struct ioe__merge_item *first;

		if (i == NONE)
			continue;
		first = &plan->items[i];
		ret_group->first = first->event;
		ret_group->n_events = first->n_events;
		ret_group->n_buffers = first->n_buffers;
		ret_group->bytes = first->bytes;
		ret_group->contested = false;
		for (struct ioe__merge_item *item = first; item != NULL;) {
			struct ioe__merge_item *next =
				item->next != NONE ? &plan->items[item->next] : NULL;

			ret_group->contested |= item->contested;
			item->event->ioe__node.next = next != NULL ? &next->event->ioe__node : NULL;
			item->event = NULL; /* taken */
			item = next;
		}
		plan->n_left -= ret_group->n_events;
		return true;
	}
	return false;
}

struct ioe_event *ioe__merge_end(struct ioe__merge_plan *plan, struct ioe_event **ret_last)
{
	struct ioe_event *first = NULL;
	struct ioe_event *last = NULL;

	for (uint32_t i = 0; i < plan->n; i++) {
		struct ioe_event *event = plan->items[i].event;

		if (event == NULL)
			continue;
		event->ioe__node.next = NULL;
		if (first == NULL)
			first = event;
		else
			last->ioe__node.next = &event->ioe__node;
		last = event;
	}
	plan->n = 0;
	plan->n_left = 0;
	if (first != NULL)
		*ret_last = last;
	return first;
}
