/* SPDX-License-Identifier: MIT
 * process.c - see process.h. */
#include "tests/lib/process.h"
#include "tests/check.h"
#include "tests/lib/fail.h"

#include <dirent.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define WAIT_S 10

/* The kernel's include/linux/sched.h, as field 9 of /proc/PID/task/TID/stat shows them. */
#define PF_EXITING   0x4
#define PF_IO_WORKER 0x10

static uint32_t count_entries(const char *path)
{
	DIR *dir = opendir(path);
	uint32_t n = 0;

	must(dir != NULL, "%s: %s", path, strerror(errno));
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void *do_nothing(void *arg)
{
	return arg;
}

/* ThreadSanitizer has a thread of its own, which it starts with the first of ours: have it there
 * before threads are counted. In each process: it does not survive a fork(). */
static void start_sanitizer_thread(void)
{
	static pid_t started_in;
	pthread_t thread;

	if (!CHECK_SANITIZED || started_in == getpid())
		return;
	started_in = getpid();
	must(pthread_create(&thread, NULL, do_nothing, NULL) == 0, "pthread_create");
	pthread_join(thread, NULL);
}

uint32_t process_n_fds(void)
{
	return count_entries("/proc/self/fd") - 1;
}

/* The number behind "key" in a file of /proc, in base base. */
static bool read_number(const char *path, const char *key, int base, uint64_t *ret_number)
{
	char line[512];
	bool found = false;
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		*ret_number = strtoull(line + strlen(key), NULL, base);
		found = true;
	}
	fclose(file);
	return found;
}

uint64_t process_resident_bytes(void)
{
	uint64_t kib;

	must(read_number("/proc/self/status", "VmRSS:", 10, &kib), "no VmRSS");
	return kib * 1024;
}

uint64_t system_aio_nr(void)
{
	uint64_t n = 0;

	/* No such file: a kernel without AIO. */
	(void)read_number("/proc/sys/fs/aio-nr", "", 10, &n);
	return n;
}

uint64_t process_cpu_ns(void)
{
	struct rusage usage;

	must_sys(getrusage(RUSAGE_SELF, &usage));
	return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000000000 +
	       ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * 1000;
}

int64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void read_name(const char *tid, char *ret_name, size_t size)
{
	char path[320];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", tid);
	file = fopen(path, "re");
	ret_name[0] = '\0';
	if (file == NULL)
		return;
	if (fgets(ret_name, (int)size, file) != NULL)
		ret_name[strcspn(ret_name, "\n")] = '\0';
	fclose(file);
}

/* False: the thread has gone. A name says nothing of a thread that was started a moment ago: it has
 * its parent's. */
static bool read_flags(const char *tid, uint64_t *ret_flags)
{
	char path[320], line[512];
	const char *at;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/stat", tid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	at = fgets(line, sizeof(line), file) != NULL ? strrchr(line, ')') : NULL;
	fclose(file);
	/* Fields 3 to 8: state, ppid, pgrp, session, tty, tpgid. */
	return at != NULL && sscanf(at, ") %*c %*d %*d %*d %*d %*d %" SCNu64, ret_flags) == 1;
}

static void read_thread(const char *tid, struct thread_info *ret_info)
{
	char path[320];

	ret_info->tid = atoi(tid);
	ret_info->signals_blocked = 0;
	read_name(tid, ret_info->name, sizeof(ret_info->name));
	snprintf(path, sizeof(path), "/proc/self/task/%s/status", tid);
	(void)read_number(path, "SigBlk:", 16, &ret_info->signals_blocked);
}

/* The threads that are not on their way out; those of io_uring, or all others. */
static uint32_t find_threads(bool io_workers, struct thread_info *ret_threads, uint32_t n)
{
	uint32_t found = 0;
	DIR *dir;

	start_sanitizer_thread();
	dir = opendir("/proc/self/task");
	must(dir != NULL, "/proc/self/task: %s", strerror(errno));
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		uint64_t flags;

		if (entry->d_name[0] == '.' || !read_flags(entry->d_name, &flags) ||
		    (flags & PF_EXITING) != 0 || ((flags & PF_IO_WORKER) != 0) != io_workers)
			continue;
		if (found < n)
			read_thread(entry->d_name, &ret_threads[found]);
		found++;
	}
	closedir(dir);
	return found;
}

uint32_t process_threads(struct thread_info *ret_threads, uint32_t n)
{
	return find_threads(false, ret_threads, n);
}

uint32_t process_n_threads(void)
{
	return find_threads(false, NULL, 0);
}

uint32_t process_n_io_workers(void)
{
	return find_threads(true, NULL, 0);
}

static void pause_briefly(void)
{
	const struct timespec ms = { 0, 1000000 };

	nanosleep(&ms, NULL);
}

bool process_wait_threads(uint32_t n)
{
	const int64_t give_up_ns = clock_now_ns() + WAIT_S * INT64_C(1000000000);

	while (process_n_threads() != n) {
		if (clock_now_ns() > give_up_ns)
			return false;
		pause_briefly();
	}
	return true;
}

bool thread_wait_asleep(pid_t tid)
{
	const int64_t give_up_ns = clock_now_ns() + WAIT_S * INT64_C(1000000000);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	for (;;) {
		char line[256] = "";
		const char *state;
		FILE *file = fopen(path, "re");

		if (file == NULL)
			return false;
		state = fgets(line, sizeof(line), file);
		fclose(file);
		/* "tid (name) S ..."; names here hold no parenthesis. */
		state = state != NULL ? strrchr(line, ')') : NULL;
		if (state != NULL && state[1] == ' ' && state[2] == 'S')
			return true;
		if (clock_now_ns() > give_up_ns)
			return false;
		pause_briefly();
	}
}

#ifdef IOE_COVERAGE
void __gcov_dump(void);
#endif

void process_exit(int status)
{
	fflush(NULL);
#ifdef IOE_COVERAGE
	__gcov_dump();
#endif
	_exit(status);
}

static bool install_filter(struct sock_filter *filter, uint32_t n)
{
	const struct sock_fprog program = { .len = (unsigned short)n, .filter = filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

bool process_forbid(int error, const int *numbers, uint32_t n)
{
	struct sock_filter filter[2 * 16 + 2];
	uint32_t k = 0;

	must(n <= 16, "too many system calls to forbid");
	filter[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						   offsetof(struct seccomp_data, nr));
	for (uint32_t i = 0; i < n; i++) {
		filter[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							   (uint32_t)numbers[i], 0, 1);
		filter[k++] = (struct sock_filter)BPF_STMT(
			BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((uint32_t)error & SECCOMP_RET_DATA));
	}
	filter[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return install_filter(filter, k);
}

bool process_forbid_above(int error, int number, uint32_t max)
{
	enum { LOW_WORD = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4 };
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + LOW_WORD),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, max, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((uint32_t)error & SECCOMP_RET_DATA)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return install_filter(filter, sizeof(filter) / sizeof(filter[0]));
}

bool process_become_stranger(uid_t uid, uint64_t lock_bytes_max)
{
	const struct rlimit limit = { lock_bytes_max, lock_bytes_max };

	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		return false;
	if (geteuid() != 0)
		return true;
	/* Capabilities go with the last uid of root's. /proc/self is ours again when we are
	 * dumpable. */
	return setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 &&
	       setresuid(uid, uid, uid) == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

uint64_t process_number(const char *variable, uint64_t fallback)
{
	const char *text = getenv(variable);

	return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 0) : fallback;
}
