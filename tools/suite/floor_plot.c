/* SPDX-License-Identifier: MIT
 * floor_plot.c - the points of the floor suite as plots: data and a script for each, made into SVG
 * by gnuplot where that is installed.
 *
 * A plot is named by what x is, then, behind a comma, what y is: "depth, uring: IOPS" is written to
 * depth-uring-iops.dat, .gp and .svg. The script names no directory, so that it can be run again
 * wherever the files lie.
 * Invariants: data and scripts are written whether there is a gnuplot or not.
 * Threads:    the main thread; gnuplot is a child process that is waited for.
 * Ownership:  none that outlives floor_write_plots().
 */
#include <ctype.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/suite/floor_parts.h"

#define PATH_BYTES 4096
#define NAME_BYTES 40
/* From here on x is logarithmic. */
#define LOG_FROM 16.0

/* Lines of a plot, and what its points span. */
struct plot {
	const struct floor *floor;
	const char *title;
	char name[NAME_BYTES]; /* of its files */
	double x_min;
	double x_max;
};

static bool is_point_of(const struct floor_point *point, const char *plot)
{
	return !strcmp(point->plot, plot) && isfinite(point->x) && isfinite(point->y.median) &&
	       isfinite(point->y.min) && isfinite(point->y.max);
}

static bool is_first_of_line(const struct floor *floor, uint32_t i)
{
	const struct floor_point *point = &floor->points[i];

	for (uint32_t k = 0; k < i; k++)
		if (is_point_of(&floor->points[k], point->plot) &&
		    !strcmp(floor->points[k].line, point->line))
			return false;
	return is_point_of(point, point->plot);
}

/* "depth, uring: IOPS" is depth-uring-iops. */
static void name_files(const char *title, char name[NAME_BYTES])
{
	size_t n = 0;

	for (; *title && n + 1 < NAME_BYTES; title++) {
		if (isalnum((unsigned char)*title) || *title == '_')
			name[n++] = (char)tolower((unsigned char)*title);
		else if (n && name[n - 1] != '-')
			name[n++] = '-';
	}
	while (n && name[n - 1] == '-')
		n--;
	name[n] = '\0';
}

static struct plot plot_of(const struct floor *floor, const char *title)
{
	struct plot plot = {
		.floor = floor,
		.title = title,
		.x_min = HUGE_VAL,
		.x_max = -HUGE_VAL,
	};

	name_files(title, plot.name);
	for (uint32_t i = 0; i < floor->n_points; i++) {
		const struct floor_point *point = &floor->points[i];

		if (!is_point_of(point, title))
			continue;
		plot.x_min = fmin(plot.x_min, point->x);
		plot.x_max = fmax(plot.x_max, point->x);
	}
	return plot;
}

/* The points of a line with growing x: each time the smallest x that is greater than the last. */
static void print_line(FILE *out, const struct plot *plot, const char *line)
{
	double last = -HUGE_VAL;

	for (;;) {
		const struct floor_point *next = NULL;

		for (uint32_t i = 0; i < plot->floor->n_points; i++) {
			const struct floor_point *point = &plot->floor->points[i];

			if (is_point_of(point, plot->title) && !strcmp(point->line, line) &&
			    point->x > last && (!next || point->x < next->x))
				next = point;
		}
		if (!next)
			return;
		fprintf(out, "%.12g %.12g %.12g %.12g\n", next->x, next->y.median, next->y.min,
			next->y.max);
		last = next->x;
	}
}

static int print_data(FILE *out, const void *what)
{
	const struct plot *plot = what;

	fprintf(out, "# %s: x, median, min, max\n", plot->title);
	for (uint32_t i = 0; i < plot->floor->n_points; i++) {
		const struct floor_point *point = &plot->floor->points[i];

		if (strcmp(point->plot, plot->title) != 0 || !is_first_of_line(plot->floor, i))
			continue;
		fprintf(out, "# %s\n", point->line);
		print_line(out, plot, point->line);
		fprintf(out, "\n\n"); /* what parts one index from the next */
	}
	return 0;
}

/* A string of gnuplot: nothing in single quotes is special but the quote. */
static void print_quoted(FILE *out, const char *text, size_t length)
{
	fputc('\'', out);
	for (size_t i = 0; i < length && text[i]; i++) {
		if (text[i] == '\'')
			fputc('\'', out);
		fputc(text[i], out);
	}
	fputc('\'', out);
}

static int print_script(FILE *out, const void *what)
{
	const struct plot *plot = what;
	size_t x_length = strcspn(plot->title, ",");
	const char *y = plot->title + x_length;
	uint32_t index = 0;

	y += strspn(y, ", ");
	fprintf(out,
		"set terminal svg size 800,500 noenhanced background 'white'\n"
		"set output '%s.svg'\nset grid\nset key below\nset yrange [0:*]\nset xlabel ",
		plot->name);
	print_quoted(out, plot->title, x_length);
	fprintf(out, "\nset ylabel ");
	print_quoted(out, y, strlen(y));
	if (plot->x_min > 0 && plot->x_max > LOG_FROM * plot->x_min)
		fprintf(out, "\nset logscale x 2");
	if (plot->x_min == plot->x_max) /* gnuplot would complain */
		fprintf(out, "\nset xrange [%.12g:%.12g]", plot->x_min - 1, plot->x_min + 1);
	fprintf(out, "\nplot ");
	for (uint32_t i = 0; i < plot->floor->n_points; i++) {
		const struct floor_point *point = &plot->floor->points[i];

		if (strcmp(point->plot, plot->title) != 0 || !is_first_of_line(plot->floor, i))
			continue;
		fprintf(out, "%s'%s.dat' index %u using 1:2:3:4 with yerrorlines title ",
			index ? ", \\\n\t" : "", plot->name, index);
		print_quoted(out, point->line, strlen(point->line));
		index++;
	}
	fprintf(out, "\n");
	return 0;
}

static int write_file(const struct plot *plot, const char *directory, const char *suffix,
		      int (*print)(FILE *out, const void *what))
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s.%s", directory, plot->name, suffix);
	return floor_write_file(path, print, plot);
}

/* Returns 0, -ENOENT where there is no gnuplot, -EIO when it did not end well, or another -errno
 * when it could not be started. */
static int run_gnuplot(const struct plot *plot, const char *directory)
{
	char script[NAME_BYTES + 8];
	/* -d: not with the user's own settings */
	char name[] = "gnuplot", no_settings[] = "-d";
	char *argv[] = { name, no_settings, script, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int status = 0, rc;
	pid_t child;

	snprintf(script, sizeof(script), "%s.gp", plot->name);
	rc = -posix_spawn_file_actions_init(&actions);
	if (rc)
		return rc;
	rc = -posix_spawnattr_init(&attributes);
	if (rc) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return rc;
	}
	/* Ours are blocked, and looked for by polling. */
	sigemptyset(&none);
	rc = -posix_spawnattr_setsigmask(&attributes, &none);
	if (!rc)
		rc = -posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (!rc)
		rc = -posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
	if (!rc)
		rc = -posix_spawn_file_actions_addchdir_np(&actions, directory);
	if (!rc)
		rc = -posix_spawnp(&child, name, &actions, &attributes, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	if (rc)
		return rc;
	do
		rc = (int)sys_result(waitpid(child, &status, 0));
	while (rc == -EINTR);
	if (rc < 0)
		return rc;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

/* Is point i the first one of its plot? */
static bool is_first_of_plot(const struct floor *floor, uint32_t i)
{
	const char *title = floor->points[i].plot;

	for (uint32_t k = 0; k < i; k++)
		if (is_point_of(&floor->points[k], title))
			return false;
	return is_point_of(&floor->points[i], title);
}

int floor_write_plots(const struct floor *floor, const char *directory)
{
	bool has_gnuplot = true;
	uint32_t n = 0;
	int rc = 0;

	for (uint32_t i = 0; i < floor->n_points && !rc; i++) {
		struct plot plot;

		if (!is_first_of_plot(floor, i))
			continue;
		plot = plot_of(floor, floor->points[i].plot);
		rc = write_file(&plot, directory, "dat", print_data);
		if (!rc)
			rc = write_file(&plot, directory, "gp", print_script);
		if (!rc && has_gnuplot)
			rc = run_gnuplot(&plot, directory);
		if (rc == -ENOENT && has_gnuplot) {
			has_gnuplot = false;
			rc = 0;
		} else if (rc) {
			fprintf(stderr, "ioe suite: plot %s: %s\n", plot.name, strerror(-rc));
		}
		n++;
	}
	if (n && !has_gnuplot)
		printf("plots: gnuplot is not installed; data and scripts of %u are in %s\n", n,
		       directory);
	else if (n && !rc)
		printf("plots: %u in %s\n", n, directory);
	return rc;
}
