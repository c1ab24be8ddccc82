/* SPDX-License-Identifier: MIT
 * options.c - options from one table: parsing and defaults; the help is in options_help.c.
 * Invariants: a field is written only with a value that has passed its type and range.
 * Threads:    any; the tables are const.
 * Ownership:  string values point into argv.
 */
#include "tools/options.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tools/sys.h"
#include "tools/units.h"

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

int options_find(const struct option_table *table, const char *name)
{
	for (int i = 0; table->defs[i].name; i++) {
		const struct option_def *def = &table->defs[i];

		if (!strcmp(def->name, name) || (def->alias && !strcmp(def->alias, name)))
			return i;
	}
	return -1;
}

bool options_is_given(const struct option_table *table, const struct option_given *given,
		      const char *name)
{
	int i = options_find(table, name);

	return i >= 0 && (given->bits >> i & 1);
}

int options_check_scope(const struct option_table *table, const struct option_given *given,
			uint32_t scope, const char *name, const char *value)
{
	for (int i = 0; table->defs[i].name; i++) {
		if (!(given->bits >> i & 1) || table->defs[i].scope & scope)
			continue;
		fprintf(stderr, "%s: --%s means nothing to --%s=%s\n", table->command,
			table->defs[i].name, name, value);
		return -EINVAL;
	}
	return 0;
}

const char *options_choice_name(const struct option_choice *choices, uint64_t value)
{
	for (; choices->name; choices++) {
		if (choices->value == value)
			return choices->name;
	}
	return "?";
}

static int refuse_choice(const struct option_table *table, const struct option_def *def,
			 const char *text)
{
	const char *names[OPTIONS_MAX] = { NULL };
	const char *nearest;
	size_t n = 0;

	for (; n < OPTIONS_MAX && def->choices[n].name; n++)
		names[n] = def->choices[n].name;
	nearest = options_nearest(names, n, text);
	fprintf(stderr, "%s: --%s=%s: ", table->command, def->name, text);
	if (nearest)
		fprintf(stderr, "did you mean '%s'? ", nearest);
	fprintf(stderr, "it can be");
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "%s %s", i ? "," : "", names[i]);
	fprintf(stderr, "\n");
	return -EINVAL;
}

static int refuse(const struct option_table *table, const struct option_def *def, const char *text,
		  const char *why)
{
	fprintf(stderr, "%s: --%s=%s: %s\n", table->command, def->name, text, why);
	return -EINVAL;
}

static int refuse_range(const struct option_table *table, const struct option_def *def,
			const char *text)
{
	char why[128];

	/* Times are shown in the unit of bare numbers. */
	uint64_t unit = def->type == OPTION_TIME && def->unit ? def->unit : 1;

	if (def->max)
		snprintf(why, sizeof(why), "out of range, which is %llu to %llu",
			 (unsigned long long)(def->min / unit),
			 (unsigned long long)(def->max / unit));
	else
		snprintf(why, sizeof(why), "must be at least %llu",
			 (unsigned long long)(def->min / unit));
	return refuse(table, def, text, why);
}

static int parse_bool(const char *text, uint64_t *ret_value)
{
	if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
		return -EINVAL;
	*ret_value = text[0] == '1';
	return 0;
}

static int parse_number(const struct option_table *table, const struct option_def *def,
			const char *text, uint64_t *ret_value)
{
	static const char *const wanted[] = {
		[OPTION_SIZE] = "not a size: a number, with k, m, g, t or p behind it",
		[OPTION_TIME] = "not a time: a number, with d, h, m, s, ms or us behind it",
		[OPTION_COUNT] = "not a number",
		[OPTION_BOOL] = "must be 0 or 1",
	};
	uint64_t value = 0;
	int rc = -EINVAL;

	switch (def->type) {
	case OPTION_SIZE:
		rc = units_parse_size(text, &value);
		break;
	case OPTION_TIME:
		rc = units_parse_time(text, def->unit, &value);
		break;
	case OPTION_COUNT:
		rc = units_parse_count(text, &value);
		break;
	case OPTION_BOOL:
		rc = parse_bool(text, &value);
		break;
	case OPTION_CHOICE:
	case OPTION_STRING:
		break;
	}
	if (rc == -ERANGE)
		return refuse(table, def, text, "too large");
	if (rc)
		return refuse(table, def, text, wanted[def->type]);
	if (value < def->min || (def->max && value > def->max))
		return refuse_range(table, def, text);
	*ret_value = value;
	return 0;
}

static int set_option(const struct option_table *table, const struct option_def *def,
		      const char *text, void *values)
{
	void *field = (char *)values + def->offset;
	uint64_t value = 0;
	int rc;

	if (def->type == OPTION_STRING) {
		if (!*text && def->min)
			return refuse(table, def, text, "is empty");
		memcpy(field, &text, sizeof(text));
		return 0;
	}
	if (def->type == OPTION_CHOICE) {
		const struct option_choice *choice = def->choices;

		while (choice->name && strcmp(choice->name, text) != 0)
			choice++;
		if (!choice->name)
			return refuse_choice(table, def, text);
		value = choice->value;
	} else {
		rc = parse_number(table, def, text, &value);
		if (rc)
			return rc;
	}
	memcpy(field, &value, sizeof(value));
	return 0;
}

void options_init(const struct option_table *table, void *values)
{
	for (const struct option_def *def = table->defs; def->name; def++) {
		const char *none = NULL;
		uint64_t zero = 0;

		if (def->initial)
			(void)set_option(table, def, def->initial, values);
		else if (def->type == OPTION_STRING)
			memcpy((char *)values + def->offset, &none, sizeof(none));
		else
			memcpy((char *)values + def->offset, &zero, sizeof(zero));
	}
}

static int refuse_unknown(const struct option_table *table, const char *name)
{
	const char *names[2 * OPTIONS_MAX + 2] = { "help", "cmdhelp" };
	const char *nearest;
	size_t n = 2;

	for (const struct option_def *def = table->defs; def->name; def++) {
		names[n++] = def->name;
		if (def->alias)
			names[n++] = def->alias;
	}
	nearest = options_nearest(names, n, name);
	fprintf(stderr, "%s: unknown option --%s", table->command, name);
	if (nearest)
		fprintf(stderr, "; did you mean --%s?\n", nearest);
	else
		fprintf(stderr, "; %s --help lists them\n", table->command);
	return -EINVAL;
}

int options_parse(const struct option_table *table, int argc, char **argv, void *values,
		  struct option_given *ret_given)
{
	ret_given->bits = 0;
	for (int i = 1; i < argc; i++) {
		const char *text = strchr(argv[i], '=');
		char name[64];
		size_t length;
		int found, rc;

		if (strncmp(argv[i], "--", 2) != 0 || !argv[i][2]) {
			fprintf(stderr, "%s: '%s': options are --name=value\n", table->command,
				argv[i]);
			return -EINVAL;
		}
		length = text ? (size_t)(text - argv[i]) - 2 : strlen(argv[i]) - 2;
		snprintf(name, sizeof(name), "%.*s", (int)min_size(length, sizeof(name) - 1),
			 argv[i] + 2);
		found = options_find(table, name);
		if (found < 0)
			return refuse_unknown(table, name);
		if (text) {
			text++;
		} else if (table->defs[found].type == OPTION_BOOL) {
			text = "1";
		} else if (i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0) {
			text = argv[++i]; /* fio, by getopt_long(), takes "--name value" too */
		} else {
			fprintf(stderr, "%s: --%s needs a value\n", table->command, name);
			return -EINVAL;
		}
		rc = set_option(table, &table->defs[found], text, values);
		if (rc)
			return rc;
		ret_given->bits |= 1ull << found;
		ret_given->text[found] = text;
	}
	return 0;
}
