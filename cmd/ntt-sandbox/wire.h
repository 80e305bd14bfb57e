/*
 * How a guest (ntt-sandbox(1)) shows a volume: the bytes between the server
 * in the guest and the client on the host.
 *
 * One serial line carries one volume.  The client writes requests; the server
 * answers each of them but CLOSE, one after the other, in their order.  A
 * request is a struct guest_request and len bytes, an answer is a struct
 * guest_answer and len bytes.  Both ends are the same program on the same
 * machine, so numbers have the machine's byte order and structures its layout.
 *
 *	op	bytes of the request	bytes of the answer
 *	STAT	path			one entry, its name empty
 *	LIST	path			entries; offset: where to begin, 0 or
 *					the offset of an entry
 *	READLINK path			the target
 *	OPEN	path			uint32_t: a handle
 *	PREAD	none			size bytes of handle at offset
 *	READALL	paths, each with NUL	for each path in turn a struct
 *					guest_file and its bytes; no file has
 *					more than size
 *	CLOSE	none			(no answer)
 *	XLIST	path			names of attributes, each with NUL
 *	XGET	path NUL name		the value
 *	STATFS	none			a struct guest_statfs
 *	PLACES	path			struct fibmap_place from offset on, as
 *					in guest/places.h
 *
 * A path is relative to the volume's root, which is the empty path, and has
 * no slash at either end.  No component of it is "." or "..", and the server
 * follows no symbolic link.
 *
 * err is the errno of the call in the guest, 0 if there was none.  LIST and
 * PREAD may give both bytes and err: what was read before the error.  A LIST
 * that ended, in an error or not, has GUEST_END in its flags.  An entry has an
 * err of its own: the name is there, its inode cannot be read.
 *
 * Trust: the server believes the client.  The client believes nothing, for the
 * image may have taken the guest over.  Every answer goes through the functions
 * below before a byte of it is used.  An answer that breaks the rules of this
 * page ends the connection; what a damaged file system may truly say (a size
 * below 0, nanoseconds beyond a second) is the error of that one entry.
 */
#ifndef NTT_SANDBOX_WIRE_H
#define NTT_SANDBOX_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum guest_op {
	GUEST_STAT = 1, GUEST_LIST, GUEST_READLINK, GUEST_OPEN, GUEST_PREAD,
	GUEST_READALL, GUEST_CLOSE, GUEST_XLIST, GUEST_XGET, GUEST_STATFS,
	GUEST_PLACES
};

enum {
	GUEST_PATH_MAX = 1 << 20,	/* bytes of a path */
	GUEST_NAME_MAX = 1024,		/* of a name: what FUSE carries */
	GUEST_LINK_MAX = 4095,		/* of a target */
	GUEST_READ_MAX = 1 << 20,	/* of a PREAD */
	GUEST_SMALL = 16 << 10,		/* of a file in a READALL */
	GUEST_FILES_MAX = 64,		/* files of a READALL */
	GUEST_LIST_FULL = 192 << 10,	/* bytes after which a LIST pauses */
	GUEST_XATTR_MAX = 64 << 10,
	GUEST_REQUEST_MAX = 2 << 20,	/* bytes behind a request */
	GUEST_ANSWER_MAX = 2 << 20	/* bytes behind an answer */
};

struct guest_request {
	uint32_t id, op, len, handle;
	uint64_t offset;
	uint32_t size, unused;
};

enum { GUEST_END = 1 };

struct guest_answer {
	uint32_t id;
	int32_t err;
	uint32_t len, flags;
};

enum { GUEST_NO_XATTRS = 1 };	/* of an entry: XLIST would find none */

/* Followed by name_len bytes of the name and link_len of the target. */
struct guest_entry {
	uint64_t offset;	/* where LIST goes on behind this entry */
	uint64_t dev, ino, size, blocks;
	int64_t atime, mtime, ctime;
	uint32_t atime_ns, mtime_ns, ctime_ns;
	uint32_t mode, nlink, uid, gid;
	uint32_t rdev_major, rdev_minor;
	int32_t err;
	uint32_t flags;
	uint16_t name_len, link_len;
};

struct guest_file {
	int32_t err;
	uint32_t len;
};

struct guest_statfs {
	uint64_t blocks, bfree, bavail, files, ffree;
	uint32_t bsize, frsize, namelen, unused;
};

/* ---- on the host ---- */

/*
 * A guest's errno as one that may be passed on: EIO for what is none, or what
 * would have a meaning of its own between FUSE and its server.
 */
int guest_errno(int32_t err);

/* Is it the answer to id? */
int guest_answer_ok(const struct guest_answer *a, uint32_t id);

/* An entry in the bytes of an answer, and its strings there. */
struct guest_name {
	struct guest_entry e;
	const char *name, *link;	/* without NUL */
};

/*
 * The entry at *at, which moves behind it: 1; 0 at end; -1: it is none.
 * named: of a LIST; without, of a STAT.
 */
int guest_name_next(struct guest_name *n, const char **at, const char *end,
	int named);

/* As guest_name_next() for the files of a READALL; *bytes are f->len. */
int guest_file_next(struct guest_file *f, const char **bytes,
	const char **at, const char *end);

/* Is it the target of a link, a list of names of attributes? */
int guest_link_ok(const char *bytes, size_t len);
int guest_xlist_ok(const char *bytes, size_t len);

#endif
