/* SPDX-License-Identifier: MIT
 * options.h - options from one table: parsing, help, and the nearest name to a mistyped one.
 *
 * A command describes each of its options once, in a struct option_def; the values live in a
 * struct of the command's, every field of it a uint64_t, or a const char * for strings.
 * Invariants: a value that is stored has passed its type and range; sizes are bytes, times ns.
 * Threads:    any; the tables are const.
 * Ownership:  string values point into argv.
 */
#ifndef IOE_TOOLS_OPTIONS_H
#define IOE_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
	OPTION_SIZE,   /* units_parse_size() */
	OPTION_TIME,   /* units_parse_time(), bare numbers in .unit */
	OPTION_COUNT,  /* a plain number */
	OPTION_BOOL,   /* --name, --name=0, --name=1 */
	OPTION_CHOICE, /* one of .choices */
	OPTION_STRING,
};

struct option_choice {
	const char *name; /* NULL ends the list */
	uint64_t value;
	const char *help;
};

struct option_def {
	const char *name;  /* NULL ends the table */
	const char *alias; /* fio's other name for it, or NULL */
	enum option_type type;
	uint32_t scope;           /* bits of the command's own: what the option applies to */
	size_t offset;            /* of the field in the command's struct */
	uint64_t unit;            /* OPTION_TIME: ns of a bare number */
	const char *initial;      /* the default, as it would be typed; NULL: none, which is 0 */
	const char *initial_help; /* the default in words, where initial does not say it */
	uint64_t min;             /* OPTION_STRING: 1 where it must not be empty */
	uint64_t max;             /* 0: no limit */
	const struct option_choice *choices;
	const char *group; /* heading in the help; NULL: as the one before */
	const char *help;
};

struct option_table {
	const char *command; /* "ioe bench" */
	const char *summary; /* one line */
	const struct option_def *defs;
};

#define OPTIONS_MAX 64

/* Which options were given: bit i is defs[i], and what was typed for it. */
struct option_given {
	uint64_t bits;
	const char *text[OPTIONS_MAX];
};

/* Set every field to its default. */
void options_init(const struct option_table *table, void *values);

/* Read argv[1..argc) into values. Prints one line on stderr and returns -EINVAL when something is
 * wrong; what was printed names the option. */
int options_parse(const struct option_table *table, int argc, char **argv, void *values,
		  struct option_given *ret_given);

/* The index of an option by name or alias; -1: none. */
int options_find(const struct option_table *table, const char *name);

bool options_is_given(const struct option_table *table, const struct option_given *given,
		      const char *name);

/* An option that means nothing to the choice that was made is refused rather than ignored: each one
 * given must have a bit of scope. The choice was --name=value. */
int options_check_scope(const struct option_table *table, const struct option_given *given,
			uint32_t scope, const char *name, const char *value);

/* The name of a choice's value; "?" if there is none. */
const char *options_choice_name(const struct option_choice *choices, uint64_t value);

/* Every option on a line of its own; and all that is known of one option. */
void options_help(const struct option_table *table);
int options_help_one(const struct option_table *table, const char *name);

/* The name among names[0..n) that is nearest to text, or NULL if none is near. */
const char *options_nearest(const char *const names[], size_t n, const char *text);

#endif
