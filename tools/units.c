/* SPDX-License-Identifier: MIT
 * units.c - numbers with units, read and written by fio's conventions.
 * Invariants: a parser leaves its output alone when it fails; no sign is ever accepted, so a
 *             negative value cannot wrap into a huge one.
 * Threads:    any; nothing is shared.
 * Ownership:  text is written into the caller's buffer.
 */
#include "tools/units.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/sys.h"

struct suffix {
	const char *name;
	double factor;
};

/* The digits at the front of text, with a fraction where the caller allows one. */
static int parse_number(const char *text, int with_fraction, double *ret_fraction,
			uint64_t *ret_whole, const char **ret_end)
{
	char *end;
	int base = 10;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		base = 16;
	if (!isdigit((unsigned char)text[0]) || (base == 16 && !isxdigit((unsigned char)text[2])))
		return -EINVAL;
	*ret_whole = strtoull(text, &end, base);
	/* What does not fit is ULLONG_MAX, a value that nobody needs. */
	if (*ret_whole == ULLONG_MAX)
		return -ERANGE;
	*ret_fraction = 0;
	if (with_fraction && base == 10 && *end == '.') {
		if (!isdigit((unsigned char)end[1]))
			return -EINVAL;
		*ret_fraction = strtod(end, &end);
	}
	*ret_end = end;
	return 0;
}

static const struct suffix *find_suffix(const struct suffix *table, const char *name)
{
	for (; table->name; table++) {
		if (!strcasecmp(table->name, name))
			return table;
	}
	return NULL;
}

/* whole * factor + fraction * factor, refused where it does not fit 64 bits. */
static int scale(uint64_t whole, double fraction, double factor, uint64_t *ret_value)
{
	uint64_t factor_whole = (uint64_t)factor;
	uint64_t value;

	if (__builtin_mul_overflow(whole, factor_whole, &value) ||
	    __builtin_add_overflow(value, (uint64_t)(fraction * factor), &value))
		return -ERANGE;
	*ret_value = value;
	return 0;
}

/* "k" "KB" "kib" ... behind a number: its factor; nothing and "b": 1. */
static int parse_factor(const char *text, double *ret_factor)
{
	static const char letters[] = "kmgtp";
	const char *letter;

	*ret_factor = 1;
	if (!*text || !strcasecmp(text, "b"))
		return 0;
	letter = strchr(letters, tolower((unsigned char)*text));
	if (!letter ||
	    (text[1] && strcasecmp(text + 1, "b") != 0 && strcasecmp(text + 1, "ib") != 0))
		return -EINVAL;
	*ret_factor = ldexp(1, 10 * (int)(letter - letters + 1));
	return 0;
}

int units_parse_size(const char *text, uint64_t *ret_bytes)
{
	const char *end;
	double fraction, factor;
	uint64_t whole;
	int rc = parse_number(text, 1, &fraction, &whole, &end);

	if (!rc)
		rc = parse_factor(end, &factor);
	return rc ? rc : scale(whole, fraction, factor, ret_bytes);
}

int units_parse_time(const char *text, uint64_t unit_ns, uint64_t *ret_ns)
{
	static const struct suffix suffixes[] = {
		{ "d", 86400e9 }, { "h", 3600e9 }, { "m", 60e9 }, { "s", 1e9 },
		{ "ms", 1e6 },    { "us", 1e3 },   { "ns", 1 },   { "sec", 1e9 },
		{ "msec", 1e6 },  { "usec", 1e3 }, { NULL, 0 },
	};
	const struct suffix *suffix;
	const char *end;
	double fraction;
	uint64_t whole;
	int rc = parse_number(text, 1, &fraction, &whole, &end);

	if (rc)
		return rc;
	if (!*end)
		return scale(whole, fraction, (double)unit_ns, ret_ns);
	suffix = find_suffix(suffixes, end);
	return suffix ? scale(whole, fraction, suffix->factor, ret_ns) : -EINVAL;
}

int units_parse_count(const char *text, uint64_t *ret_count)
{
	const char *end;
	double fraction, factor;
	uint64_t whole;
	int rc = parse_number(text, 0, &fraction, &whole, &end);

	if (!rc)
		rc = parse_factor(end, &factor);
	return rc ? rc : scale(whole, 0, factor, ret_count);
}

int units_parse_percent(const char *text, uint64_t *ret_percent)
{
	const char *end;
	double fraction;
	uint64_t whole;
	int rc = parse_number(text, 0, &fraction, &whole, &end);

	if (!rc && *end && strcmp(end, "%") != 0)
		rc = -EINVAL;
	if (!rc)
		*ret_percent = whole;
	return rc;
}

const char *units_format(double number, enum units_base base, char text[UNITS_TEXT_MAX])
{
	static const char *const names[2][7] = {
		[UNITS_THOUSAND] = { "", "k", "M", "G", "T", "P", "E" },
		[UNITS_1024] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" },
	};
	const double step = base == UNITS_1024 ? 1024 : 1000;
	int power = 0, digits;

	while (number >= 9999.5 && power < 6) {
		number /= step;
		power++;
	}
	/* 48.4k but 189Mi and 5248: three digits once the number has been divided. */
	digits = number >= 100 || !power ? 0 : number >= 10 ? 1 : 2;
	snprintf(text, UNITS_TEXT_MAX, "%.*f%s", digits, number, names[base][power]);
	return text;
}

const char *units_format_bytes(double bytes, enum units_base base, char text[UNITS_TEXT_MAX])
{
	size_t length;

	units_format(bytes, base, text);
	length = strlen(text);
	snprintf(text + length, UNITS_TEXT_MAX - length, "B");
	return text;
}
