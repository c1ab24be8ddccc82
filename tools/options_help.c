/* SPDX-License-Identifier: MIT
 * options_help.c - what --help and --cmdhelp print, from the table of options.
 * Invariants: nothing is said here that is not in the table.
 * Threads:    any; the tables are const.
 * Ownership:  none.
 */
#include "tools/options.h"

#include <stdio.h>
#include <string.h>

#include "tools/sys.h"

/* "--rw=read|write|..." as far as it is short enough. */
static void format_usage(const struct option_def *def, char *text, size_t size)
{
	static const char *const kinds[] = {
		[OPTION_SIZE] = "=SIZE", [OPTION_TIME] = "=TIME",     [OPTION_COUNT] = "=N",
		[OPTION_BOOL] = "",      [OPTION_CHOICE] = "=CHOICE", [OPTION_STRING] = "=TEXT",
	};

	snprintf(text, size, "--%s%s", def->name, kinds[def->type]);
}

static const char *default_of(const struct option_def *def)
{
	return def->initial_help ? def->initial_help : def->initial;
}

void options_help(const struct option_table *table)
{
	printf("%s - %s\n", table->command, table->summary);
	for (const struct option_def *def = table->defs; def->name; def++) {
		char usage[64];

		if (def->group)
			printf("\n%s\n", def->group);
		format_usage(def, usage, sizeof(usage));
		printf("  %-31s %s", usage, def->help);
		if (def->type == OPTION_CHOICE) {
			printf(":");
			for (const struct option_choice *c = def->choices; c->name; c++)
				printf("%s%s", c == def->choices ? " " : "|", c->name);
		}
		if (default_of(def) &&
		    (def->type != OPTION_BOOL || strcmp(default_of(def), "0") != 0))
			printf(" (%s)", default_of(def));
		printf("\n");
	}
	printf("\nSIZE is bytes, with k m g t p (1024-based); TIME has d h m s ms us behind it.\n"
	       "In ( ) is the default. %s --cmdhelp=NAME says more of one option.\n",
	       table->command);
}

static void print_range(const struct option_def *def)
{
	uint64_t unit = def->type == OPTION_TIME && def->unit ? def->unit : 1;

	if (def->type == OPTION_STRING || (!def->min && !def->max))
		return;
	printf("%20s: %llu", "range", (unsigned long long)(def->min / unit));
	if (def->max)
		printf(" to %llu\n", (unsigned long long)(def->max / unit));
	else
		printf(" and more\n");
}

int options_help_one(const struct option_table *table, const char *name)
{
	static const char *const kinds[] = {
		[OPTION_SIZE] = "size in bytes (k m g t p, 1024-based; 0x)",
		[OPTION_TIME] = "time (d h m s ms us)",
		[OPTION_COUNT] = "number",
		[OPTION_BOOL] = "boolean (bare, 0 or 1)",
		[OPTION_CHOICE] = "one of",
		[OPTION_STRING] = "text",
	};
	int found = options_find(table, name);
	const struct option_def *def;

	if (found < 0)
		return -ENOENT;
	def = &table->defs[found];
	printf("%20s: %s\n", def->name, def->help);
	printf("%20s: %s\n", "type", kinds[def->type]);
	for (const struct option_choice *c = def->choices; c && c->name; c++)
		printf("%20s: %-14s %s\n", "", c->name, c->help);
	if (def->alias)
		printf("%20s: %s\n", "alias", def->alias);
	if (def->type == OPTION_TIME && def->unit)
		printf("%20s: a bare number is in %s\n", "unit",
		       def->unit == NS_PER_SECOND ? "seconds" : "microseconds");
	printf("%20s: %s\n", "default", default_of(def) ? default_of(def) : "none");
	print_range(def);
	return 0;
}
