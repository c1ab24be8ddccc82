/* SPDX-License-Identifier: MIT
 * options_nearest.c - the name that was meant by a mistyped one.
 * Invariants: a name is near only if fewer than about a third of its letters are wrong.
 * Threads:    any.
 * Ownership:  none.
 */
#include <string.h>

#include "tools/options.h"

/* Longer texts are nobody's typing error. */
#define NEAREST_LENGTH_MAX 40

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that make b of a. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t rows[3][NEAREST_LENGTH_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];
	size_t length_a = strlen(a), length_b = strlen(b);

	if (length_a > NEAREST_LENGTH_MAX || length_b > NEAREST_LENGTH_MAX)
		return NEAREST_LENGTH_MAX;
	memset(rows, 0, sizeof(rows));
	for (size_t j = 0; j <= length_b; j++)
		last[j] = j;
	for (size_t i = 1; i <= length_a; i++) {
		size_t *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= length_b; j++) {
			size_t replaced = last[j - 1] + (a[i - 1] != b[j - 1]);

			now[j] = min_size(replaced, min_size(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = min_size(now[j], before[j - 2] + 1);
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[length_b];
}

const char *options_nearest(const char *const names[], size_t n, const char *text)
{
	const char *nearest = NULL;
	size_t length = strlen(text);
	size_t best = length < 4 ? 2 : length / 3 + 2;

	for (size_t i = 0; i < n; i++) {
		size_t distance = edit_distance(text, names[i]);

		/* The beginning of a name is near it, however much of it is missing. */
		if (length >= 3 && !strncmp(names[i], text, length))
			distance = min_size(distance, 1);
		if (distance < best) {
			best = distance;
			nearest = names[i];
		}
	}
	return nearest;
}
