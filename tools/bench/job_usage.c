/* SPDX-License-Identifier: MIT
 * job_usage.c - which CPUs a job may use, and how much of them it has used.
 *
 * A job that runs alone has used what the process has. Of several at the same time each has used
 * what its threads have: its own, and those that its engine has started. The kernel's own workers
 * of an io_uring are not among these.
 * Invariants: usages of one job are compared with each other only.
 * Threads:    any; tids are noted on the main thread and by the job's own.
 * Ownership:  none.
 */
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/job.h"

uint32_t job_list_threads(int ret_tids[JOB_TIDS_MAX])
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	uint32_t n = 0;

	while (dir && n < JOB_TIDS_MAX && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			ret_tids[n++] = (int)strtol(entry->d_name, NULL, 10);
	}
	if (dir)
		closedir(dir);
	return n;
}

static void note(struct job *job, int tid)
{
	uint32_t i = atomic_fetch_add(&job->n_tids, 1);

	if (i < JOB_TIDS_MAX)
		job->tids[i] = tid;
}

void job_note_threads(struct job *job, const int before[], uint32_t n_before)
{
	int now[JOB_TIDS_MAX];
	uint32_t n = job_list_threads(now);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = 0;

		while (k < n_before && before[k] != now[i])
			k++;
		if (k == n_before)
			note(job, now[i]);
	}
}

void job_note_self(struct job *job)
{
	note(job, (int)gettid());
}

static void add_switches(int tid, struct rusage *usage)
{
	char path[64], line[256];
	unsigned long n;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
			usage->ru_nvcsw += (long)n;
		else if (sscanf(line, "nonvoluntary_ctxt_switches: %lu", &n) == 1)
			usage->ru_nivcsw += (long)n;
	}
	if (file)
		(void)fclose(file);
}

static bool read_line(int tid, const char *name, char *text, int size)
{
	char path[64];
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
	file = fopen(path, "re");
	ok = file && fgets(text, size, file);
	if (file)
		(void)fclose(file);
	return ok;
}

/* Ticks of the kernel are too coarse for a short run: they only part user from system time. */
static void add_thread(int tid, double *usr_ns, double *sys_ns, struct rusage *usage)
{
	unsigned long minor, major, usr, sys;
	char text[512];
	const char *at;
	double ns, share;

	if (!read_line(tid, "schedstat", text, sizeof(text)))
		return;
	ns = (double)strtoull(text, NULL, 10);
	if (!read_line(tid, "stat", text, sizeof(text)))
		return;
	at = strrchr(text, ')'); /* the name may hold anything */
	if (!at || sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu %*u %lu %lu", &minor,
			  &major, &usr, &sys) != 4)
		return;
	share = usr + sys ? (double)usr / (double)(usr + sys) : 0.5;
	*usr_ns += ns * share;
	*sys_ns += ns * (1 - share);
	usage->ru_minflt += (long)minor;
	usage->ru_majflt += (long)major;
	add_switches(tid, usage);
}

static struct timeval timeval_of(double ns)
{
	return (struct timeval){ .tv_sec = (time_t)(ns / 1e9),
				 .tv_usec = (suseconds_t)((uint64_t)(ns / 1e3) % 1000000) };
}

void job_read_usage(const struct job *job, struct rusage *ret_usage)
{
	uint32_t n = atomic_load(&job->n_tids);
	double usr_ns = 0, sys_ns = 0;

	if (!job->has_company) {
		getrusage(RUSAGE_SELF, ret_usage);
		return;
	}
	memset(ret_usage, 0, sizeof(*ret_usage));
	for (uint32_t i = 0; i < n && i < JOB_TIDS_MAX; i++)
		add_thread(job->tids[i], &usr_ns, &sys_ns, ret_usage);
	ret_usage->ru_utime = timeval_of(usr_ns);
	ret_usage->ru_stime = timeval_of(sys_ns);
}

int job_set_cpus(struct job *job)
{
	const struct bench_cpus *cpus = &job->options->cpus_allowed;
	cpu_set_t set;
	int rc;

	if (!cpus->n)
		return 0;
	CPU_ZERO(&set);
	for (int i = 0; i < BENCH_CPUS_MAX && i < CPU_SETSIZE; i++) {
		if (cpus->bits[i / 64] >> (i % 64) & 1)
			CPU_SET(i, &set);
	}
	rc = (int)sys_result(sched_setaffinity(0, sizeof(set), &set));
	if (rc)
		job_fail(job, rc, "cpus_allowed: %s%s", strerror(-rc),
			 rc == -EINVAL ? " (none of these CPUs can be used)" : "");
	return rc;
}
