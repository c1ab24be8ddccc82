/* SPDX-License-Identifier: MIT
 * options_man.c - a man page's list of options, in mdoc(7), from the table of options.
 * Invariants: nothing is said here that is not in the table; every sentence begins a line.
 * Threads:    any; the tables are const.
 * Ownership:  none.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tools/options.h"
#include "tools/options_text.h"

#define COLUMNS_MAX 76

/* A word as mdoc takes it. */
static void put_word(const char *word, size_t length, bool begins_line)
{
	if (begins_line && (*word == '.' || *word == '\''))
		fputs("\\&", stdout);
	for (size_t i = 0; i < length; i++) {
		if (word[i] == '\\')
			fputs("\\e", stdout);
		else if (word[i] == '"')
			fputs("\\(dq", stdout);
		else
			putchar(word[i]);
	}
}

static size_t count_of(const char *text, size_t length, char letter)
{
	size_t n = 0;

	for (size_t i = 0; i < length; i++)
		n += text[i] == letter;
	return n;
}

void options_man_text(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t length = strcspn(text, " ");
		size_t width = length + 3 * count_of(text, length, '"');
		bool ends_sentence = length && strchr(".?", text[length - 1]);

		if (column && column + 1 + width > COLUMNS_MAX) {
			putchar('\n');
			column = 0;
		} else if (column) {
			putchar(' ');
			column++;
		}
		put_word(text, length, !column);
		column += width;
		text += length;
		text += strspn(text, " ");
		if (ends_sentence && *text) {
			putchar('\n');
			column = 0;
		}
	}
	putchar('\n');
}

/* The help of the table is half a sentence: a capital, and a stop. */
static void put_sentence(const char *help)
{
	char text[512];

	snprintf(text, sizeof(text), "%s%s", help, strchr(".?", help[strlen(help) - 1]) ? "" : ".");
	text[0] = (char)toupper((unsigned char)text[0]);
	options_man_text(text);
}

static void put_choices(const struct option_choice *choices)
{
	printf(".Bl -tag -width randwrite -compact\n");
	for (const struct option_choice *c = choices; c->name; c++) {
		if (c->help) {
			printf(".It Cm %s\n", c->name);
			options_man_text(c->help);
			continue;
		}
		for (const struct option_choice *same = choices; same < c; same++) {
			if (same->value == c->value && same->help) {
				printf(".It Cm %s\nThe same as\n.Cm %s .\n", c->name, same->name);
				break;
			}
		}
	}
	printf(".El\n");
}

/* "Default: 1; range: 1 to 64; a bare number is in seconds." */
static void put_facts(const struct option_def *def)
{
	const char *initial = option_default(def);
	char text[512], range[OPTION_RANGE_MAX];

	snprintf(text, sizeof(text), "Default: %s", initial ? initial : "none");
	if (option_range(def, range))
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "; range: %s", range);
	if (option_unit(def))
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "; a bare number is in %s", option_unit(def));
	if (def->bare && *def->bare)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "; without a value: %s",
			 def->bare);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), ".");
	printf(".Pp\n");
	options_man_text(text);
}

static void put_option(const struct option_def *def)
{
	const char *form = option_form(def);
	const char *value = *form ? " Ns = Ns Ar " : "";

	printf(".It Fl -%s%s%s", def->name, value, form);
	if (def->alias)
		printf(" , Fl -%s%s%s", def->alias, value, form);
	putchar('\n');
	put_sentence(def->help);
	if (def->more)
		options_man_text(def->more);
	if (def->choices)
		put_choices(def->choices);
	put_facts(def);
}

void options_man(const struct option_table *table)
{
	const struct option_def *def;

	for (int i = 0; (def = option_at(table, i)); i++) {
		if (def->group)
			printf("%s.Ss %s\n.Bl -tag -width Ds\n", i ? ".El\n" : "", def->group);
		put_option(def);
	}
	printf(".El\n");
}
