/* SPDX-License-Identifier: MIT
 * rank.c - ranks, which keep overlapping events in order (law 6).
 *
 * Invariants: as in plan.h. README.md has the rule and its proof.
 * Threads:    none of its own.
 * Ownership:  works in the memory of the plan.
 *
 * A filter of a few bits an event picks the suspects: events that may overlap another. They are
 * swept in the order of (fd, offset) for conflicts; most batches have none, and that is all. Else
 * each cluster of overlapping events with a conflict in it is cut at the ends
 * of its events into stretches, numbered along the file, and its events are gone through in the
 * order of their arrival: an event's rank is the highest noted so far on its stretches plus one
 * (noted by any event if it changes the file, else by those that do), and is then noted on them.
 * Both take O(log n) in a tree over the stretches. */
#include "merge/plan.h"

#include <string.h>

#define RANK_WANTED UINT32_MAX /* an item in a cluster with a conflict, until it has its rank */

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Where an item stands in the filter. Files are cut into granules, not shorter than the longest
 * range of the batch: a range touches one or two of them, and two ranges that overlap touch one
 * in common. Sample: of ranges up to 4096 bytes, [6000, 10000) touches granules 1 and 2. */
static void granules_of(const struct ioe__merge_item *item, int granule_shift, int hash_shift,
			uint64_t ret_places[2])
{
	const uint64_t fd = (uint32_t)item->event->fd;

	ret_places[0] = ioe__merge_hash(fd, item->start >> granule_shift) >> hash_shift;
	ret_places[1] = ioe__merge_hash(fd, (item->end - 1) >> granule_shift) >> hash_shift;
}

static bool filter_has(const uint64_t *filter, uint64_t bit)
{
	return (filter[bit / 64] >> bit % 64 & 1) != 0;
}

static void filter_add(uint64_t *filter, uint64_t bit)
{
	filter[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* All items that share a granule with another, in the order of (fd, offset), as plan->points: those
 * that overlap another are among them. Of others, some 1 of 8. */
static uint32_t find_suspects(struct ioe__merge_plan *plan)
{
	const uint64_t bits = ioe__merge_filter_bits(plan->n);
	const int hash_shift = 64 - __builtin_ctzll(bits);
	const int granule_shift =
		plan->length_max > 1 ? 64 - __builtin_clzll(plan->length_max - 1) : 0;
	uint64_t *once = plan->filter;
	uint64_t *twice = plan->filter + bits / 64;
	uint64_t places[2];
	uint32_t n = 0;

	ioe__merge_worked(bits / 64 + 2 * (uint64_t)plan->n);
	memset(plan->filter, 0, bits / 64 * 2 * sizeof(uint64_t));
	for (uint32_t i = 0; i < plan->n; i++) {
		if (!plan->items[i].has_range)
			continue;
		granules_of(&plan->items[i], granule_shift, hash_shift, places);
		for (uint32_t k = 0; k < (places[0] == places[1] ? 1 : 2); k++)
			filter_add(filter_has(once, places[k]) ? twice : once, places[k]);
	}
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct ioe__merge_item *item = &plan->items[i];

		if (!item->has_range)
			continue;
		granules_of(item, granule_shift, hash_shift, places);
		if (filter_has(twice, places[0]) || filter_has(twice, places[1]))
			plan->points[n++] =
				ioe__merge_key(item->event->fd, 0, item->start, i, false);
	}
	ioe__merge_sort(plan->points, n, plan->scratch);
	return n;
}

/* Go through points[from..n) to the end of the cluster that begins there: events of one fd, each of
 * which overlaps one before it. A conflict is then an event that changes the file and begins
 * before the highest end so far, or any that begins before the highest end of a change so far. */
static uint32_t cluster_end(const struct ioe__merge_plan *plan, uint32_t from, uint32_t n,
			    bool *ret_conflict)
{
	uint64_t end_of_all = 0;
	uint64_t end_of_changes = 0;
	bool conflict = false;
	uint32_t k = from;

	for (; k < n; k++) {
		const struct ioe__merge_item *item =
			&plan->items[ioe__merge_key_index(&plan->points[k])];

		ioe__merge_worked(1);
		if (k > from && (item->start >= end_of_all ||
				 plan->points[k].hi >> 33 != plan->points[from].hi >> 33))
			break;
		conflict |= item->start < (item->changes ? end_of_all : end_of_changes);
		end_of_all = max_u64(end_of_all, item->end);
		if (item->changes)
			end_of_changes = max_u64(end_of_changes, item->end);
	}
	*ret_conflict = conflict;
	return k;
}

/* Mark the items of clusters with a conflict, and keep only them, in order, in points[0..m). */
static uint32_t find_conflicts(struct ioe__merge_plan *plan)
{
	uint32_t n = find_suspects(plan);
	uint32_t m = 0;
	uint32_t end;
	bool conflict;

	for (uint32_t k = 0; k < n; k = end) {
		end = cluster_end(plan, k, n, &conflict);
		for (uint32_t i = k; conflict && i < end; i++) {
			struct ioe__merge_item *item =
				&plan->items[ioe__merge_key_index(&plan->points[i])];

			item->rank = RANK_WANTED;
			item->contested = true;
			plan->points[m++] = plan->points[i];
		}
	}
	return m;
}

/* Number the stretches between the ends of the m items in points: item i covers the stretches
 * [links[2i], links[2i + 1]). Returns how many there are. Sample: events of bytes [0, 8), [4, 12),
 * [8, 16) have the points 0 4 8 12 16 and the stretches [0, 2), [1, 3), [2, 4). */
static uint32_t number_stretches(struct ioe__merge_plan *plan, uint32_t m)
{
	struct ioe__merge_key *points = plan->points;
	uint32_t number = 0;
	uint32_t i;

	ioe__merge_worked(3 * (uint64_t)m);
	for (uint32_t k = 0; k < m; k++) {
		i = ioe__merge_key_index(&points[k]);

		points[m + k] =
			ioe__merge_key(plan->items[i].event->fd, 0, plan->items[i].end, i, true);
	}
	ioe__merge_sort(points, 2 * m, plan->scratch);
	for (uint32_t k = 0; k < 2 * m; k++) {
		if (k > 0 && !ioe__merge_key_same_place(&points[k], &points[k - 1]))
			number++;
		i = ioe__merge_key_index(&points[k]);
		plan->links[2 * (size_t)i + (points[k].lo & 1)] = number;
	}
	return number + 1;
}

/* The tree: nodes [1, 2n), leaf s at n + s, the parent of k is k / 2. A range of leaves is made of
 * O(log n) nodes, found from both ends upwards, and every ancestor of one of these is an ancestor
 * of the first or of the last leaf. n need not be a power of two. */

/* The highest rank noted on any of the stretches [from, to). */
static uint32_t tree_highest(const struct ioe__merge_node *tree, uint32_t n, uint32_t from,
			     uint32_t to, bool of_changes)
{
	uint32_t highest = 0;
	uint32_t left = n + from;
	uint32_t right = n + to;

	for (uint32_t k = left; k >= 1; k /= 2) {
		ioe__merge_worked(1);
		highest = max_u32(highest, tree[k].whole[of_changes]);
	}
	for (uint32_t k = right - 1; k >= 1; k /= 2) {
		ioe__merge_worked(1);
		highest = max_u32(highest, tree[k].whole[of_changes]);
	}
	for (; left < right; left /= 2, right /= 2) {
		ioe__merge_worked(1);
		if (left % 2 == 1)
			highest = max_u32(highest, tree[left++].any[of_changes]);
		if (right % 2 == 1)
			highest = max_u32(highest, tree[--right].any[of_changes]);
	}
	return highest;
}

static void node_note(struct ioe__merge_node *node, uint32_t rank, bool changes)
{
	for (uint32_t c = 0; c < 1 + (uint32_t)changes; c++) {
		node->whole[c] = max_u32(node->whole[c], rank);
		node->any[c] = max_u32(node->any[c], rank);
	}
}

/* Note a rank on the stretches [from, to). */
static void tree_note(struct ioe__merge_node *tree, uint32_t n, uint32_t from, uint32_t to,
		      uint32_t rank, bool changes)
{
	uint32_t left = n + from;
	uint32_t right = n + to;

	for (uint32_t c = 0; c < 1 + (uint32_t)changes; c++) {
		for (uint32_t k = left; k >= 1; k /= 2) {
			ioe__merge_worked(1);
			tree[k].any[c] = max_u32(tree[k].any[c], rank);
		}
		for (uint32_t k = right - 1; k >= 1; k /= 2) {
			ioe__merge_worked(1);
			tree[k].any[c] = max_u32(tree[k].any[c], rank);
		}
	}
	for (; left < right; left /= 2, right /= 2) {
		ioe__merge_worked(1);
		if (left % 2 == 1)
			node_note(&tree[left++], rank, changes);
		if (right % 2 == 1)
			node_note(&tree[--right], rank, changes);
	}
}

uint32_t ioe__merge_rank(struct ioe__merge_plan *plan)
{
	uint32_t m = find_conflicts(plan);
	uint32_t n_ranks = 1;
	uint32_t n;

	if (m == 0)
		return 1;
	n = number_stretches(plan, m);
	ioe__merge_worked(plan->n + 2 * (uint64_t)n);
	memset(plan->tree, 0, 2 * (size_t)n * sizeof(plan->tree[0]));
	for (uint32_t i = 0; i < plan->n; i++) {
		struct ioe__merge_item *item = &plan->items[i];
		const uint32_t *stretch = &plan->links[2 * (size_t)i];

		if (item->rank != RANK_WANTED)
			continue;
		item->rank = tree_highest(plan->tree, n, stretch[0], stretch[1], !item->changes);
		tree_note(plan->tree, n, stretch[0], stretch[1], item->rank + 1, item->changes);
		n_ranks = max_u32(n_ranks, item->rank + 1);
	}
	return n_ranks;
}
