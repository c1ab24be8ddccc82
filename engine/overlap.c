/* SPDX-License-Identifier: MIT
 * overlap.c - watched and held events, and what hangs on what.
 * Invariants, Threads, Ownership: overlap.h. */
#include "engine/overlap.h"

#include "merge/merge.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 64u

/* Linked by ioe__again_next and _prev. */
struct list {
	struct ioe_event *first;
	struct ioe_event *last;
};

struct ioe__overlap_bucket {
	struct list watched[2]; /* [whether it changes its file] */
	struct list held[2];
};

_Static_assert(sizeof(struct ioe__overlap_bucket) == 64, "a bucket is a cache line");

int ioe__overlap_init(struct ioe__overlaps *overlaps, uint32_t n)
{
	uint32_t n_buckets = BUCKETS_MIN;

	while (n_buckets < n)
		n_buckets *= 2;
	*overlaps = (struct ioe__overlaps){ .n_buckets = n_buckets };
	overlaps->buckets = aligned_alloc(IOE__CACHE_LINE, n_buckets * sizeof(*overlaps->buckets));
	if (overlaps->buckets == NULL)
		return -ENOMEM;
	memset(overlaps->buckets, 0, n_buckets * sizeof(*overlaps->buckets));
	return 0;
}

void ioe__overlap_deinit(struct ioe__overlaps *overlaps)
{
	free(overlaps->buckets);
	*overlaps = (struct ioe__overlaps){ 0 };
}

/* ---- Where an event hangs ---- */

static void list_append(struct list *list, struct ioe_event *event)
{
	event->ioe__again_next = NULL;
	event->ioe__again_prev = list->last;
	if (list->last != NULL)
		list->last->ioe__again_next = event;
	else
		list->first = event;
	list->last = event;
}

static void list_remove(struct list *list, struct ioe_event *event)
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

/* c of (2^(c-1), 2^c]. */
static uint32_t class_of(uint64_t length)
{
	return length > 1 ? 64 - (uint32_t)__builtin_clzll(length - 1) : 0;
}

static struct ioe__overlap_bucket *bucket_of(const struct ioe__overlaps *overlaps,
					     const struct ioe_event *event, uint32_t class,
					     uint64_t granule)
{
	/* Odd constants: the upper bits of a product depend on all bits below them. */
	uint64_t hash = granule * UINT64_C(0x9e3779b97f4a7c15) + event->ioe__batch;

	hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93) +
	       ((uint64_t)(uint32_t)event->fd << 6 | class);
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return &overlaps->buckets[(hash >> 32) & (overlaps->n_buckets - 1)];
}

/* Where a watched or held event hangs, by its marks. */
struct place {
	uint64_t low;
	uint64_t high;
	uint32_t class;
	bool changes;
	struct list *list;
};

static struct place place_of(const struct ioe__overlaps *overlaps, const struct ioe_event *event)
{
	struct place place = { .changes = ioe__merge_changes(event) };
	struct ioe__overlap_bucket *bucket;

	ioe__assert(ioe__merge_range(event, &place.low, &place.high));
	place.class = class_of(place.high - place.low);
	bucket = bucket_of(overlaps, event, place.class, place.low >> place.class);
	place.list = (event->ioe__marks & IOE__MARK_HELD) != 0 ? &bucket->held[place.changes] :
								 &bucket->watched[place.changes];
	return place;
}

static void enter(struct ioe__overlaps *overlaps, struct ioe_event *event, uint8_t mark)
{
	struct place place;

	event->ioe__marks |= mark;
	place = place_of(overlaps, event);
	if (overlaps->n++ == 0) {
		overlaps->low = UINT64_MAX;
		overlaps->high = 0;
	}
	overlaps->low = place.low < overlaps->low ? place.low : overlaps->low;
	overlaps->high = place.high > overlaps->high ? place.high : overlaps->high;
	overlaps->n_changes += place.changes;
	overlaps->n_held += mark == IOE__MARK_HELD;
	overlaps->n_of_class[place.class]++;
	overlaps->classes |= UINT64_C(1) << place.class;
	list_append(place.list, event);
}

static void leave(struct ioe__overlaps *overlaps, struct ioe_event *event)
{
	const struct place place = place_of(overlaps, event);

	overlaps->n--;
	overlaps->n_changes -= place.changes;
	overlaps->n_held -= (event->ioe__marks & IOE__MARK_HELD) != 0;
	if (--overlaps->n_of_class[place.class] == 0)
		overlaps->classes &= ~(UINT64_C(1) << place.class);
	list_remove(place.list, event);
	event->ioe__marks &= (uint8_t) ~(IOE__MARK_WATCHED | IOE__MARK_HELD);
}

/* ---- What an event conflicts with ---- */

static void worked(struct ioe__overlaps *overlaps)
{
#ifdef IOE_VERIFY
	overlaps->work++;
#else
	(void)overlaps;
#endif
}

static bool conflicts(struct ioe__overlaps *overlaps, const struct ioe_event *a,
		      const struct ioe_event *b)
{
	worked(overlaps);
	return a != b && a->ioe__batch == b->ioe__batch && ioe__merge_conflict(a, b);
}

/* In a list of held events: one that was held before this event. If it is not held itself (yet),
 * that is any of them: the latest, which the others are likely to end before. If it is, those
 * before it are at the front. */
static struct ioe_event *find_held_before(struct ioe__overlaps *overlaps, const struct list *list,
					  const struct ioe_event *event)
{
	struct ioe_event *other;

	if ((event->ioe__marks & IOE__MARK_HELD) == 0) {
		for (other = list->last; other != NULL; other = other->ioe__again_prev)
			if (conflicts(overlaps, other, event))
				return other;
		return NULL;
	}
	for (other = list->first; other != NULL && other->ioe__turn < event->ioe__turn;
	     other = other->ioe__again_next)
		if (conflicts(overlaps, other, event))
			return other;
	return NULL;
}

static struct ioe_event *find_watched(struct ioe__overlaps *overlaps, const struct list *list,
				      const struct ioe_event *event)
{
	for (struct ioe_event *other = list->last; other != NULL; other = other->ioe__again_prev)
		if (conflicts(overlaps, other, event))
			return other;
	return NULL;
}

/* The better to hang on: the one held latest, before all that are only watched. */
static struct ioe_event *later(struct ioe_event *a, struct ioe_event *b)
{
	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	if ((a->ioe__marks & b->ioe__marks & IOE__MARK_HELD) != 0)
		return a->ioe__turn > b->ioe__turn ? a : b;
	return (a->ioe__marks & IOE__MARK_HELD) != 0 ? a : b;
}

static struct ioe_event *find_in_bucket(struct ioe__overlaps *overlaps,
					const struct ioe__overlap_bucket *bucket,
					const struct ioe_event *event)
{
	struct ioe_event *found = NULL;

	worked(overlaps);
	for (int changes = ioe__merge_changes(event) ? 0 : 1; changes < 2; changes++) {
		found = later(found, find_held_before(overlaps, &bucket->held[changes], event));
		if (found == NULL)
			found = find_watched(overlaps, &bucket->watched[changes], event);
	}
	return found;
}

static struct ioe_event *find_conflict(struct ioe__overlaps *overlaps,
				       const struct ioe_event *event, uint64_t low, uint64_t high)
{
	struct ioe_event *found = NULL;

	for (uint64_t classes = overlaps->classes; classes != 0; classes &= classes - 1) {
		const uint32_t class = (uint32_t)__builtin_ctzll(classes);
		const uint64_t last = (high - 1) >> class;
		uint64_t granule = low >> class;

		granule -= granule > 0;
		if (last - granule < overlaps->n_buckets) {
			for (; granule <= last; granule++)
				found = later(found, find_in_bucket(overlaps,
								    bucket_of(overlaps, event,
									      class, granule),
								    event));
			continue;
		}
		/* Far longer than they are: whatever there is. */
		for (uint32_t i = 0; i < overlaps->n_buckets; i++)
			found = later(found,
				      find_in_bucket(overlaps, &overlaps->buckets[i], event));
		break;
	}
	return found;
}

/* Hang the event on what it has to wait for. False: nothing. */
static bool hang(struct ioe__overlaps *overlaps, struct ioe_event *event)
{
	struct ioe_event *blocker;
	uint64_t low;
	uint64_t high;

	if (!ioe__merge_range(event, &low, &high) || low >= overlaps->high ||
	    high <= overlaps->low || (overlaps->n_changes == 0 && !ioe__merge_changes(event)))
		return false;
	blocker = find_conflict(overlaps, event, low, high);
	if (blocker == NULL)
		return false;
	event->ioe__next_waiter = blocker->ioe__waiters;
	blocker->ioe__waiters = event;
	return true;
}

/* ---- Watching and holding ---- */

void ioe__overlap_watch(struct ioe__overlaps *overlaps, struct ioe_event *event)
{
	uint64_t low;
	uint64_t high;

	/* What has no range conflicts with nothing. */
	if ((event->ioe__marks & IOE__MARK_WATCHED) == 0 && ioe__merge_range(event, &low, &high))
		enter(overlaps, event, IOE__MARK_WATCHED);
}

bool ioe__overlap_hold(struct ioe__overlaps *overlaps, struct ioe_event *event)
{
	if (overlaps->n == 0 || !hang(overlaps, event))
		return false;
	event->ioe__turn = overlaps->turn++;
	enter(overlaps, event, IOE__MARK_HELD);
	return true;
}

/* Those that hung on an event that has finished: let go, or hung on something else. */
static void release_waiters(struct ioe__overlaps *overlaps, struct ioe_event *event,
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

		if (!hang(overlaps, waiter)) {
			leave(overlaps, waiter);
			enter(overlaps, waiter, IOE__MARK_WATCHED);
			ioe__event_list_append(released, waiter);
		}
		waiter = next;
	}
}

void ioe__overlap_finish(struct ioe__overlaps *overlaps, struct ioe_event *event,
			 struct ioe__event_list *released)
{
	if ((event->ioe__marks & (IOE__MARK_WATCHED | IOE__MARK_HELD)) == 0)
		return;
	leave(overlaps, event);
	release_waiters(overlaps, event, released);
}

/* ---- The end ---- */

static void forget_waiters(const struct list *list)
{
	for (struct ioe_event *event = list->first; event != NULL; event = event->ioe__again_next)
		event->ioe__waiters = NULL;
}

void ioe__overlap_cut_loose(struct ioe__overlaps *overlaps)
{
	overlaps->cursor = 0;
	for (uint32_t i = 0; overlaps->n_held > 0 && i < overlaps->n_buckets; i++)
		for (uint32_t changes = 0; changes < 2; changes++) {
			forget_waiters(&overlaps->buckets[i].watched[changes]);
			forget_waiters(&overlaps->buckets[i].held[changes]);
		}
}

struct ioe_event *ioe__overlap_find_held(struct ioe__overlaps *overlaps)
{
	for (; overlaps->n_held > 0; overlaps->cursor++) {
		const struct ioe__overlap_bucket *bucket = &overlaps->buckets[overlaps->cursor];

		ioe__assert(overlaps->cursor < overlaps->n_buckets);
		for (uint32_t changes = 0; changes < 2; changes++)
			if (bucket->held[changes].first != NULL)
				return bucket->held[changes].first;
	}
	return NULL;
}
