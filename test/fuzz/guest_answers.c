#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ntt-sandbox/line.h"
#include "ntt-sandbox/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tree tree;
static int answers;

/* Whatever a guest says, a name is a name and a path leads down. */
static void
check_name(const struct guest_name *n)
{
	char name[GUEST_NAME_MAX + 1];
	struct buf path = BUF_INIT;
	struct node *node;

	if (n->e.name_len == 0 || n->e.name_len > GUEST_NAME_MAX)
		abort();
	memcpy(name, n->name, n->e.name_len);
	name[n->e.name_len] = '\0';
	if (strlen(name) != n->e.name_len || strchr(name, '/') ||
	    !strcmp(name, ".") || !strcmp(name, ".."))
		abort();
	if (n->e.err)
		return;
	if (n->e.size > INT64_MAX || n->e.mtime_ns > 999999999)
		abort();
	node = tree_find(&tree, tree.root, name, n->e.name_len);
	if (!node)
		node = tree_add(&tree, tree.root, n);
	if (!node)
		return;
	tree_path(&path, node, NULL);
	if (strcmp(path.data, name))
		abort();
	buf_free(&path);
}

static void
answered(void *arg, int err, const char *bytes, size_t len, int end)
{
	char *copy = malloc(len + 1);	/* reading past its end is seen */
	const char *at = copy, *content;
	struct guest_name n;
	struct guest_file f;

	(void)arg;
	(void)end;
	answers++;
	if (err < 0 || err > 133 || err == ENOSYS)
		abort();
	memcpy(copy, bytes, len);
	while (guest_name_next(&n, &at, copy + len, 1) == 1)
		check_name(&n);
	at = copy;
	if (guest_name_next(&n, &at, copy + len, 0) == 1 &&
	    n.e.name_len != 0)
		abort();
	at = copy;
	while (guest_file_next(&f, &content, &at, copy + len) == 1)
		if (content + f.len > copy + len)
			abort();
	copy[len] = '\0';
	guest_xlist_ok(copy, len);
	if (guest_link_ok(copy, len) && strlen(copy) != len)
		abort();
	free(copy);
}

/* Each of some questions is answered once, whatever comes on the line. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct guest_request question = { .op = GUEST_LIST };
	struct guest_name root = { .e = { .mode = 0040755 } };
	struct line line;
	int i;

	tree_init(&tree);
	tree_add(&tree, NULL, &root);
	line_init(&line, -1, 1000);
	answers = 0;
	for (i = 0; i < 4; i++)
		line_ask(&line, &question, "", 0, answered, NULL);
	line_hear(&line, (const char *)data, size / 2);
	line_hear(&line, (const char *)data + size / 2, size - size / 2);
	if (!line.dead)
		line_end(&line);
	if (answers != 4)
		abort();
	line_free(&line);
	tree_free(&tree);
	return 0;
}
