/* SPDX-License-Identifier: MIT
 * options.h - options from one table: parsing, help, man page, and the nearest name to a typo.
 *
 * A command describes each of its options once, in a struct option_def; the values live in a
 * struct of the command's. A field is a uint64_t, a const char * for strings, two uint64_t (bytes
 * and per cent, one of them 0) for amounts, and what its parse() writes for values.
 * Invariants: a value that is stored has passed its type and range; sizes are bytes, times ns.
 * Threads:    any; the tables are const.
 * Ownership:  string values point into the text that was parsed, which must stay.
 */
#ifndef IOE_TOOLS_OPTIONS_H
#define IOE_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_type {
	OPTION_SIZE,    /* units_parse_size() */
	OPTION_AMOUNT,  /* a size, or per cent of something: "50%" */
	OPTION_TIME,    /* units_parse_time(), bare numbers in .unit */
	OPTION_COUNT,   /* a number, with k, m ... behind it */
	OPTION_PERCENT, /* a number, with % behind it or not */
	OPTION_BOOL,    /* --name, --name=0, --name=1 */
	OPTION_CHOICE,  /* one of .choices */
	OPTION_STRING,
	OPTION_VALUE, /* what .parse makes of it */
};

struct option_choice {
	const char *name; /* NULL ends the list */
	uint64_t value;
	const char *help; /* NULL: another name of a choice before it */
};

#define OPTION_WHY_MAX 512

struct option_def;

/* Write the fields that text stands for. Returns 0, or -EINVAL with why as it is shown behind the
 * option; the fields may have been changed then. */
typedef int (*option_parse_fn)(const struct option_def *def, const char *text, void *values,
			       char why[OPTION_WHY_MAX]);

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
	option_parse_fn parse; /* OPTION_VALUE */
	const char *form;      /* what it looks like: "SIZE[,SIZE]"; NULL: follows from type */
	const char *bare;      /* what --name alone means; NULL: it needs a value */
	const char *group;     /* heading in the help; NULL: as the one before */
	const char *help;
	const char *more; /* for the man page, behind help; or NULL */
};

struct option_table {
	const char *command; /* "ioe bench" */
	const char *summary; /* one line */
	/* Lists of rows, NULL behind the last: one after the other they are the table. */
	const struct option_def *const *parts;
};

#define OPTIONS_MAX 256

/* Which options were given, and what was typed for each; i is the index of options_find(). */
struct option_given {
	uint64_t bits[OPTIONS_MAX / 64];
	uint64_t inherited[OPTIONS_MAX / 64]; /* those of bits that came from [global] */
	const char *text[OPTIONS_MAX];
	const char *where[OPTIONS_MAX]; /* "job.fio:12"; NULL: on the command line */
};

static inline bool option_given_at(const struct option_given *given, int i)
{
	return given->bits[i / 64] >> (i % 64) & 1;
}

static inline bool option_inherited_at(const struct option_given *given, int i)
{
	return given->inherited[i / 64] >> (i % 64) & 1;
}

/* Where an option stood, for messages. */
struct option_source {
	const char *command; /* "ioe bench" */
	const char *where;   /* "job.fio:12"; NULL: on the command line */
	const char *job;     /* name of the job it is of; NULL: of none */
};

/* Row i of the table, or NULL behind the last. */
const struct option_def *option_at(const struct option_table *table, int i);

/* Set every field to its default. */
void options_init(const struct option_table *table, void *values);

/* Read argv[1..argc) into values. Prints one line on stderr and returns -EINVAL when something is
 * wrong; what was printed names the option. */
int options_parse(const struct option_table *table, int argc, char **argv, void *values,
		  struct option_given *ret_given);

/* Set option i from text; NULL: it stood there without a value. Errors as options_parse(). */
int options_set(const struct option_table *table, const struct option_source *source, int i,
		const char *text, void *values, struct option_given *given);

#define OPTION_NAME_MAX 64

/* What argv[i] is: "--name=value", or with one dash, is copied into ret_name and *ret_text is set
 * to its value, NULL without. Returns false if it is no option. */
bool options_split(const char *argument, char ret_name[OPTION_NAME_MAX], const char **ret_text);

/* May an option stand without a value? */
bool option_is_bare(const struct option_def *def);

/* The index of an option by name or alias; -1: none. */
int options_find(const struct option_table *table, const char *name);

/* Say that there is no such option, and the nearest there is in any of the tables. -EINVAL. */
int options_refuse_unknown(const struct option_table *const tables[], size_t n,
			   const struct option_source *source, const char *name);

bool options_is_given(const struct option_table *table, const struct option_given *given,
		      const char *name);

/* Say why an option cannot be. -EINVAL. */
int options_refuse(const struct option_source *source, const char *name, const char *text,
		   const char *why);

/* The beginning of a line on stderr: "ioe bench: job.fio:12: [name] ". */
void option_source_print(FILE *out, const struct option_source *source);

/* An option that means nothing to the choice that was made is refused rather than ignored: each one
 * given must have a bit of scope. The choice was --name=value, of the job that source says. */
int options_check_scope(const struct option_table *table, const struct option_given *given,
			uint32_t scope, const char *name, const char *value,
			const struct option_source *source);

/* The name of a choice's value; "?" if there is none. */
const char *options_choice_name(const struct option_choice *choices, uint64_t value);

/* The value of a choice's name; -EINVAL with why: did you mean ..., it can be ... */
int options_parse_choice(const struct option_choice *choices, const char *text, uint64_t *ret_value,
			 char why[OPTION_WHY_MAX]);

/* --help or -h, wherever it stands. */
bool options_ask_for_help(int argc, char **argv);

/* Every option on a line of its own; and all that is known of one option. */
void options_help(const struct option_table *table);
void options_help_list(const struct option_table *table);
int options_help_one(const struct option_table *table, const char *name);

/* The list of options of a man page, in mdoc(7). */
void options_man(const struct option_table *table);

/* The name among names[0..n) that is nearest to text, or NULL if none is near. */
const char *options_nearest(const char *const names[], size_t n, const char *text);

#endif
