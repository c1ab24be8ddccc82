/* SPDX-License-Identifier: MIT
 * machine.h - on what a measurement was made: kernel, CPU, file system.
 * Invariants: what cannot be found out is "unknown", never left out.
 * Threads:    any.
 * Ownership:  text is written into the caller's buffer.
 */
#ifndef IOE_TOOLS_MACHINE_H
#define IOE_TOOLS_MACHINE_H

#include <stddef.h>

/* "x86_64, 7.7 GiB" */
void machine_type(char *text, size_t size);
/* "6.18.44" */
void machine_kernel(char *text, size_t size);
/* "2 x AMD EPYC" */
void machine_cpu(char *text, size_t size);
/* "ext4 on /dev/vda", of the file at path */
void machine_file_system(const char *path, char *text, size_t size);

#endif
