/* SPDX-License-Identifier: MIT
 * sort.c - the sort of a batch: glibc's qsort() may allocate.
 *
 * Invariants: no recursion; runs double from SORT_RUN keys to n, so that there are at most
 *             log2(n) rounds.
 * Threads:    none of its own.
 * Ownership:  works in the caller's arrays. */
#include "merge/plan.h"

#define SORT_RUN 8 /* keys that are sorted by insertion */

static void sort_by_insertion(struct ioe__merge_key *keys, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		struct ioe__merge_key key = keys[i];
		uint32_t k = i;

		for (; k > 0 && ioe__merge_key_less(&key, &keys[k - 1]); k--)
			keys[k] = keys[k - 1];
		keys[k] = key;
	}
}

/* Merge keys[0..n_left) and keys[n_left..n), each sorted. */
static void merge_runs(struct ioe__merge_key *keys, uint32_t n_left, uint32_t n,
		       struct ioe__merge_key *scratch)
{
	uint32_t left = 0;
	uint32_t right = n_left;

	if (!ioe__merge_key_less(&keys[n_left], &keys[n_left - 1]))
		return; /* in order as they stand: this makes sequential batches cheap */
	ioe__merge_worked(2 * (uint64_t)n_left); /* there, and back at the most */
	for (uint32_t i = 0; i < n_left; i++)
		scratch[i] = keys[i];
	/* out = left + right - n_left <= right: nothing is overwritten before it has been read. */
	for (uint32_t out = 0; left < n_left && right < n; out++) {
		bool from_right = ioe__merge_key_less(&keys[right], &scratch[left]);

		keys[out] = from_right ? keys[right] : scratch[left];
		right += from_right;
		left += !from_right;
	}
	for (; left < n_left; left++)
		keys[left + right - n_left] = scratch[left];
}

void ioe__merge_sort(struct ioe__merge_key *keys, uint32_t n, struct ioe__merge_key *scratch)
{
	for (uint32_t i = 0; i < n; i += SORT_RUN)
		sort_by_insertion(keys + i, n - i < SORT_RUN ? n - i : SORT_RUN);
	for (uint32_t run = SORT_RUN; run < n; run *= 2)
		for (uint32_t i = 0; n - i > run; i += 2 * run) {
			merge_runs(keys + i, run, n - i < 2 * run ? n - i : 2 * run, scratch);
			if (n - i <= 2 * run)
				break;
		}
}
