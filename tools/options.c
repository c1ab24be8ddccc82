/* SPDX-License-Identifier: MIT
 * options.c - options from one table: parsing and defaults; help and man page are in files of their
 * own.
 * Invariants: a field is written only with a value that has passed its type and range.
 * Threads:    any; the tables are const.
 * Ownership:  string values point into the text that was parsed.
 */
#include "tools/options.h"

#include <stdio.h>
#include <string.h>

#include "tools/sys.h"
#include "tools/units.h"

const struct option_def *option_at(const struct option_table *table, int i)
{
	for (const struct option_def *const *part = table->parts; *part; part++) {
		for (const struct option_def *def = *part; def->name; def++) {
			if (!i--)
				return def;
		}
	}
	return NULL;
}

int options_find(const struct option_table *table, const char *name)
{
	const struct option_def *def;

	for (int i = 0; (def = option_at(table, i)); i++) {
		if (!strcmp(def->name, name) || (def->alias && !strcmp(def->alias, name)))
			return i;
	}
	return -1;
}

bool option_is_bare(const struct option_def *def)
{
	return def->type == OPTION_BOOL || def->bare;
}

bool options_is_given(const struct option_table *table, const struct option_given *given,
		      const char *name)
{
	int i = options_find(table, name);

	return i >= 0 && option_given_at(given, i);
}

void option_source_print(FILE *out, const struct option_source *source)
{
	fprintf(out, "%s: ", source->command);
	if (source->where)
		fprintf(out, "%s: ", source->where);
	if (source->job)
		fprintf(out, "[%s] ", source->job);
}

int options_refuse(const struct option_source *source, const char *name, const char *text,
		   const char *why)
{
	option_source_print(stderr, source);
	fprintf(stderr, "%s%s%s%s: %s\n", source->where ? "" : "--", name, text ? "=" : "",
		text ? text : "", why);
	return -EINVAL;
}

int options_check_scope(const struct option_table *table, const struct option_given *given,
			uint32_t scope, const char *name, const char *value,
			const struct option_source *source)
{
	const struct option_def *def;

	for (int i = 0; (def = option_at(table, i)); i++) {
		struct option_source at = *source;

		if (!option_given_at(given, i) || def->scope & scope)
			continue;
		if (given->where[i])
			at.where = given->where[i];
		option_source_print(stderr, &at);
		fprintf(stderr, "%s--%s means nothing to --%s=%s\n",
			option_inherited_at(given, i) ? "note: " : "", def->name, name, value);
		/* What was said of all jobs may be meant for others. */
		if (!option_inherited_at(given, i))
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

int options_parse_choice(const struct option_choice *choices, const char *text, uint64_t *ret_value,
			 char why[OPTION_WHY_MAX])
{
	const char *names[OPTIONS_MAX];
	const char *nearest;
	size_t n = 0, length = 0;

	for (; n < OPTIONS_MAX && choices[n].name; n++) {
		if (!strcmp(choices[n].name, text)) {
			*ret_value = choices[n].value;
			return 0;
		}
		names[n] = choices[n].name;
	}
	nearest = options_nearest(names, n, text);
	if (nearest)
		snprintf(why, OPTION_WHY_MAX, "did you mean '%s'? it can be", nearest);
	else
		snprintf(why, OPTION_WHY_MAX, "it can be");
	for (size_t i = 0; i < n; i++) {
		length = strlen(why);
		snprintf(why + length, OPTION_WHY_MAX - length, "%s %s", i ? "," : "", names[i]);
	}
	return -EINVAL;
}

static int refuse_range(const struct option_def *def, char why[OPTION_WHY_MAX])
{
	/* Times are shown in the unit of bare numbers. */
	uint64_t unit = def->type == OPTION_TIME && def->unit ? def->unit : 1;

	if (def->max)
		snprintf(why, OPTION_WHY_MAX, "out of range, which is %llu to %llu",
			 (unsigned long long)(def->min / unit),
			 (unsigned long long)(def->max / unit));
	else
		snprintf(why, OPTION_WHY_MAX, "must be at least %llu",
			 (unsigned long long)(def->min / unit));
	return -EINVAL;
}

static int parse_bool(const char *text, uint64_t *ret_value)
{
	if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
		return -EINVAL;
	*ret_value = text[0] == '1';
	return 0;
}

static int parse_number(const struct option_def *def, const char *text, uint64_t *ret_value,
			char why[OPTION_WHY_MAX])
{
	static const char *const wanted[] = {
		[OPTION_SIZE] = "not a size: a number, with k, m, g, t or p behind it",
		[OPTION_AMOUNT] = "not a size: a number, with k, m, g, t, p or % behind it",
		[OPTION_TIME] = "not a time: a number, with d, h, m, s, ms or us behind it",
		[OPTION_COUNT] = "not a number",
		[OPTION_PERCENT] = "not a percentage",
		[OPTION_BOOL] = "must be 0 or 1",
	};
	uint64_t value = 0;
	int rc = -EINVAL;

	switch (def->type) {
	case OPTION_SIZE:
	case OPTION_AMOUNT:
		rc = units_parse_size(text, &value);
		break;
	case OPTION_TIME:
		rc = units_parse_time(text, def->unit, &value);
		break;
	case OPTION_COUNT:
		rc = units_parse_count(text, &value);
		break;
	case OPTION_PERCENT:
		rc = units_parse_percent(text, &value);
		break;
	case OPTION_BOOL:
		rc = parse_bool(text, &value);
		break;
	case OPTION_CHOICE:
	case OPTION_STRING:
	case OPTION_VALUE:
		break;
	}
	if (rc) {
		snprintf(why, OPTION_WHY_MAX, "%s",
			 rc == -ERANGE ? "too large" : wanted[def->type]);
		return rc;
	}
	if (value < def->min || (def->max && value > def->max))
		return refuse_range(def, why);
	*ret_value = value;
	return 0;
}

/* Bytes, then per cent: the other one is 0. */
static int parse_amount(const struct option_def *def, const char *text, uint64_t ret_values[2],
			char why[OPTION_WHY_MAX])
{
	uint64_t percent;

	if (strchr(text, '%')) {
		if (units_parse_percent(text, &percent) || percent > 100 ||
		    (def->min && !percent)) {
			snprintf(why, OPTION_WHY_MAX, "not a percentage");
			return -EINVAL;
		}
		ret_values[0] = 0;
		ret_values[1] = percent;
		return 0;
	}
	ret_values[1] = 0;
	return parse_number(def, text, &ret_values[0], why);
}

static int set_field(const struct option_def *def, const char *text, void *values,
		     char why[OPTION_WHY_MAX])
{
	void *field = (char *)values + def->offset;
	uint64_t numbers[2];
	size_t n = 1;
	int rc;

	switch (def->type) {
	case OPTION_VALUE:
		return def->parse(def, text, values, why);
	case OPTION_STRING:
		if (!*text && def->min) {
			snprintf(why, OPTION_WHY_MAX, "is empty");
			return -EINVAL;
		}
		memcpy(field, &text, sizeof(text));
		return 0;
	case OPTION_CHOICE:
		rc = options_parse_choice(def->choices, text, &numbers[0], why);
		break;
	case OPTION_AMOUNT:
		n = 2;
		rc = parse_amount(def, text, numbers, why);
		break;
	default:
		rc = parse_number(def, text, &numbers[0], why);
		break;
	}
	if (!rc)
		memcpy(field, numbers, n * sizeof(numbers[0]));
	return rc;
}

void options_init(const struct option_table *table, void *values)
{
	const struct option_def *def;
	char why[OPTION_WHY_MAX];

	for (int i = 0; (def = option_at(table, i)); i++) {
		void *field = (char *)values + def->offset;

		if (def->initial)
			(void)set_field(def, def->initial, values, why);
		else if (def->type == OPTION_STRING)
			memset(field, 0, sizeof(const char *));
		else if (def->type == OPTION_AMOUNT)
			memset(field, 0, 2 * sizeof(uint64_t));
		else if (def->type != OPTION_VALUE)
			memset(field, 0, sizeof(uint64_t));
	}
}

int options_refuse_unknown(const struct option_table *const tables[], size_t n,
			   const struct option_source *source, const char *name)
{
	const char *names[4 * OPTIONS_MAX + 2] = { "help", "cmdhelp" };
	const struct option_def *def;
	const char *dashes = source->where ? "" : "--";
	const char *nearest;
	size_t n_names = 2;

	for (size_t t = 0; t < n; t++) {
		for (int i = 0; (def = option_at(tables[t], i)); i++) {
			if (n_names + 2 > sizeof(names) / sizeof(names[0]))
				break;
			names[n_names++] = def->name;
			if (def->alias)
				names[n_names++] = def->alias;
		}
	}
	nearest = options_nearest(names, n_names, name);
	option_source_print(stderr, source);
	fprintf(stderr, "unknown option %s%s", dashes, name);
	if (nearest)
		fprintf(stderr, "; did you mean %s%s?\n", dashes, nearest);
	else
		fprintf(stderr, "; %s --help lists them\n", source->command);
	return -EINVAL;
}

bool options_split(const char *argument, char ret_name[OPTION_NAME_MAX], const char **ret_text)
{
	const char *equals = strchr(argument, '=');
	size_t length;

	/* One dash will do for a name, as for fio's getopt_long_only(); -h and - are no names. */
	if (argument[0] != '-' || !argument[1] || !argument[2])
		return false;
	argument += argument[1] == '-' ? 2 : 1;
	length = equals ? (size_t)(equals - argument) : strlen(argument);
	if (length >= OPTION_NAME_MAX)
		length = OPTION_NAME_MAX - 1;
	memcpy(ret_name, argument, length);
	ret_name[length] = '\0';
	*ret_text = equals ? equals + 1 : NULL;
	return true;
}

int options_set(const struct option_table *table, const struct option_source *source, int i,
		const char *text, void *values, struct option_given *given)
{
	const struct option_def *def = option_at(table, i);
	char why[OPTION_WHY_MAX];

	if (!text && option_is_bare(def))
		text = def->bare ? def->bare : "1";
	if (!text) {
		option_source_print(stderr, source);
		fprintf(stderr, "%s%s needs a value\n", source->where ? "" : "--", def->name);
		return -EINVAL;
	}
	if (set_field(def, text, values, why))
		return options_refuse(source, def->name, text, why);
	given->bits[i / 64] |= 1ull << (i % 64);
	given->inherited[i / 64] &= ~(1ull << (i % 64));
	given->text[i] = text;
	given->where[i] = source->where;
	return 0;
}

int options_parse(const struct option_table *table, int argc, char **argv, void *values,
		  struct option_given *ret_given)
{
	const struct option_source source = { .command = table->command };

	memset(ret_given, 0, sizeof(*ret_given));
	for (int i = 1; i < argc; i++) {
		char name[OPTION_NAME_MAX];
		const char *text;
		int found, rc;

		if (!options_split(argv[i], name, &text)) {
			fprintf(stderr, "%s: '%s': options are --name=value\n", table->command,
				argv[i]);
			return -EINVAL;
		}
		found = options_find(table, name);
		if (found < 0)
			return options_refuse_unknown(&table, 1, &source, name);
		/* fio, by getopt_long(), takes "--name value" too */
		if (!text && !option_is_bare(option_at(table, found)) && i + 1 < argc &&
		    strncmp(argv[i + 1], "--", 2) != 0)
			text = argv[++i];
		rc = options_set(table, &source, found, text, values, ret_given);
		if (rc)
			return rc;
	}
	return 0;
}
