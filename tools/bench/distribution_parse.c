/* SPDX-License-Identifier: MIT
 * distribution_parse.c - "zipf:1.2", "zoned:60/10:40/90": what fio's random_distribution takes.
 * Invariants: the result is not touched on failure; what fio refuses is refused.
 * Threads:    any.
 * Ownership:  reasons are constant text.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/distribution.h"
#include "tools/units.h"

#define TEXT_MAX 64

/* Kinds with a number. */
static const struct kind {
	const char *name;
	enum distribution_kind kind;
	double parameter; /* fio's, if none is given */
} kinds[] = {
	{ "random", DISTRIBUTION_RANDOM, 0 },   { "zipf", DISTRIBUTION_ZIPF, 1.1 },
	{ "pareto", DISTRIBUTION_PARETO, 0.2 }, { "normal", DISTRIBUTION_NORMAL, 0 },
	{ "zoned", DISTRIBUTION_ZONED, 0 },     { "zoned_abs", DISTRIBUTION_ZONED_ABS, 0 },
};

static const char *const bad_number = "a number is expected behind the colon";
static const char *const bad_zone = "zones are written as ACCESS%/SIZE:ACCESS%/SIZE:...";

static const struct kind *find_kind(const char *text, size_t length)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strlen(kinds[i].name) == length && !strncmp(kinds[i].name, text, length))
			return &kinds[i];
	return NULL;
}

/* ":NUMBER" at *text, which is moved behind it. */
static bool take_number(const char **text, double *ret_number)
{
	const char *start = *text + 1;
	char *end;

	/* strtod() would take blanks, "inf" and "nan", too */
	if (!*start || strspn(start, "+-.0123456789") == 0)
		return false;
	*ret_number = strtod(start, &end);
	if (end == start || (*end && *end != ':') || !isfinite(*ret_number))
		return false;
	*text = end;
	return true;
}

static const char *check_numbers(const struct distribution_spec *spec)
{
	double parameter = spec->parameter;

	if (spec->kind == DISTRIBUTION_ZIPF && parameter == 1)
		return "the theta of zipf must differ from 1.0";
	if (spec->kind == DISTRIBUTION_ZIPF && parameter < 0)
		return "the theta of zipf must not be below 0";
	if (spec->kind == DISTRIBUTION_PARETO && !(parameter > 0 && parameter < 1))
		return "the power of pareto must be between 0 and 1";
	if (spec->kind == DISTRIBUTION_NORMAL && !(parameter >= 0 && parameter < 100))
		return "the deviation of normal must be from 0 to below 100";
	return NULL;
}

static const char *parse_numbers(const char *text, struct distribution_spec *spec)
{
	if (*text && spec->kind == DISTRIBUTION_RANDOM)
		return "random takes no number";
	if (*text && !take_number(&text, &spec->parameter))
		return bad_number;
	if (*text) {
		if (!take_number(&text, &spec->center) || *text)
			return bad_number;
		if (!(spec->center >= 0 && spec->center <= 1))
			return "the center must be from 0 to 1";
	}
	return check_numbers(spec);
}

/* A percentage of at most 100. */
static bool parse_percent(const char *text, uint64_t *ret_percent)
{
	uint64_t percent;

	if (units_parse_count(text, &percent) || percent > 100)
		return false;
	*ret_percent = percent;
	return true;
}

/* "60/10", cut out of the list. is_open: no size was given. */
static const char *parse_zone(const char *text, size_t length, struct distribution_spec *spec,
			      bool *ret_is_open)
{
	char zone[TEXT_MAX], *slash;
	uint64_t percent, span = 0;

	if (length >= sizeof(zone))
		return bad_zone;
	memcpy(zone, text, length);
	zone[length] = '\0';
	slash = strchr(zone, '/');
	if (slash)
		*slash++ = '\0';
	if (!parse_percent(zone, &percent))
		return "the accesses of a zone are a whole number of per cent";
	*ret_is_open = !slash || !*slash;
	if (*ret_is_open && spec->kind == DISTRIBUTION_ZONED_ABS)
		return "a zone of zoned_abs needs a size";
	if (!*ret_is_open && spec->kind == DISTRIBUTION_ZONED && !parse_percent(slash, &span))
		return "the size of a zone is a whole number of per cent";
	if (!*ret_is_open && spec->kind == DISTRIBUTION_ZONED_ABS &&
	    (units_parse_size(slash, &span) || span > INT64_MAX / DISTRIBUTION_ZONES_MAX))
		return "the size of a zone is a size in bytes, such as 20g";
	if (!*ret_is_open && percent && !span)
		return "a zone that is accessed has no size";
	spec->zones[spec->n_zones].access_percent = (uint32_t)percent;
	spec->zones[spec->n_zones].span = span;
	spec->n_zones++;
	return NULL;
}

static const char *parse_zones(const char *text, struct distribution_spec *spec)
{
	bool is_open[DISTRIBUTION_ZONES_MAX];
	uint64_t accesses = 0, spans = 0;
	uint32_t n_open = 0, n_seen = 0;

	if (*text != ':')
		return bad_zone;
	while (*text) {
		size_t length = strcspn(++text, ":");
		const char *why;

		if (spec->n_zones == DISTRIBUTION_ZONES_MAX)
			return "there are more than 256 zones";
		why = parse_zone(text, length, spec, &is_open[spec->n_zones]);
		if (why)
			return why;
		accesses += spec->zones[spec->n_zones - 1].access_percent;
		spans += spec->zones[spec->n_zones - 1].span;
		n_open += is_open[spec->n_zones - 1];
		text += length;
	}
	if (accesses != 100)
		return "the accesses of the zones do not add up to 100 %";
	if (spec->kind == DISTRIBUTION_ZONED_ABS)
		return NULL;
	if (spans > 100 || (n_open && 100 - spans < n_open))
		return "the sizes of the zones are more than 100 %";
	/* zones without a size share what is left; rounding is spread over them */
	for (uint32_t i = 0; i < spec->n_zones; i++) {
		if (!is_open[i])
			continue;
		spec->zones[i].span =
			(100 - spans) * (n_seen + 1) / n_open - (100 - spans) * n_seen / n_open;
		n_seen++;
	}
	return NULL;
}

int distribution_parse(const char *text, struct distribution_spec *ret_spec, const char **ret_why)
{
	struct distribution_spec spec = { .center = -1 };
	size_t length = strcspn(text, ":");
	const struct kind *kind = find_kind(text, length);
	const char *why;

	if (kind) {
		spec.kind = kind->kind;
		spec.parameter = kind->parameter;
		if (kind->kind == DISTRIBUTION_ZONED || kind->kind == DISTRIBUTION_ZONED_ABS)
			why = parse_zones(text + length, &spec);
		else
			why = parse_numbers(text + length, &spec);
	} else {
		why = "it is one of random, zipf, pareto, normal, zoned, zoned_abs";
	}
	if (why) {
		if (ret_why)
			*ret_why = why;
		return -EINVAL;
	}
	*ret_spec = spec;
	return 0;
}
