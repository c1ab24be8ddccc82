/* SPDX-License-Identifier: MIT
 * machine.c - on what a measurement was made: kernel, CPU, file system.
 * Invariants: see machine.h.
 * Threads:    any.
 * Ownership:  see machine.h.
 */
#include "tools/machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

void machine_type(char *text, size_t size)
{
	struct utsname name;
	struct sysinfo memory;

	if (uname(&name) || sysinfo(&memory))
		snprintf(text, size, "unknown");
	else
		snprintf(text, size, "%s, %.1f GiB", name.machine,
			 (double)memory.totalram * memory.mem_unit / (1 << 30));
}

void machine_kernel(char *text, size_t size)
{
	struct utsname name;

	snprintf(text, size, "%s", uname(&name) ? "unknown" : name.release);
}

void machine_cpu(char *text, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[512], model[256] = "unknown";

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "model name : %255[^\n]", model) == 1)
			break;
	}
	if (file)
		fclose(file);
	snprintf(text, size, "%ld x %s", sysconf(_SC_NPROCESSORS_ONLN), model);
}

void machine_file_system(const char *path, char *text, size_t size)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], type[64], source[512];
	struct stat st;

	snprintf(text, size, "unknown");
	if (stat(path, &st))
		st.st_dev = 0;
	while (file && fgets(line, sizeof(line), file)) {
		const char *rest = strstr(line, " - ");
		unsigned high, low;

		if (sscanf(line, "%*d %*d %u:%u", &high, &low) != 2 || !rest ||
		    high != major(st.st_dev) || low != minor(st.st_dev))
			continue;
		if (sscanf(rest, " - %63s %511s", type, source) == 2)
			snprintf(text, size, "%s on %s", type, source);
	}
	if (file)
		fclose(file);
}
