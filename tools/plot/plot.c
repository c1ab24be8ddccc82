/* SPDX-License-Identifier: MIT
 * plot.c - `ioe plot`: from the JSON of some runs to one picture.
 * Invariants: the picture is whole before anything is written, and the file that is there is
 *             replaced at once or stays as it is; no input is ever overwritten.
 * Threads:    the main thread.
 * Ownership:  none that outlives the command.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/options.h"
#include "tools/plot/page.h"
#include "tools/plot/svg.h"
#include "tools/sys.h"

#define PATH_BYTES 4096

struct request {
	const char *output;
	const char *title;
	const char **files;
	int n_files;
};

static void help(FILE *out)
{
	fprintf(out,
		"usage: ioe plot FILE.json... -o OUT.svg\n"
		"\n"
		"Draws what `ioe bench --output-format=json` (or json+), or fio, has written: "
		"latency\n"
		"percentiles, and latency, IOPS and bandwidth over time, a line for each run.\n"
		"\n"
		"  -o OUT, --output=OUT   where to; - is the standard output\n"
		"  --title=TEXT           above it all; default: what is plotted\n"
		"  -h, --help             this\n"
		"\n"
		"fio's JSON has nothing over time. json+ has finer percentiles than json.\n");
}

static int refuse(const char *what, const char *why)
{
	fprintf(stderr, "ioe plot: %s: %s\n", what, why);
	return EXIT_USAGE;
}

static int refuse_option(const char *option)
{
	static const char *const names[] = { "output", "title", "help" };
	const char *name = option + strspn(option, "-"), *nearest;
	char bare[32];

	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(name, "="), name);
	nearest = options_nearest(names, sizeof(names) / sizeof(*names), bare);
	if (nearest)
		fprintf(stderr, "ioe plot: unknown option %s; did you mean --%s?\n", option,
			nearest);
	else
		fprintf(stderr, "ioe plot: unknown option %s; ioe plot --help lists them\n",
			option);
	return EXIT_USAGE;
}

/* The value of an option that wants one: behind "=", of -o also right behind it, or the next
 * argument. NULL: it is another option, or nothing follows. */
static const char *value_of(const char *name, char **argv, int *i)
{
	size_t length = strlen(name);
	const char *rest = argv[*i] + length;
	bool is_short = name[1] != '-';

	if (strncmp(argv[*i], name, length) != 0)
		return NULL;
	if (*rest)
		return *rest == '=' ? rest + 1 : is_short ? rest : NULL;
	return argv[*i + 1] ? argv[++*i] : NULL;
}

static int parse(int argc, char **argv, struct request *request)
{
	bool are_options_over = false;

	for (int i = 1; i < argc; i++) {
		const char *value;

		if (are_options_over || argv[i][0] != '-' || !argv[i][1]) {
			request->files[request->n_files++] = argv[i];
		} else if (!strcmp(argv[i], "--")) {
			are_options_over = true;
		} else if ((value = value_of("-o", argv, &i)) ||
			   (value = value_of("--output", argv, &i))) {
			request->output = value;
		} else if ((value = value_of("--title", argv, &i))) {
			request->title = value;
		} else if (!strcmp(argv[i], "-o") || !strcmp(argv[i], "--output") ||
			   !strcmp(argv[i], "--title")) {
			return refuse(argv[i], "a value is expected behind it");
		} else {
			return refuse_option(argv[i]);
		}
	}
	if (!request->n_files)
		return refuse("no file", "what is to be plotted? ioe plot FILE.json... -o OUT.svg");
	if (!request->output || !*request->output)
		return refuse("no output", "where to? -o OUT.svg, or -o - for the standard output");
	return EXIT_OK;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat stat_a, stat_b;

	return !stat(a, &stat_a) && !stat(b, &stat_b) && stat_a.st_dev == stat_b.st_dev &&
	       stat_a.st_ino == stat_b.st_ino;
}

static int read_all(const struct request *request, struct plot_runs *runs)
{
	for (int i = 0; i < request->n_files; i++) {
		char why[PLOT_WHY_MAX];

		if (strcmp(request->output, "-") != 0 &&
		    is_same_file(request->files[i], request->output))
			return refuse(request->output, "is one of the files to read");
		if (plot_runs_read(runs, request->files[i], why))
			return refuse(request->files[i], why);
		if (runs->n > SVG_STYLES) {
			fprintf(stderr,
				"ioe plot: %s: more than %d runs in all, which no eye can tell "
				"apart\n",
				request->files[i], SVG_STYLES);
			return EXIT_USAGE;
		}
	}
	if (plot_runs_number(runs))
		return refuse("names", strerror(ENOMEM));
	return EXIT_OK;
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length) {
		int64_t n = sys_result(write(fd, text, length));

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		text += n;
		length -= (size_t)n;
	}
	return 0;
}

/* Beside it, then in its place. */
static int replace_file(const char *path, const char *text, size_t length)
{
	char name[PATH_BYTES];
	mode_t mask = umask(0);
	int fd, rc;

	umask(mask);
	if (snprintf(name, sizeof(name), "%s.XXXXXX", path) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	fd = (int)sys_result(mkostemp(name, O_CLOEXEC));
	if (fd < 0)
		return fd;
	rc = write_all(fd, text, length);
	if (!rc)
		rc = (int)sys_result(fchmod(fd, 0666 & ~mask));
	if (close(fd) && !rc)
		rc = -EIO;
	if (!rc)
		rc = (int)sys_result(rename(name, path));
	if (rc)
		(void)unlink(name);
	return rc;
}

/* What is no regular file (/dev/stdout, a pipe, a link) cannot be replaced, and is written to. */
static int write_output(const char *path, const char *text, size_t length)
{
	struct stat there;
	int fd, rc;

	if (!strcmp(path, "-"))
		return write_all(STDOUT_FILENO, text, length);
	if (lstat(path, &there) || S_ISREG(there.st_mode))
		return replace_file(path, text, length);
	fd = (int)sys_result(open(path, O_WRONLY | O_TRUNC | O_CLOEXEC));
	if (fd < 0)
		return fd;
	rc = write_all(fd, text, length);
	if (close(fd) && !rc)
		rc = -EIO;
	return rc;
}

static int draw(const struct request *request, const struct plot_runs *runs)
{
	char title[64], *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	int rc = out ? 0 : -ENOMEM;

	snprintf(title, sizeof(title), "%u %s", runs->n, runs->n == 1 ? "run" : "runs");
	if (out) {
		page_draw(out, runs, request->title ? request->title : title);
		if (ferror(out))
			rc = -ENOMEM;
		if (fclose(out))
			rc = -ENOMEM;
	}
	if (!rc)
		rc = write_output(request->output, text, length);
	free(text);
	if (rc)
		fprintf(stderr, "ioe plot: %s: %s\n", request->output, strerror(-rc));
	return rc ? EXIT_FAILED : EXIT_OK;
}

int plot_command(int argc, char **argv)
{
	struct request request = { .files = NULL };
	struct plot_runs runs = { .n = 0 };
	int status;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			help(stdout);
			return EXIT_OK;
		}
	}
	request.files = calloc((size_t)argc, sizeof(*request.files));
	if (!request.files)
		return refuse("files", strerror(ENOMEM));
	status = parse(argc, argv, &request);
	if (!status)
		status = read_all(&request, &runs);
	if (!status)
		status = draw(&request, &runs);
	plot_runs_deinit(&runs);
	free(request.files);
	return status;
}
