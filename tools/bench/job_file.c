/* SPDX-License-Identifier: MIT
 * job_file.c - fio's job files: INI with sections, comments, included files and ${ENVIRONMENT}.
 *
 * As fio 3.33 reads them: a comment begins with ; or #, anywhere in a line; blanks around names and
 * values do not count; an included file has options of the section it is included in, no sections.
 * Invariants: see job_file.h.
 * Threads:    any.
 * Ownership:  a file is closed by who opened it.
 */
#include "tools/bench/job_file.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/sys.h"

#define LINE_MAX_BYTES    8192
#define INCLUDE_DEPTH_MAX 10

struct place {
	const struct job_file_reader *reader;
	const char *path;
	unsigned line;
	unsigned depth; /* of included files */
	bool in_section;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct place *place,
							const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: %s:%u: ", place->reader->command, place->path, place->line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	return -EINVAL;
}

/* Without blanks at both ends. */
static char *trim(char *text)
{
	size_t length;

	while (isspace((unsigned char)*text))
		text++;
	length = strlen(text);
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

/* fio's words for what the machine has; NULL: none of them. */
static const char *keyword(const char *text, size_t *ret_length, char value[32])
{
	static const char *const words[] = { "$pagesize", "$mb_memory", "$ncpus" };
	long page = sysconf(_SC_PAGESIZE);
	const long values[] = { page, sysconf(_SC_PHYS_PAGES) / 1024 * page / 1024,
				sysconf(_SC_NPROCESSORS_ONLN) };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		*ret_length = strlen(words[i]);
		if (strncmp(text, words[i], *ret_length) != 0)
			continue;
		snprintf(value, 32, "%ld", values[i]);
		return value;
	}
	return NULL;
}

/* ${NAME} at text: its value and how long it was. NULL: not there, or not set, which is said. */
static const char *variable(const struct place *place, const char *text, size_t *ret_length)
{
	const char *end = strchr(text, '}');
	const char *value;
	char name[256];

	if (!end || (size_t)(end - text) >= sizeof(name)) {
		refuse(place, "${ without a }");
		return NULL;
	}
	*ret_length = (size_t)(end - text) + 1;
	snprintf(name, sizeof(name), "%.*s", (int)(end - text - 2), text + 2);
	value = getenv(name);
	if (!value)
		refuse(place, "the environment variable %s is not set", name);
	return value;
}

/* Put the values of variables and keywords into a copy. Variables are not looked for in values. */
static int substitute(const struct place *place, const char *text, const char **ret_text)
{
	char out[LINE_MAX_BYTES];
	size_t n = 0;

	if (!strchr(text, '$')) {
		*ret_text = place->reader->keep(place->reader->arg, text, strlen(text));
		return *ret_text ? 0 : -ENOMEM;
	}
	while (*text) {
		char number[32];
		const char *value = text;
		size_t length = 1, value_length = 1;

		if (!strncmp(text, "${", 2)) {
			value = variable(place, text, &length);
			if (!value)
				return -EINVAL;
			value_length = strlen(value);
		} else if (keyword(text, &length, number)) {
			value = number;
			value_length = strlen(value);
		} else {
			length = 1;
		}
		if (n + value_length >= sizeof(out))
			return refuse(place, "too long");
		memcpy(out + n, value, value_length);
		n += value_length;
		text += length;
	}
	*ret_text = place->reader->keep(place->reader->arg, out, n);
	return *ret_text ? 0 : -ENOMEM;
}

static int read_path(struct place *place);

static int include(struct place *place, const char *path)
{
	struct place inner = *place;
	int rc;

	if (!place->in_section)
		return refuse(place, "include stands outside of any section");
	if (place->depth == INCLUDE_DEPTH_MAX)
		return refuse(place, "included files are %u deep", INCLUDE_DEPTH_MAX);
	rc = substitute(place, path, &inner.path);
	if (rc)
		return rc;
	if (access(inner.path, R_OK))
		return refuse(place, "include %s: %s", inner.path, strerror(-(int)sys_result(-1)));
	inner.depth++;
	inner.line = 0;
	return read_path(&inner);
}

static int read_section(struct place *place, char *text, const char *where)
{
	size_t length = strlen(text);
	const char *name;

	if (place->depth)
		return refuse(place, "an included file has no sections");
	if (length < 3 || text[length - 1] != ']')
		return refuse(place, "'%s': a section is written as [name]", text);
	name = place->reader->keep(place->reader->arg, text + 1, length - 2);
	if (!name)
		return -ENOMEM;
	place->in_section = true;
	return place->reader->section(place->reader->arg, name, where);
}

static int read_line(struct place *place, char *line)
{
	const char *text = NULL, *name;
	char where[512], *equals;
	const char *kept;
	int rc = 0;

	line[strcspn(line, ";#")] = '\0';
	line = trim(line);
	if (!*line)
		return 0;
	snprintf(where, sizeof(where), "%s:%u", place->path, place->line);
	kept = place->reader->keep(place->reader->arg, where, strlen(where));
	if (!kept)
		return -ENOMEM;
	if (*line == '[')
		return read_section(place, line, kept);
	if (!strncmp(line, "include", 7) && isspace((unsigned char)line[7]))
		return include(place, trim(line + 7));
	if (!place->in_section)
		return refuse(place, "%s stands outside of any [section]", line);
	equals = strchr(line, '=');
	if (equals) {
		*equals = '\0';
		rc = substitute(place, trim(equals + 1), &text);
	}
	if (rc)
		return rc;
	line = trim(line);
	name = place->reader->keep(place->reader->arg, line, strlen(line));
	if (!name)
		return -ENOMEM;
	return place->reader->option(place->reader->arg, name, text, kept);
}

static int read_lines(struct place *place, FILE *file)
{
	char line[LINE_MAX_BYTES];
	int rc = 0;

	while (!rc && fgets(line, sizeof(line), file)) {
		const bool is_whole = strchr(line, '\n') || feof(file);

		place->line++;
		if (!is_whole && strlen(line) < sizeof(line) - 1)
			return refuse(place, "there is a zero byte in the line");
		if (strlen(line) == sizeof(line) - 1)
			return refuse(place, "the line is longer than %d bytes",
				      LINE_MAX_BYTES - 2);
		rc = read_line(place, line);
	}
	if (!rc && ferror(file)) {
		fprintf(stderr, "%s: %s: %s\n", place->reader->command, place->path,
			strerror(-(int)sys_result(-1)));
		return -EINVAL;
	}
	return rc;
}

static int read_path(struct place *place)
{
	bool is_stdin = !strcmp(place->path, "-");
	FILE *file = is_stdin ? stdin : fopen(place->path, "re");
	int rc;

	if (!file) {
		fprintf(stderr, "%s: %s: %s (options are --name=value)\n", place->reader->command,
			place->path, strerror(-(int)sys_result(-1)));
		return -EINVAL;
	}
	rc = read_lines(place, file);
	if (!is_stdin)
		fclose(file);
	return rc;
}

int job_file_read(const struct job_file_reader *reader, const char *path)
{
	struct place place = { .reader = reader, .path = path };

	return read_path(&place);
}
