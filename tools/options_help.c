/* SPDX-License-Identifier: MIT
 * options_help.c - what --help and --cmdhelp print, from the table of options.
 * Invariants: nothing is said here that is not in the table.
 * Threads:    any; the tables are const.
 * Ownership:  none.
 */
#include <stdio.h>
#include <string.h>

#include "tools/options.h"
#include "tools/options_text.h"
#include "tools/sys.h"

const char *option_form(const struct option_def *def)
{
	static const char *const forms[] = {
		[OPTION_SIZE] = "SIZE",     [OPTION_AMOUNT] = "SIZE|N%", [OPTION_TIME] = "TIME",
		[OPTION_COUNT] = "N",       [OPTION_PERCENT] = "N",      [OPTION_BOOL] = "",
		[OPTION_CHOICE] = "CHOICE", [OPTION_STRING] = "TEXT",    [OPTION_VALUE] = "VALUE",
	};

	return def->form ? def->form : forms[def->type];
}

const char *option_default(const struct option_def *def)
{
	return def->initial_help ? def->initial_help : def->initial;
}

const char *option_unit(const struct option_def *def)
{
	if (def->type != OPTION_TIME && !(def->type == OPTION_VALUE && def->unit))
		return NULL;
	return def->unit == NS_PER_SECOND ? "seconds" :
	       def->unit == NS_PER_MSEC   ? "milliseconds" :
					    "microseconds";
}

bool option_range(const struct option_def *def, char text[OPTION_RANGE_MAX])
{
	uint64_t unit = def->type == OPTION_TIME && def->unit ? def->unit : 1;

	if (def->type == OPTION_STRING || (!def->min && !def->max))
		return false;
	if (def->max)
		snprintf(text, OPTION_RANGE_MAX, "%llu to %llu",
			 (unsigned long long)(def->min / unit),
			 (unsigned long long)(def->max / unit));
	else
		snprintf(text, OPTION_RANGE_MAX, "%llu and more",
			 (unsigned long long)(def->min / unit));
	return true;
}

void options_help_list(const struct option_table *table)
{
	const struct option_def *def;

	for (int i = 0; (def = option_at(table, i)); i++) {
		const char *form = option_form(def);
		char usage[OPTION_NAME_MAX + 64];

		if (def->group)
			printf("\n%s\n", def->group);
		snprintf(usage, sizeof(usage), "--%s%s%s", def->name, *form ? "=" : "", form);
		printf("  %-31s %s", usage, def->help);
		if (def->choices) {
			printf(":");
			for (const struct option_choice *c = def->choices; c->name; c++) {
				if (c->help)
					printf("%s%s", c == def->choices ? " " : "|", c->name);
			}
		}
		if (option_default(def) &&
		    (def->type != OPTION_BOOL || strcmp(option_default(def), "0") != 0))
			printf(" (%s)", option_default(def));
		printf("\n");
	}
}

bool options_ask_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	}
	return false;
}

void options_help(const struct option_table *table)
{
	printf("%s - %s\n", table->command, table->summary);
	options_help_list(table);
	printf("\nSIZE is bytes, with k m g t p (1024-based); TIME has d h m s ms us behind it.\n"
	       "In ( ) is the default.\n");
}

int options_help_one(const struct option_table *table, const char *name)
{
	static const char *const kinds[] = {
		[OPTION_SIZE] = "size in bytes (k m g t p, 1024-based; 0x)",
		[OPTION_AMOUNT] = "size in bytes (k m g t p, 1024-based; 0x), or per cent (50%)",
		[OPTION_TIME] = "time (d h m s ms us)",
		[OPTION_COUNT] = "number (k m g t p, 1024-based; 0x)",
		[OPTION_PERCENT] = "per cent",
		[OPTION_BOOL] = "boolean (bare, 0 or 1)",
		[OPTION_CHOICE] = "one of",
		[OPTION_STRING] = "text",
	};
	int found = options_find(table, name);
	const struct option_def *def;
	char range[OPTION_RANGE_MAX];

	if (found < 0)
		return -ENOENT;
	def = option_at(table, found);
	printf("%20s: %s\n", def->name, def->help);
	printf("%20s: %s\n", "type",
	       def->type == OPTION_VALUE ? option_form(def) : kinds[def->type]);
	for (const struct option_choice *c = def->choices; c && c->name; c++) {
		if (c->help)
			printf("%20s: %-14s %s\n", "", c->name, c->help);
	}
	if (def->alias)
		printf("%20s: %s\n", "alias", def->alias);
	if (option_unit(def))
		printf("%20s: a bare number is in %s\n", "unit", option_unit(def));
	printf("%20s: %s\n", "default", option_default(def) ? option_default(def) : "none");
	if (option_range(def, range))
		printf("%20s: %s\n", "range", range);
	if (def->more)
		printf("%20s: %s\n", "more", def->more);
	return 0;
}
