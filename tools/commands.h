/* SPDX-License-Identifier: MIT
 * commands.h - the commands of `ioe`, and the exit statuses they share.
 * Invariants: argv[0] is the command's own name.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#ifndef IOE_TOOLS_COMMANDS_H
#define IOE_TOOLS_COMMANDS_H

enum exit_status {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* the job did not end well */
	EXIT_USAGE = 2,  /* it was not begun: what was asked for makes no sense */
};

int bench_command(int argc, char **argv);
int suite_command(int argc, char **argv);
int plot_command(int argc, char **argv);
int probe_command(int argc, char **argv);
/* What `ioe suite` starts to look at the memory of an engine in a process of its own. */
int floor_memory_command(int argc, char **argv);

#endif
