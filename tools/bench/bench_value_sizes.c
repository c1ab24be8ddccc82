/* SPDX-License-Identifier: MIT
 * bench_value_sizes.c - values of `ioe bench` that are said of reads and of writes apart.
 *
 * "A,B" is A for reads and B for writes, "A" is for both, ",B" leaves reads as they are. fio has a
 * third one for trims, which is checked and dropped: there are no trims here.
 * Invariants: a list that is wrong anywhere changes nothing.
 * Threads:    any.
 * Ownership:  none.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/bench/bench_table.h"
#include "tools/units.h"

#define LISTS_MAX 3 /* read, write, trim */

/* Copies of the texts between the commas; NULL: not there, or empty. */
struct lists {
	char text[2048];
	char *of[LISTS_MAX];
	int n; /* how many there were, of[0] at least */
};

__attribute__((format(printf, 2, 3))) static int refuse(char why[OPTION_WHY_MAX],
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, OPTION_WHY_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

static int split_lists(const char *text, struct lists *ret_lists, char why[OPTION_WHY_MAX])
{
	struct lists *lists = ret_lists;
	bool any = false;
	char *at;

	memset(lists, 0, sizeof(*lists));
	if (snprintf(lists->text, sizeof(lists->text), "%s", text) >= (int)sizeof(lists->text))
		return refuse(why, "too long");
	for (at = lists->text; at; lists->n++) {
		char *comma = strchr(at, ',');

		if (lists->n == LISTS_MAX)
			return refuse(why, "more than three values: for reads, writes and trims");
		if (comma)
			*comma++ = '\0';
		lists->of[lists->n] = *at ? at : NULL;
		any = any || *at;
		at = comma;
	}
	return any ? 0 : refuse(why, "is empty");
}

/* The text for a direction: the last one given goes on for those behind it. */
static const char *list_of(const struct lists *lists, int direction)
{
	return direction < lists->n ? lists->of[direction] : lists->of[lists->n - 1];
}

typedef int (*parse_number_fn)(const char *text, uint64_t *ret_number);

static int parse_one(const struct option_def *def, parse_number_fn parse, const char *kind,
		     const char *text, uint64_t *ret_number, char why[OPTION_WHY_MAX])
{
	int rc = parse(text, ret_number);

	if (rc == -ERANGE)
		return refuse(why, "too large");
	if (rc)
		return refuse(why, "'%s' is not a %s", text, kind);
	if (*ret_number < def->min || (def->max && *ret_number > def->max))
		return def->max ?
			       refuse(why, "out of range, which is %llu to %llu",
				      (unsigned long long)def->min, (unsigned long long)def->max) :
			       refuse(why, "must be at least %llu", (unsigned long long)def->min);
	return 0;
}

static int parse_numbers(const struct option_def *def, parse_number_fn parse, const char *kind,
			 const char *text, void *values, char why[OPTION_WHY_MAX])
{
	uint64_t *fields = (uint64_t *)(void *)((char *)values + def->offset);
	uint64_t numbers[BENCH_DIRECTIONS] = { fields[0], fields[1] }, dropped;
	struct lists lists;
	int rc = split_lists(text, &lists, why);

	for (int i = 0; !rc && i < LISTS_MAX; i++) {
		const char *one = list_of(&lists, i);

		if (one)
			rc = parse_one(def, parse, kind, one,
				       i < BENCH_DIRECTIONS ? &numbers[i] : &dropped, why);
	}
	if (!rc)
		memcpy(fields, numbers, sizeof(numbers));
	return rc;
}

int bench_parse_sizes(const struct option_def *def, const char *text, void *values,
		      char why[OPTION_WHY_MAX])
{
	return parse_numbers(def, units_parse_size, "size", text, values, why);
}

int bench_parse_counts(const struct option_def *def, const char *text, void *values,
		       char why[OPTION_WHY_MAX])
{
	return parse_numbers(def, units_parse_count, "number", text, values, why);
}

/* What every IO of a direction has, where nothing else was said of it. */
static void load_sizes(const struct bench_options *options,
		       struct bench_sizes ret_sizes[BENCH_DIRECTIONS])
{
	memcpy(ret_sizes, options->sizes, sizeof(options->sizes));
	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		if (!ret_sizes[d].max_bytes)
			ret_sizes[d].min_bytes = ret_sizes[d].max_bytes = options->bs_bytes;
	}
}

/* bs_bytes is the largest; sizes are 0 where all IOs have it. */
static void store_sizes(struct bench_options *options,
			const struct bench_sizes sizes[BENCH_DIRECTIONS])
{
	bool is_uniform = true;

	options->bs_bytes = 0;
	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		if (sizes[d].max_bytes > options->bs_bytes)
			options->bs_bytes = sizes[d].max_bytes;
	}
	for (int d = 0; d < BENCH_DIRECTIONS; d++)
		is_uniform = is_uniform && sizes[d].min_bytes == options->bs_bytes;
	if (is_uniform)
		memset(options->sizes, 0, sizeof(options->sizes));
	else
		memcpy(options->sizes, sizes, sizeof(options->sizes));
}

/* As with fio, bsrange and bssplit win, whether they stand before it or behind. */
int bench_parse_bs(const struct option_def *def, const char *text, void *values,
		   char why[OPTION_WHY_MAX])
{
	struct bench_options *options = values;
	struct bench_sizes sizes[BENCH_DIRECTIONS];
	struct lists lists;
	int rc = split_lists(text, &lists, why);

	load_sizes(options, sizes);
	for (int i = 0; !rc && i < LISTS_MAX; i++) {
		const char *one = list_of(&lists, i);
		uint64_t bytes;

		if (!one)
			continue;
		rc = parse_one(def, units_parse_size,
			       "size: a number, with k, m, g, t or p "
			       "behind it",
			       one, &bytes, why);
		if (!rc && i < BENCH_DIRECTIONS && sizes[i].min_bytes == sizes[i].max_bytes)
			sizes[i].min_bytes = sizes[i].max_bytes = bytes;
	}
	if (!rc)
		store_sizes(options, sizes);
	return rc;
}

/* "1k-4k" or "1k:4k" */
static int parse_range(const struct option_def *def, char *text, struct bench_sizes *ret_sizes,
		       char why[OPTION_WHY_MAX])
{
	char *upper = strpbrk(text, "-:");
	struct bench_sizes sizes = { .n_splits = 0 };
	int rc;

	if (!upper)
		return refuse(why, "'%s' is not a range, SIZE-SIZE", text);
	*upper++ = '\0';
	rc = parse_one(def, units_parse_size, "size", text, &sizes.min_bytes, why);
	if (!rc)
		rc = parse_one(def, units_parse_size, "size", upper, &sizes.max_bytes, why);
	upper[-1] = '-'; /* the text may be that of the next direction, too */
	if (rc)
		return rc;
	if (sizes.min_bytes > sizes.max_bytes) {
		uint64_t swapped = sizes.min_bytes;

		sizes.min_bytes = sizes.max_bytes;
		sizes.max_bytes = swapped;
	}
	*ret_sizes = sizes;
	return 0;
}

/* What has no per cent (UINT64_MAX) shares what is left of 100, the first ones with the rest. */
static int complete_splits(struct bench_sizes *sizes, char why[OPTION_WHY_MAX])
{
	uint64_t sum = 0, n_open = 0, left;

	for (uint64_t i = 0; i < sizes->n_splits; i++) {
		if (sizes->splits[i].percent == UINT64_MAX)
			n_open++;
		else
			sum += sizes->splits[i].percent;
	}
	if (sum > 100 || (sum < 100 && !n_open))
		return refuse(why, "the percentages add up to %llu, not to 100",
			      (unsigned long long)sum);
	left = 100 - sum;
	for (uint64_t i = 0; i < sizes->n_splits; i++) {
		if (sizes->splits[i].percent != UINT64_MAX)
			continue;
		sizes->splits[i].percent = (left + n_open - 1) / n_open;
		left -= sizes->splits[i].percent;
		n_open--;
	}
	return 0;
}

/* "4k/10:64k/50:32k/40" */
static int parse_split(const struct option_def *def, char *text, struct bench_sizes *ret_sizes,
		       char why[OPTION_WHY_MAX])
{
	struct bench_sizes sizes = { .min_bytes = UINT64_MAX };
	char *next, *at;

	for (at = text; at; at = next) {
		uint64_t bytes, percent = UINT64_MAX;
		char *slash;
		int rc;

		next = strchr(at, ':');
		if (next)
			*next++ = '\0';
		slash = strchr(at, '/');
		if (slash)
			*slash++ = '\0';
		if (sizes.n_splits == BENCH_SPLITS_MAX)
			return refuse(why, "more than %u sizes", BENCH_SPLITS_MAX);
		rc = parse_one(def, units_parse_size, "size", at, &bytes, why);
		if (rc)
			return rc;
		if (slash && *slash && (units_parse_percent(slash, &percent) || percent > 100))
			return refuse(why, "'%s' is not a percentage", slash);
		/* Both are in the copy, which the next direction may read again. */
		if (slash)
			slash[-1] = '/';
		if (next)
			next[-1] = ':';
		sizes.splits[sizes.n_splits].bytes = bytes;
		sizes.splits[sizes.n_splits++].percent = percent;
		if (percent && bytes < sizes.min_bytes)
			sizes.min_bytes = bytes;
		if (percent && bytes > sizes.max_bytes)
			sizes.max_bytes = bytes;
	}
	if (complete_splits(&sizes, why))
		return -EINVAL;
	*ret_sizes = sizes;
	return 0;
}

typedef int (*parse_sizes_fn)(const struct option_def *def, char *text,
			      struct bench_sizes *ret_sizes, char why[OPTION_WHY_MAX]);

static int parse_size_lists(const struct option_def *def, const char *text, parse_sizes_fn parse,
			    struct bench_options *options, char why[OPTION_WHY_MAX])
{
	struct bench_sizes sizes[BENCH_DIRECTIONS], dropped;
	struct lists lists;
	int rc = split_lists(text, &lists, why);

	load_sizes(options, sizes);
	for (int i = 0; !rc && i < LISTS_MAX; i++) {
		int at = i < lists.n ? i : lists.n - 1;

		if (lists.of[at])
			rc = parse(def, lists.of[at], i < BENCH_DIRECTIONS ? &sizes[i] : &dropped,
				   why);
	}
	if (!rc)
		store_sizes(options, sizes);
	return rc;
}

int bench_parse_bsrange(const struct option_def *def, const char *text, void *values,
			char why[OPTION_WHY_MAX])
{
	char with_commas[2048];
	int rc;

	/* fio takes 1k-4k/8k-32k for two ranges, too */
	if (snprintf(with_commas, sizeof(with_commas), "%s", text) >= (int)sizeof(with_commas))
		return refuse(why, "too long");
	for (char *slash = with_commas; (slash = strchr(slash, '/'));)
		*slash = ',';
	rc = parse_size_lists(def, with_commas, parse_range, values, why);
	return rc;
}

int bench_parse_bssplit(const struct option_def *def, const char *text, void *values,
			char why[OPTION_WHY_MAX])
{
	return parse_size_lists(def, text, parse_split, values, why);
}

/* Zones may differ between reads and writes. */
int bench_parse_distribution(const struct option_def *def, const char *text, void *values,
			     char why[OPTION_WHY_MAX])
{
	struct bench_options *options = values;
	struct distribution_spec specs[BENCH_DIRECTIONS], dropped;
	char prefixed[2048];
	struct lists lists;
	const char *reason = "";
	int rc = split_lists(text, &lists, why);

	(void)def;
	if (rc)
		return rc;
	memcpy(specs, options->random_distribution, sizeof(specs));
	for (int i = 0; i < LISTS_MAX; i++) {
		const char *one = list_of(&lists, i);

		if (!one)
			continue;
		/* "zoned:50/5:50/95,30/15:70/85": the kind is said once */
		if (i && strncmp(text, "zoned", 5) == 0 && strncmp(one, "zoned", 5) != 0) {
			snprintf(prefixed, sizeof(prefixed), "%.*s:%s", (int)strcspn(text, ":"),
				 text, one);
			one = prefixed;
		}
		if (distribution_parse(one, i < BENCH_DIRECTIONS ? &specs[i] : &dropped, &reason))
			return refuse(why, "%s", reason);
	}
	memcpy(options->random_distribution, specs, sizeof(specs));
	return 0;
}
