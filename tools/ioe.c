/* SPDX-License-Identifier: MIT
 * ioe.c - the `ioe` command: which of its commands is meant.
 * Invariants: exit status 0, 1 (failed) or 2 (usage), as commands.h says.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "engine/ioe.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/suite/floor_memory.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help; /* NULL: not for users, and not listed */
};

static const struct command commands[] = {
	{ "bench", bench_command, "run IO jobs on files and print what they did" },
	{ "suite", suite_command, "ours beside the raw loops, on a real file: tables" },
	{ "plot", plot_command, "draw latency, IOPS and bandwidth of several runs: JSON to SVG" },
	{ "probe", probe_command, "which backends there are here, and what a file wants" },
	{ FLOOR_MEMORY_COMMAND, floor_memory_command, NULL },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
	fprintf(out, "usage: ioe COMMAND [--option=value ...]\n\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		if (commands[i].help)
			fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
	}
	fprintf(out,
		"\nioe COMMAND --help says more; ioe --version is the version of the library.\n");
}

static int unknown(const char *name)
{
	const char *names[COMMANDS];
	const char *nearest;
	size_t n = 0;

	for (size_t i = 0; i < COMMANDS; i++) {
		if (commands[i].help)
			names[n++] = commands[i].name;
	}
	nearest = options_nearest(names, n, name);
	if (nearest)
		fprintf(stderr, "ioe: unknown command '%s'; did you mean %s?\n", name, nearest);
	else
		fprintf(stderr, "ioe: unknown command '%s'; ioe --help lists them\n", name);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	/* A file limit or a closed pipe is an error to report, not a death. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("ioe-%s\n", ioe_version());
		return EXIT_OK;
	}
	for (size_t i = 0; i < COMMANDS; i++) {
		if (!strcmp(commands[i].name, argv[1]))
			return commands[i].run(argc - 1, argv + 1);
	}
	return unknown(argv[1]);
}
