#define _GNU_SOURCE
#define FUSE_USE_VERSION 314
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ahead.h"
#include "base/exits.h"
#include "base/num.h"
#include "base/procstat.h"
#include "base/sig.h"
#include "guest/places.h"
#include "line.h"
#include "tree.h"

/* Nothing on the image changes; longer than any mount. */
#define FOR_EVER 1e9

struct client {
	struct fuse_session *session;
	struct line line;
	struct tree tree;
	struct ahead ahead;
	int alone;
	struct buf path;	/* of the request that is made */
	sigset_t waiting;	/* the signals that are held back at other
				 * times are not while it waits */
};

/* libfuse hands no pointer to gone(): one process, one client. */
static struct client client;

/* An open file; its content where it was small. */
struct file {
	uint32_t handle;
	char *bytes;		/* all of it, or NULL: there is a handle */
};

/* An open directory, and the last part of its listing. */
struct dir {
	char *bytes;		/* entries */
	size_t len, at;		/* at: of the next one to be shown */
	uint64_t from;		/* the offset they were asked for at */
	uint64_t shown;		/* the offset of the last one shown */
	int known;		/* there is such a part */
	int end, err;		/* nothing comes behind it, for this reason */
};

/* A call that waits for the guest. */
struct call {
	fuse_req_t req;
	struct node *node;	/* referred to */
	struct file *file;
	struct dir *dir;
	char *name;		/* in node */
	size_t size;
	off_t offset;
	int plus;
	struct node **group;	/* referred to, with node the first */
	size_t group_count;
};

static struct node *
node_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? client.tree.root :
	    (struct node *)(uintptr_t)ino;
}

static fuse_ino_t
number_of(const struct node *n)
{
	return n == client.tree.root ? FUSE_ROOT_ID : (uintptr_t)n;
}

static struct call *
new_call(fuse_req_t req, struct node *n)
{
	struct call *c = xcalloc(1, sizeof *c);

	c->req = req;
	c->node = n;
	tree_ref(n, 1);
	return c;
}

static void
end_call(struct call *c)
{
	size_t i;

	for (i = 0; i < c->group_count; i++)
		tree_unref(&client.tree, c->group[i], 1);
	tree_unref(&client.tree, c->node, 1);
	free(c->group);
	free(c->name);
	free(c);
}

/* A request about the path of the node, or of name in it. */
static void
ask(struct call *c, struct guest_request r, const char *name,
    line_answered *answered)
{
	tree_path(&client.path, c->node, name);
	if (client.path.len > GUEST_PATH_MAX)
		answered(c, ENAMETOOLONG, "", 0, 1);
	else
		line_ask(&client.line, &r, client.path.data, client.path.len,
		    answered, c);
}

/* ---- names ---- */

static void
describe(const struct node *n, struct fuse_entry_param *e)
{
	memset(e, 0, sizeof *e);
	e->ino = number_of(n);
	e->attr = n->st;
	e->attr_timeout = e->entry_timeout = FOR_EVER;
}

/* The kernel has one more reference. */
static void
reply_node(fuse_req_t req, struct node *n)
{
	struct fuse_entry_param e;

	describe(n, &e);
	tree_ref(n, 1);
	if (fuse_reply_entry(req, &e) < 0)
		tree_unref(&client.tree, n, 1);
}

static void
looked_up(void *arg, int err, const char *bytes, size_t len, int end)
{
	struct fuse_entry_param none = { .entry_timeout = FOR_EVER };
	struct call *c = arg;
	struct guest_name n;
	struct node *node;
	const char *at = bytes;

	(void)end;
	if (!err && (guest_name_next(&n, &at, bytes + len, 0) != 1 ||
	    at != bytes + len))
		err = EIO;
	if (!err)
		err = n.e.err;
	if (err == ENOENT)
		fuse_reply_entry(c->req, &none);
	else if (err)
		fuse_reply_err(c->req, err);
	if (err)
		goto out;
	/* two may have asked at once */
	node = tree_find(&client.tree, c->node, c->name, strlen(c->name));
	n.name = c->name;
	n.e.name_len = (uint16_t)strlen(c->name);
	if (node)
		tree_ref(node, 1);
	else
		node = tree_add(&client.tree, c->node, &n);
	if (node)
		reply_node(c->req, node);
	else
		fuse_reply_err(c->req, EOVERFLOW);
	if (node)
		tree_unref(&client.tree, node, 1);
out:
	end_call(c);
}

static void
do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node *dir = node_of(parent), *n;
	struct call *c;

	if (strlen(name) > GUEST_NAME_MAX) {
		fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	n = tree_find(&client.tree, dir, name, strlen(name));
	if (n) {
		reply_node(req, n);
		return;
	}
	c = new_call(req, dir);
	c->name = xstrdup(name);
	ask(c, (struct guest_request){ .op = GUEST_STAT }, name, looked_up);
}

static void
do_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	tree_unref(&client.tree, node_of(ino), count);
	fuse_reply_none(req);
}

static void
do_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *f)
{
	size_t i;

	for (i = 0; i < count; i++)
		tree_unref(&client.tree, node_of(f[i].ino), f[i].nlookup);
	fuse_reply_none(req);
}

static void
do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	fuse_reply_attr(req, &node_of(ino)->st, FOR_EVER);
}

static void
link_read(void *arg, int err, const char *bytes, size_t len, int end)
{
	struct call *c = arg;

	(void)end;
	if (!err && !guest_link_ok(bytes, len))
		err = EIO;
	if (!err && !c->node->link)
		c->node->link = xasprintf("%.*s", (int)len, bytes);
	if (err)
		fuse_reply_err(c->req, err);
	else
		fuse_reply_readlink(c->req, c->node->link);
	end_call(c);
}

static void
do_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct node *n = node_of(ino);

	if (n->link)
		fuse_reply_readlink(req, n->link);
	else
		ask(new_call(req, n), (struct guest_request){
		    .op = GUEST_READLINK }, NULL, link_read);
}

/* ---- directories ---- */

static void
do_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct dir *d = xcalloc(1, sizeof *d);

	(void)ino;
	fi->fh = (uintptr_t)d;
	fi->cache_readdir = fi->keep_cache = 1;
	if (fuse_reply_open(req, fi) < 0)
		free(d);
}

static void
do_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct dir *d = (struct dir *)(uintptr_t)fi->fh;

	(void)ino;
	free(d->bytes);
	free(d);
	fuse_reply_err(req, 0);
}

/* The node of a name of the listing, referred to; NULL: it has none. */
static struct node *
listed_node(struct node *dir, const struct guest_name *n)
{
	struct node *node;

	if (n->e.err)
		return NULL;
	node = tree_find(&client.tree, dir, n->name, n->e.name_len);
	if (!node)
		return tree_add(&client.tree, dir, n);
	/* the name is there twice: the first one is what it leads to */
	if (node->st.st_ino != tree_inode(&client.tree, n->e.dev, n->e.ino))
		return NULL;
	tree_ref(node, 1);
	return node;
}

/* Adds one name; 0: it does not fit. */
static size_t
put_name(const struct call *c, char *to, size_t room,
    const struct guest_name *n)
{
	char *name = xasprintf("%.*s", (int)n->e.name_len, n->name);
	struct fuse_entry_param e = { .ino = 0 };
	struct node *node = NULL;
	size_t need = c->plus ?
	    fuse_add_direntry_plus(c->req, NULL, 0, name, NULL, 0) :
	    fuse_add_direntry(c->req, NULL, 0, name, NULL, 0);

	if (need > room)
		goto out;
	e.attr.st_mode = n->e.mode;
	e.attr.st_ino = tree_inode(&client.tree, n->e.dev, n->e.ino);
	if (c->plus)
		node = listed_node(c->node, n);
	/* the reference is the kernel's; that of a name without a node is
	 * looked for when somebody wants to know */
	if (node)
		describe(node, &e);
	if (c->plus)
		fuse_add_direntry_plus(c->req, to, room, name, &e,
		    (off_t)n->e.offset);
	else
		fuse_add_direntry(c->req, to, room, name, &e.attr,
		    (off_t)n->e.offset);
out:
	free(name);
	return need > room ? 0 : need;
}

static void list_on(struct call *c);

/* What fits of the part at hand. */
static void
show_names(struct call *c)
{
	struct dir *d = c->dir;
	char *names = xmalloc(c->size + 1);
	const char *at = d->bytes + d->at, *end = d->bytes + d->len;
	struct guest_name n;
	size_t used = 0, part;

	while (guest_name_next(&n, &at, end, 1) == 1) {
		part = put_name(c, names + used, c->size - used, &n);
		if (part == 0)
			break;
		used += part;
		d->at = (size_t)(at - d->bytes);
		d->shown = n.e.offset;
	}
	if (used == 0 && d->at == d->len && !d->end) {
		c->offset = (off_t)d->shown;
		list_on(c);
		free(names);
		return;
	}
	if (used == 0 && d->err)
		fuse_reply_err(c->req, d->err);
	else
		fuse_reply_buf(c->req, names, used);
	free(names);
	end_call(c);
}

/* Is every byte of it an entry, and is there one, or the end? */
static int
is_listing(const char *bytes, size_t len, int end)
{
	const char *at = bytes;
	struct guest_name n;
	int rc;

	while ((rc = guest_name_next(&n, &at, bytes + len, 1)) == 1)
		;
	return rc == 0 && (len > 0 || end);
}

static void
listed(void *arg, int err, const char *bytes, size_t len, int end)
{
	struct call *c = arg;
	struct dir *d = c->dir;

	if (!is_listing(bytes, len, end)) {
		err = EIO;
		len = 0;
	}
	free(d->bytes);
	d->bytes = xmalloc(len + 1);
	memcpy(d->bytes, bytes, len);
	d->len = len;
	d->at = 0;
	d->from = d->shown = (uint64_t)c->offset;
	d->err = err;
	d->end = end || err;
	d->known = 1;
	show_names(c);
}

static void
list_on(struct call *c)
{
	ask(c, (struct guest_request){ .op = GUEST_LIST,
	    .offset = (uint64_t)c->offset }, NULL, listed);
}

static void
read_dir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
    struct fuse_file_info *fi, int plus)
{
	struct call *c = new_call(req, node_of(ino));
	struct dir *d = (struct dir *)(uintptr_t)fi->fh;

	c->dir = d;
	c->size = size;
	c->offset = offset;
	c->plus = plus;
	if (d->known && d->from == (uint64_t)offset)
		d->at = 0;
	else if (!d->known || d->shown != (uint64_t)offset) {
		list_on(c);
		return;
	}
	show_names(c);
}

static void
do_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	read_dir(req, ino, size, offset, fi, 0);
}

static void
do_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	read_dir(req, ino, size, offset, fi, 1);
}

/* ---- contents ---- */

static void
close_file(struct file *f)
{
	if (!f->bytes)
		line_ask(&client.line, &(struct guest_request){
		    .op = GUEST_CLOSE, .handle = f->handle }, "", 0, NULL,
		    NULL);
	free(f->bytes);
	free(f);
}

static void
reply_file(fuse_req_t req, uint32_t handle, char *bytes)
{
	struct fuse_file_info fi = { .keep_cache = 1 };
	struct file *f = xcalloc(1, sizeof *f);

	f->handle = handle;
	f->bytes = bytes;
	fi.fh = (uintptr_t)f;
	if (fuse_reply_open(req, &fi) < 0)
		close_file(f);
}

static void
opened(void *arg, int err, const char *bytes, size_t len, int end)
{
	struct call *c = arg;
	uint32_t handle;

	(void)end;
	if (!err && len != sizeof handle)
		err = EIO;
	if (err) {
		fuse_reply_err(c->req, err);
	} else {
		memcpy(&handle, bytes, sizeof handle);
		reply_file(c->req, handle, NULL);
	}
	end_call(c);
}

/* The files of the group, as far as they are what their directory said. */
static void
hold_all(const struct call *c, const char *bytes, size_t len)
{
	const char *at = bytes, *content;
	struct guest_file f;
	size_t i;

	for (i = 0; i < c->group_count; i++)
		if (guest_file_next(&f, &content, &at, bytes + len) != 1)
			break;
		else if (!f.err && f.len ==
		    (uint64_t)c->group[i]->st.st_size)
			ahead_hold(&client.ahead, c->group[i], content,
			    f.len);
}

/* Of a file that could not be read whole the errors are to be seen. */
static void
group_read(void *arg, int err, const char *bytes, size_t len, int end)
{
	struct call *c = arg;
	char *content;

	(void)end;
	if (!err)
		hold_all(c, bytes, len);
	content = ahead_take(&client.ahead, c->node);
	if (content) {
		reply_file(c->req, 0, content);
		end_call(c);
	} else {
		ask(c, (struct guest_request){ .op = GUEST_OPEN }, NULL,
		    opened);
	}
}

static void
read_group(struct call *c)
{
	struct buf paths = BUF_INIT;
	size_t i;

	c->group = xcalloc(GUEST_FILES_MAX, sizeof *c->group);
	c->group_count = ahead_group(&client.ahead, c->node, c->group);
	for (i = 0; i < c->group_count; i++) {
		tree_ref(c->group[i], 1);
		tree_path(&client.path, c->group[i], NULL);
		buf_put(&paths, client.path.data, client.path.len + 1);
	}
	if (paths.len > GUEST_PATH_MAX)
		group_read(c, ENAMETOOLONG, "", 0, 1);
	else
		line_ask(&client.line, &(struct guest_request){
		    .op = GUEST_READALL, .size = GUEST_SMALL }, paths.data,
		    paths.len, group_read, c);
	buf_free(&paths);
}

static void
do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node *n = node_of(ino);
	struct call *c;
	char *content;

	if ((fi->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(req, EROFS);
		return;
	}
	content = ahead_take(&client.ahead, n);
	if (content) {
		reply_file(req, 0, content);
		return;
	}
	c = new_call(req, n);
	if (ahead_is_small(n) && !n->fetched && !client.alone)
		read_group(c);
	else
		ask(c, (struct guest_request){ .op = GUEST_OPEN }, NULL,
		    opened);
}

static void
do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	close_file((struct file *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

/* c->size is what the directory has promised. */
static void
was_read(void *arg, int err, const char *bytes, size_t len, int end)
{
	struct call *c = arg;

	(void)end;
	if (!err && len != c->size)
		err = EIO;
	if (err)
		fuse_reply_err(c->req, err);
	else
		fuse_reply_buf(c->req, bytes, len);
	end_call(c);
}

static void
do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	struct file *f = (struct file *)(uintptr_t)fi->fh;
	struct node *n = node_of(ino);
	struct call *c;

	if (offset >= n->st.st_size)
		size = 0;
	else if ((off_t)size > n->st.st_size - offset)
		size = (size_t)(n->st.st_size - offset);
	if (size == 0 || f->bytes) {
		fuse_reply_buf(req, size ? f->bytes + offset : "", size);
		return;
	}
	c = new_call(req, n);
	c->size = size;
	line_ask(&client.line, &(struct guest_request){ .op = GUEST_PREAD,
	    .handle = f->handle, .offset = (uint64_t)offset,
	    .size = (uint32_t)size }, "", 0, was_read, c);
}

/* ---- attributes and the rest ---- */

static void
reply_value(struct call *c, int err, const char *bytes, size_t len)
{
	if (err)
		fuse_reply_err(c->req, err);
	else if (c->size == 0)
		fuse_reply_xattr(c->req, len);
	else if (len > c->size)
		fuse_reply_err(c->req, ERANGE);
	else
		fuse_reply_buf(c->req, bytes, len);
	end_call(c);
}

static void
got_xattr(void *arg, int err, const char *bytes, size_t len, int end)
{
	(void)end;
	if (!err && len > GUEST_XATTR_MAX)
		err = EIO;
	reply_value(arg, err, bytes, len);
}

static void
got_xlist(void *arg, int err, const char *bytes, size_t len, int end)
{
	(void)end;
	if (!err && !guest_xlist_ok(bytes, len))
		err = EIO;
	reply_value(arg, err, bytes, len);
}

/* Is it "ntt.places.N"? */
static int
is_places(const char *name, uint64_t *from)
{
	size_t len = strlen(GUEST_PLACES_PREFIX);

	if (strncmp(name, GUEST_PLACES_PREFIX, len))
		return 0;
	return num_u64(name + len, 0, INT64_MAX, from) == 0;
}

static void
do_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct node *n = node_of(ino);
	struct call *c = new_call(req, n);
	uint64_t from;

	c->size = size;
	if (is_places(name, &from)) {
		ask(c, (struct guest_request){ .op = GUEST_PLACES,
		    .offset = from }, NULL, got_xattr);
		return;
	}
	if (n->no_xattrs) {
		reply_value(c, ENODATA, "", 0);
		return;
	}
	tree_path(&client.path, n, NULL);
	buf_put(&client.path, "", 1);
	buf_puts(&client.path, name);
	line_ask(&client.line, &(struct guest_request){ .op = GUEST_XGET },
	    client.path.data, client.path.len, got_xattr, c);
}

static void
do_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct node *n = node_of(ino);
	struct call *c = new_call(req, n);

	c->size = size;
	if (n->no_xattrs)
		reply_value(c, 0, "", 0);
	else
		ask(c, (struct guest_request){ .op = GUEST_XLIST }, NULL,
		    got_xlist);
}

static void
got_statfs(void *arg, int err, const char *bytes, size_t len, int end)
{
	struct call *c = arg;
	struct guest_statfs f;
	struct statvfs v = { .f_bsize = 0 };

	(void)end;
	if (!err && len != sizeof f)
		err = EIO;
	if (err) {
		fuse_reply_err(c->req, err);
	} else {
		memcpy(&f, bytes, sizeof f);
		v.f_bsize = f.bsize;
		v.f_frsize = f.frsize;
		v.f_blocks = f.blocks;
		v.f_bfree = f.bfree;
		v.f_bavail = f.bavail;
		v.f_files = f.files;
		v.f_ffree = f.ffree;
		v.f_namemax = f.namelen;
		fuse_reply_statfs(c->req, &v);
	}
	end_call(c);
}

static void
do_statfs(fuse_req_t req, fuse_ino_t ino)
{
	(void)ino;
	ask(new_call(req, client.tree.root), (struct guest_request){
	    .op = GUEST_STATFS }, NULL, got_statfs);
}

static void
do_init(void *arg, struct fuse_conn_info *conn)
{
	(void)arg;
	conn->want |= conn->capable & (FUSE_CAP_READDIRPLUS |
	    FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_READ);
	conn->want &= ~(unsigned int)FUSE_CAP_READDIRPLUS_AUTO;
	conn->max_read = GUEST_READ_MAX;
}

static const struct fuse_lowlevel_ops operations = {
	.init = do_init, .lookup = do_lookup, .forget = do_forget,
	.forget_multi = do_forget_multi, .getattr = do_getattr,
	.readlink = do_readlink, .opendir = do_opendir,
	.readdir = do_readdir, .readdirplus = do_readdirplus,
	.releasedir = do_releasedir, .open = do_open, .read = do_read,
	.release = do_release, .getxattr = do_getxattr,
	.listxattr = do_listxattr, .statfs = do_statfs
};

/* ---- the process ---- */

static void
node_gone(struct node *n)
{
	ahead_drop(&client.ahead, n);
}

struct root_answer {
	int done, err;
};

static void
root_known(void *arg, int err, const char *bytes, size_t len, int end)
{
	struct root_answer *a = arg;
	const char *at = bytes;
	struct guest_name n;

	(void)end;
	if (!err && guest_name_next(&n, &at, bytes + len, 0) != 1)
		err = EIO;
	if (!err)
		err = n.e.err;
	if (!err && !S_ISDIR(n.e.mode))
		err = ENOTDIR;
	if (!err && !tree_add(&client.tree, NULL, &n))
		err = EOVERFLOW;
	a->done = 1;
	a->err = err;
}

/* One turn of the loop; -1: it cannot go on. */
static int
step(int fuse, struct fuse_buf *buf)
{
	struct pollfd p[2] = {
		{ .fd = client.line.fd, .events = line_events(&client.line) },
		{ .fd = fuse, .events = POLLIN }
	};
	int n, left = line_left(&client.line, monotonic_ms());
	struct timespec limit = { left / 1000, left % 1000 * 1000000L };

	if (client.line.dead)
		p[0].fd = -1;
	if (ppoll(p, 2, left < 0 ? NULL : &limit, &client.waiting) < 0)
		return errno == EINTR && !sig_caught() ? 0 : -1;
	line_step(&client.line, p[0].fd < 0 ? 0 : p[0].revents,
	    monotonic_ms());
	if (fuse < 0 || !p[1].revents)
		return 0;
	n = fuse_session_receive_buf(client.session, buf);
	if (n <= 0)
		return n == -EINTR || n == -EAGAIN ? 0 : -1;
	fuse_session_process_buf(client.session, buf);
	return 0;
}

static int
learn_root(void)
{
	struct root_answer a = { 0, 0 };

	line_ask(&client.line, &(struct guest_request){ .op = GUEST_STAT },
	    "", 0, root_known, &a);
	while (!a.done && step(-1, NULL) == 0)
		;
	return a.done && !a.err ? 0 : -1;
}

/*
 * What root has mounted this process can no longer unmount when it has become
 * somebody else: fusermount3 does, when it ends.  For others fusermount3 does
 * not, because it may not look at the mount.
 */
static struct fuse_session *
new_session(int everybody)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *session;

	fuse_opt_add_arg(&args, "ntt-sandbox");
	fuse_opt_add_arg(&args, "-oro,nosuid,nodev,noexec,noatime,"
	    "fsname=ntt-sandbox,subtype=ntt-guest,max_read=1048576");
	if (everybody)
		fuse_opt_add_arg(&args, "-oallow_other,default_permissions,"
		    "auto_unmount");
	session = fuse_session_new(&args, &operations, sizeof operations,
	    NULL);
	fuse_opt_free_args(&args);
	return session;
}

/* To end with the parent, which a change of the user would undo. */
static int
become(unsigned int user, pid_t parent)
{
	if (user && (setgroups(0, NULL) < 0 ||
	    setresgid(user, user, user) < 0 ||
	    setresuid(user, user, user) < 0))
		return -1;
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		return -1;
	return getppid() == parent ? 0 : -1;
}

static void
hold_signals(void)
{
	sigset_t ending;

	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGHUP);
	sig_catch();
	sigprocmask(SIG_BLOCK, &ending, &client.waiting);
}

int
client_run(const struct client_options *o)
{
	struct fuse_buf buf = { .mem = NULL };
	pid_t parent = getppid();
	int fuse;

	hold_signals();
	line_init(&client.line, o->line, o->limit_ms);
	tree_init(&client.tree);
	ahead_init(&client.ahead);
	client.alone = o->alone;
	client.tree.gone = node_gone;
	if (fcntl(o->line, F_SETFL, O_NONBLOCK) < 0 || learn_root() < 0)
		return EXIT_FAILED;
	client.session = new_session(o->everybody);
	if (!client.session ||
	    fuse_session_mount(client.session, o->point) < 0 ||
	    become(o->user, parent) < 0)
		return EXIT_FAILED;
	fuse = fuse_session_fd(client.session);
	while (!fuse_session_exited(client.session) && step(fuse, &buf) == 0)
		;
	fuse_session_unmount(client.session);
	return EXIT_DONE;
}
