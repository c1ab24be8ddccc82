/* SPDX-License-Identifier: MIT
 * fuse_server.h - what file systems of our own (FUSE) begin with: a mount, a process that answers
 *                 for it, and a root in which there is one file, `file`.
 * Invariants: the mount is in no directory and in no namespace, only behind file descriptors.
 * Threads:    any.
 * Ownership:  the caller closes the fds; the session ends with the server's process. */
#ifndef IOE_TESTS_FUSE_SERVER_H
#define IOE_TESTS_FUSE_SERVER_H

#include <stddef.h>
#include <stdint.h>

struct fuse_file_info;
struct fuse_lowlevel_ops;
struct fuse_req;
struct fuse_session;

/* Mount what will be served on device (/dev/fuse): its root, for openat(). Skips the test where
 * that cannot be done. */
int fuse_server_mount(int device);

/* In the server's process: a session on device. All other files are closed, but the standard ones
 * and *control, which gets another number; nothing is printed any more. Ends the process with
 * status 3 if that fails. `file` is of file_bytes, in blocks of 4096. */
struct fuse_session *fuse_server_begin(const struct fuse_lowlevel_ops *operations, size_t size,
				       uint64_t file_bytes, int device, int *control);

/* Two of the operations, for all. */
void fuse_server_lookup(struct fuse_req *req, uint64_t parent, const char *name);
void fuse_server_getattr(struct fuse_req *req, uint64_t inode, struct fuse_file_info *info);

#endif
