#define _GNU_SOURCE
#include "owners.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"

enum {
	FILE_MAX = 4 << 20,	/* bytes of a passwd; a damaged one has more */
	OWNERS_MAX = 1 << 16
};

static size_t
find(const struct owner_table *t, uint32_t id)
{
	size_t i;

	if (t->last < t->count && t->list[t->last].id == id)
		return t->last;
	for (i = 0; i < t->count && t->list[i].id != id; i++)
		;
	return i;
}

/* name is taken over. */
static void
add(struct owner_table *t, uint32_t id, char *name)
{
	if ((t->count & (t->count - 1)) == 0)
		t->list = xrealloc(t->list, (t->count ? 2 * t->count : 1) *
		    sizeof *t->list);
	t->list[t->count++] = (struct owner){ .id = id, .name = name };
}

/* name:password:id:… */
static void
add_line(struct owner_table *t, char *line)
{
	char *colon = strchr(line, ':'), *end;
	char *second = colon ? strchr(colon + 1, ':') : NULL;
	unsigned long id;

	if (!second || colon == line)
		return;
	id = strtoul(second + 1, &end, 10);
	if (end == second + 1 || *end != ':' || id > UINT32_MAX)
		return;
	*colon = '\0';
	if (t->count < OWNERS_MAX && find(t, (uint32_t)id) == t->count)
		add(t, (uint32_t)id, xstrdup(line));
}

static void
read_table(struct owner_table *t, int root, const char *path)
{
	int fd = open_beneath(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY |
	    O_CLOEXEC, 0);
	struct stat st;
	char *text, *line, *rest;
	ssize_t n;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size <= FILE_MAX) {
		text = rest = xmalloc((size_t)st.st_size + 1);
		n = read_full(fd, text, (size_t)st.st_size);
		text[n > 0 ? n : 0] = '\0';
		while ((line = strsep(&rest, "\n")))
			add_line(t, line);
		free(text);
	}
	close(fd);
}

void
owners_open(struct owners *o, const char *root, int of_volume)
{
	int fd;

	memset(o, 0, sizeof *o);
	o->of_volume = of_volume;
	fd = of_volume ? open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	read_table(&o->users, fd, "etc/passwd");
	read_table(&o->groups, fd, "etc/group");
	close(fd);
}

static void
free_table(struct owner_table *t)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		free(t->list[i].name);
	free(t->list);
}

void
owners_close(struct owners *o)
{
	free_table(&o->users);
	free_table(&o->groups);
	memset(o, 0, sizeof *o);
}

static char *
name_here(uint32_t id, int is_group)
{
	const struct passwd *user = is_group ? NULL : getpwuid(id);
	const struct group *group = is_group ? getgrgid(id) : NULL;

	if (user)
		return xstrdup(user->pw_name);
	return group ? xstrdup(group->gr_name) : NULL;
}

static const char *
name_of(struct owners *o, struct owner_table *t, uint32_t id, int is_group)
{
	struct owner *owner;

	t->last = find(t, id);
	if (t->last == t->count && t->count == OWNERS_MAX)
		return NULL;
	if (t->last == t->count)
		add(t, id, o->of_volume ? NULL : name_here(id, is_group));
	owner = &t->list[t->last];
	if (owner->told)
		return NULL;
	owner->told = 1;
	return owner->name;
}

const char *
owners_user(struct owners *o, uint32_t id)
{
	return name_of(o, &o->users, id, 0);
}

const char *
owners_group(struct owners *o, uint32_t id)
{
	return name_of(o, &o->groups, id, 1);
}
