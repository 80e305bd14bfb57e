/* What is taken off the paths of a .raw. */
#define _GNU_SOURCE
#include <stdlib.h>

#include "base/diag.h"
#include "ntt-loader/strip.h"
#include "tap.h"

#define HASH "0123456789abcdef0123456789abcdef"

static struct raw_record
record(const char *path, char type, unsigned int mode)
{
	return (struct raw_record){
		.type = type, .mode = mode, .path = path,
		.path_len = strlen(path)
	};
}

/* want NULL: refused; "!": nothing can be told from first */
static void
try(const char *given, const char *medium, const char *first, char type,
    unsigned int mode, const char *path, const char *want)
{
	struct raw_record r = record(first, type, mode);
	struct strip s;
	const char *got;
	size_t len = 0;
	char *text = NULL;

	if (strip_init(&s, given, "/mnt/ntt", medium, &r) < 0) {
		tap_ok(want && *want == '!', "%s tells nothing", quoted(first));
		strip_free(&s);
		return;
	}
	got = strip_path(&s, path, strlen(path), &len);
	if (got) {
		text = malloc(len + 1);
		memcpy(text, got, len);
		text[len] = '\0';
	}
	if (!want || !text)
		tap_ok(!want && !text, "%s after %s", quoted(path),
		    quoted(first));
	else
		tap_is_str(text, want, "%s after %s", quoted(path),
		    quoted(first));
	free(text);
	strip_free(&s);
}

static void
roots(void)
{
	try(NULL, HASH, "/home/me", 'd', 0, "/home/me/a", "a");
	try(NULL, HASH, "/home/me", 'd', 0, "/home/me", "");
	try(NULL, HASH, "/home/me/", 'd', 0, "/home/me/a/b", "a/b");
	try(NULL, HASH, "/home/me", 'd', 0, "/home/men", NULL);
	try(NULL, HASH, "/home/me", 'd', 0, "/home", NULL);
	try(NULL, HASH, ".", 'd', 0, "./a", "a");
	try(NULL, HASH, "/", 'd', 0, "/a", "a");
	try(NULL, HASH, "/x\n\034\xff", 'd', 0, "/x\n\034\xff/\001", "\001");
	try(NULL, HASH, "/home/file", 'f', 0, "/home/file", "!");
	try(NULL, HASH, "/home/me", '?', 0755, "/home/me/a", "a");
	try(NULL, HASH, "/home/me", '?', 040755, "/home/me/a", "a");
	try(NULL, HASH, "/home/me", '?', 0100644, "/home/me/a", "!");
}

static void
mounts(void)
{
	try(NULL, HASH, "/mnt/ntt/" HASH, 'd', 0, "/mnt/ntt/" HASH "/a", "a");
	try(NULL, HASH, "/mnt/ntt/" HASH "/p1", 'd', 0,
	    "/mnt/ntt/" HASH "/p2/a", "p2/a");
	try(NULL, HASH, "/mnt/ntt/" HASH "/f", 'f', 0,
	    "/mnt/ntt/" HASH "/g", "g");
	try(NULL, "floppy", "/mnt/ntt/floppy", 'd', 0, "/mnt/ntt/floppy/a",
	    "a");
	/* somebody else's mount root */
	try(NULL, HASH, "/media/x/" HASH "/p1", 'd', 0,
	    "/media/x/" HASH "/p2/a", "p2/a");
	try(NULL, HASH, "/media/x/" HASH, 'd', 0, "/media/x/" HASH "/a", "a");
	/* a directory inside one, or of that name, is only a directory */
	try(NULL, HASH, "/media/" HASH "/pictures", 'd', 0,
	    "/media/" HASH "/pictures/a", "a");
	try(NULL, HASH, "/media/" HASH "x/p1", 'd', 0,
	    "/media/" HASH "x/p1/a", "a");
	try(NULL, "photos", "/data/photos/p1", 'd', 0, "/data/photos/p1/a",
	    "a");
	try(NULL, "carved-sda", "carved-sda/recup_dir.1/f1", 'f', 0,
	    "carved-sda/recup_dir.1/f2", "recup_dir.1/f2");
}

static void
given(void)
{
	try("/a/b", HASH, "/a/b/c", 'f', 0, "/a/b/c/d", "c/d");
	try("/a/b/", HASH, "/a/b/c", 'd', 0, "/a/b/d", "d");
	try("/a/b", HASH, "/a/bc", 'd', 0, "/a/bc", NULL);
	try("p1:x", HASH, "p1:x", 'd', 0, "p1:x/y", "y");
}

static void
old_partitions(void)
{
	try(NULL, HASH, "p1:", '?', 0755, "p1:/a/b", "p1/a/b");
	try(NULL, HASH, "p1:", '?', 0755, "p1:", "p1");
	try(NULL, HASH, "p1:", '?', 0755, "p12:a", "p12/a");
	try(NULL, HASH, "p1:/x", '?', 0644, "p2:/x", "p2/x");
	try(NULL, HASH, "p1:/x", '?', 0644, "/x", NULL);
	try(NULL, HASH, "p1:/x", '?', 0644, "px:/x", NULL);
	try(NULL, HASH, "p1:/mnt/ntt/" HASH "/p1", 'd', 0,
	    "p2:/mnt/ntt/" HASH "/p2/a", "p2/a");
	try(NULL, HASH, "p1:/mnt/ntt/" HASH, 'd', 0,
	    "p1:/mnt/ntt/" HASH "/a", "p1/a");
	try("/old", HASH, "p1:/old/a", 'f', 0, "p2:/old/b", "p2/b");
	try(NULL, HASH, "p1:a", 'f', 0, "p1:b:c", "p1/b:c");
}

int
main(void)
{
	roots();
	mounts();
	given();
	old_partitions();
	return tap_done();
}
