/* SPDX-License-Identifier: MIT
 * bench_value.c - values of `ioe bench` that are more than a number.
 * Invariants: a value that is wrong changes nothing.
 * Threads:    any.
 * Ownership:  none.
 */
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench_table.h"
#include "tools/units.h"

#define TEXT_MAX 64

__attribute__((format(printf, 2, 3))) static int refuse(char why[OPTION_WHY_MAX],
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, OPTION_WHY_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

static void *field_of(const struct option_def *def, void *values)
{
	return (char *)values + def->offset;
}

/* What stands behind the colon: bytes that are added for sequential IO, a number for random IO. */
static int parse_modifier(uint64_t rw, const char *text, uint64_t *ret_nr, uint64_t *ret_skip,
			  char why[OPTION_WHY_MAX])
{
	bool is_negative = *text == '-';
	uint64_t number;

	if (rw == BENCH_NOP)
		return refuse(why, "nop takes nothing behind a colon");
	if (rw == BENCH_RANDREAD || rw == BENCH_RANDWRITE || rw == BENCH_RANDRW) {
		if (units_parse_count(text, &number) || !number)
			return refuse(why, "'%s' is not a number of IOs", text);
		*ret_nr = number;
		return 0;
	}
	if (units_parse_size(text + is_negative, &number) || number > INT64_MAX)
		return refuse(why, "'%s' is not a size", text);
	*ret_skip = is_negative ? 0 - number : number;
	return 0;
}

int bench_parse_rw(const struct option_def *def, const char *text, void *values,
		   char why[OPTION_WHY_MAX])
{
	struct bench_options *options = values;
	uint64_t rw, nr = 1, skip = 0;
	char kind[TEXT_MAX];
	size_t length = strcspn(text, ":");
	int rc;

	if (strstr(text, "trim"))
		return refuse(why, "there is no trim here");
	snprintf(kind, sizeof(kind), "%.*s", (int)(length < TEXT_MAX ? length : TEXT_MAX - 1),
		 text);
	rc = options_parse_choice(def->choices, kind, &rw, why);
	if (!rc && text[length])
		rc = parse_modifier(rw, text + length + 1, &nr, &skip, why);
	if (rc)
		return rc;
	options->rw = rw;
	options->rw_nr = nr;
	options->rw_skip_bytes = skip;
	return 0;
}

int bench_parse_rwmixwrite(const struct option_def *def, const char *text, void *values,
			   char why[OPTION_WHY_MAX])
{
	uint64_t percent;

	if (units_parse_percent(text, &percent))
		return refuse(why, "not a percentage");
	if (percent > def->max)
		return refuse(why, "out of range, which is 0 to %llu",
			      (unsigned long long)def->max);
	percent = 100 - percent;
	memcpy(field_of(def, values), &percent, sizeof(percent));
	return 0;
}

int bench_parse_buffered(const struct option_def *def, const char *text, void *values,
			 char why[OPTION_WHY_MAX])
{
	uint64_t direct = text[0] == '0';

	if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
		return refuse(why, "must be 0 or 1");
	memcpy(field_of(def, values), &direct, sizeof(direct));
	return 0;
}

/* "10", "5s-10s" */
int bench_parse_startdelay(const struct option_def *def, const char *text, void *values,
			   char why[OPTION_WHY_MAX])
{
	struct bench_options *options = values;
	const char *upper = strpbrk(text, "-:");
	uint64_t from_ns, to_ns;
	char lower[TEXT_MAX];

	snprintf(lower, sizeof(lower), "%s", text);
	if (upper && (size_t)(upper - text) < sizeof(lower))
		lower[upper - text] = '\0';
	if (units_parse_time(lower, def->unit, &from_ns))
		return refuse(why,
			      "'%s' is not a time: a number, with d, h, m, s, ms or us "
			      "behind it",
			      lower);
	to_ns = from_ns;
	if (upper && units_parse_time(upper + 1, def->unit, &to_ns))
		return refuse(why, "'%s' is not a time", upper + 1);
	if (from_ns > RUNTIME_MAX_NS || to_ns > RUNTIME_MAX_NS)
		return refuse(why, "too large");
	options->startdelay_ns = from_ns < to_ns ? from_ns : to_ns;
	options->startdelay_max_ns = from_ns < to_ns ? to_ns : from_ns;
	return 0;
}

static int parse_cpu(const char *text, const char **ret_end, uint64_t *ret_cpu)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	*ret_cpu = strtoull(text, &end, 10);
	*ret_end = end;
	return *ret_cpu < BENCH_CPUS_MAX ? 0 : -ERANGE;
}

/* "0,2-5", and fio's "0:2-5" */
int bench_parse_cpus(const struct option_def *def, const char *text, void *values,
		     char why[OPTION_WHY_MAX])
{
	struct bench_cpus cpus = { .n = 0 };
	const char *at = text;

	while (*at) {
		uint64_t from, to;

		if (parse_cpu(at, &at, &from))
			return refuse(why, "not a list of CPUs from 0 to %u: N-N,N",
				      BENCH_CPUS_MAX - 1);
		to = from;
		if (*at == '-' && parse_cpu(at + 1, &at, &to))
			return refuse(why, "not a list of CPUs from 0 to %u: N-N,N",
				      BENCH_CPUS_MAX - 1);
		if (to < from || (*at && *at != ',' && *at != ':'))
			return refuse(why, "not a list of CPUs: N-N,N");
		for (uint64_t cpu = from; cpu <= to; cpu++)
			cpus.bits[cpu / 64] |= 1ull << (cpu % 64);
		at += *at != '\0';
	}
	for (size_t i = 0; i < BENCH_CPUS_MAX / 64; i++)
		cpus.n += (uint64_t)__builtin_popcountll(cpus.bits[i]);
	if (!cpus.n)
		return refuse(why, "is empty");
	memcpy(field_of(def, values), &cpus, sizeof(cpus));
	return 0;
}

int bench_parse_cpumask(const struct option_def *def, const char *text, void *values,
			char why[OPTION_WHY_MAX])
{
	struct bench_cpus cpus = { .n = 0 };

	if (units_parse_count(text, &cpus.bits[0]) || !cpus.bits[0])
		return refuse(why, "not a mask of CPUs: a number that is not 0");
	cpus.n = (uint64_t)__builtin_popcountll(cpus.bits[0]);
	memcpy(field_of(def, values), &cpus, sizeof(cpus));
	return 0;
}

static bool put_byte(struct bench_pattern *pattern, unsigned char byte)
{
	if (pattern->n_bytes == BENCH_PATTERN_MAX)
		return false;
	pattern->bytes[pattern->n_bytes++] = byte;
	return true;
}

static unsigned char hex_value(char digit)
{
	return (unsigned char)(isdigit((unsigned char)digit) ?
				       digit - '0' :
				       tolower((unsigned char)digit) - 'a' + 10);
}

/* Digits behind "0x"; an odd number of them begins with half a byte. In "0xff0x14" the 0 before the
 * second x is not one of them. */
static const char *take_hex(const char *at, struct bench_pattern *pattern)
{
	size_t n = strspn(at, "0123456789abcdefABCDEF");
	unsigned char byte = 0;

	if (n && (at[n] == 'x' || at[n] == 'X') && at[n - 1] == '0')
		n--;
	if (!n)
		return NULL;
	for (; n; n--, at++) {
		byte = (unsigned char)(byte << 4 | hex_value(*at));
		if (n % 2 == 0)
			continue;
		if (!put_byte(pattern, byte))
			return NULL;
		byte = 0;
	}
	return at;
}

/* A number of 32 bits, the lowest byte first, without the zeroes above. */
static const char *take_decimal(const char *at, struct bench_pattern *pattern)
{
	const char *hex = strstr(at, "0x");
	char digits[TEXT_MAX];
	uint32_t bits;
	char *end;
	long number;

	snprintf(digits, sizeof(digits), "%s", at);
	if (hex && (size_t)(hex - at) < sizeof(digits))
		digits[hex - at] = '\0';
	if (!isdigit((unsigned char)digits[*digits == '-']))
		return NULL;
	number = strtol(digits, &end, 10);
	if (number > INT32_MAX || number < INT32_MIN)
		return NULL;
	bits = (uint32_t)number;
	do {
		if (!put_byte(pattern, (unsigned char)bits))
			return NULL;
		bits >>= 8;
	} while (bits);
	return at + (end - digits);
}

static const char *take_string(const char *at, struct bench_pattern *pattern)
{
	for (; *at && *at != '"'; at++) {
		if (!put_byte(pattern, (unsigned char)*at))
			return NULL;
	}
	return *at ? at + 1 : NULL;
}

static const char *take_offset(const char *at, struct bench_pattern *pattern)
{
	if (*at != 'o' || pattern->n_bytes + 8 > BENCH_PATTERN_MAX)
		return NULL;
	pattern->offset_at[pattern->n_offsets++] = pattern->n_bytes;
	pattern->n_bytes += 8;
	return at + 1;
}

int bench_parse_pattern(const struct option_def *def, const char *text, void *values,
			char why[OPTION_WHY_MAX])
{
	struct bench_pattern pattern = { .n_bytes = 0 };
	const char *at = text;

	while (at && *at) {
		if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X'))
			at = take_hex(at + 2, &pattern);
		else if (*at == '"')
			at = take_string(at + 1, &pattern);
		else if (*at == '%')
			at = take_offset(at + 1, &pattern);
		else
			at = take_decimal(at, &pattern);
	}
	if (!at || !pattern.n_bytes)
		return refuse(why, "not a pattern of up to %u bytes: 0x..., numbers, \"text\", %%o",
			      BENCH_PATTERN_MAX);
	memcpy(field_of(def, values), &pattern, sizeof(pattern));
	return 0;
}

/* From 0 to 100, with a fraction. */
static int take_percentile(const char **at, double *ret_percent)
{
	char *end;

	if (!isdigit((unsigned char)**at) && **at != '.')
		return -EINVAL;
	*ret_percent = strtod(*at, &end);
	*at = end;
	return *ret_percent > 100 || !isfinite(*ret_percent) ? -EINVAL : 0;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int bench_parse_percentiles(const struct option_def *def, const char *text, void *values,
			    char why[OPTION_WHY_MAX])
{
	struct bench_percentiles list = { .n = 0 };

	for (;; text++) {
		if (list.n == BENCH_PERCENTILES_MAX)
			return refuse(why, "more than %u percentiles", BENCH_PERCENTILES_MAX);
		if (take_percentile(&text, &list.percent[list.n++]) || (*text && *text != ':'))
			return refuse(why, "not a list of numbers from 0 to 100: N:N:N");
		if (!*text)
			break;
	}
	qsort(list.percent, list.n, sizeof(list.percent[0]), compare_doubles);
	memcpy(field_of(def, values), &list, sizeof(list));
	return 0;
}
