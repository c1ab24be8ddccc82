/* SPDX-License-Identifier: MIT
 * ioe.c - the `ioe` command: which of its commands is meant.
 * Invariants: exit status 0, 1 (failed) or 2 (usage), as commands.h says.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "engine/ioe.h"
#include "options.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};

static const struct command commands[] = {
	{ "bench", bench_command, "run one IO job on a file and print what it did" },
	{ "suite", suite_command, "ours beside the raw loops, on a real file: one table" },
	{ "probe", probe_command, "which backends there are here, and what a file wants" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
	fprintf(out, "usage: ioe COMMAND [--option=value ...]\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
	fprintf(out,
		"\nioe COMMAND --help says more; ioe --version is the version of the library.\n");
}

static int unknown(const char *name)
{
	const char *names[COMMANDS];
	const char *nearest;

	for (size_t i = 0; i < COMMANDS; i++)
		names[i] = commands[i].name;
	nearest = options_nearest(names, COMMANDS, name);
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
