/* Whose fault it was, how often it is tried again, and how soon. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ntt-copier/error.h"
#include "tap.h"

static void
test_classes(void)
{
	static const struct {
		int err;
		const char *name;
	} want[] = {
		{ ENOENT, "path_error" }, { ENOTDIR, "path_error" },
		{ EISDIR, "path_error" }, { ENAMETOOLONG, "path_error" },
		{ ELOOP, "path_error" }, { ESTALE, "path_error" },
		{ EXDEV, "path_error" }, { EINVAL, "path_error" },
		{ EACCES, "permission_error" }, { EPERM, "permission_error" },
		{ EIO, "io_error" }, { EUCLEAN, "io_error" },
		{ EBADMSG, "io_error" }, { ENXIO, "io_error" },
		{ ENODATA, "io_error" }, { ENOTTY, "unknown" },
		{ ENOSPC, "unknown" }
	};
	size_t i;

	for (i = 0; i < sizeof want / sizeof *want; i++)
		tap_is_str(copy_class_name(copy_class_of(want[i].err)),
		    want[i].name, "%s", strerror(want[i].err));
}

static void
test_environment(void)
{
	static const int machine[] = { EMFILE, ENFILE, ENOMEM, ENOBUFS,
		ENOSYS }, file[] = { EIO, ENOENT, EACCES, EUCLEAN, ENODATA };
	size_t i;

	for (i = 0; i < sizeof machine / sizeof *machine; i++)
		tap_ok(copy_environment(machine[i]), "%s blames no file",
		    strerror(machine[i]));
	for (i = 0; i < sizeof file / sizeof *file; i++)
		tap_ok(!copy_environment(file[i]), "%s is the file's",
		    strerror(file[i]));
}

/* Nothing is tried again at once, nor for ever. */
static void
test_patience(void)
{
	int i, ms, sum = 0, last = 0, slower = 1;

	tap_is_u64((uint64_t)copy_backoff_ms(1), 20, "the first pause");
	tap_is_u64((uint64_t)copy_backoff_ms(2), 40, "twice as long");
	tap_is_u64((uint64_t)copy_backoff_ms(1000), 30000, "the longest");
	for (i = 1; i <= 50; i++) {
		ms = copy_backoff_ms(i);
		slower &= ms >= last && ms <= 30000;
		sum += last = ms;
	}
	tap_ok(slower, "each is as long as the one before, at least");
	tap_ok(sum > 1000000, "fifty attempts take a quarter of an hour");
	tap_is_u64((uint64_t)copy_attempts(COPY_IO_ERROR, 1, 0), 3,
	    "what cannot be read is tried three times");
	tap_is_u64((uint64_t)copy_attempts(COPY_IO_ERROR, 1, 1), 1,
	    "once where the map knows that it is lost");
	tap_is_u64((uint64_t)copy_attempts(COPY_PATH_ERROR, 1, 0), 10,
	    "ten times what is clear");
	tap_is_u64((uint64_t)copy_attempts(COPY_PERMISSION_ERROR, 0, 0), 5,
	    "five times where the health is not known");
	tap_is_u64((uint64_t)copy_attempts(COPY_UNKNOWN_ERROR, 1, 0), 50,
	    "fifty times what is unclear");
}

static void
test_text(void)
{
	char *known = copy_error_text(COPY_IO_ERROR, EIO);
	char *other = copy_error_text(COPY_UNKNOWN_ERROR, 9999);

	tap_is_str(known, "io_error EIO: Input/output error", "by its name");
	tap_is_str(other, "unknown errno: Unknown error 9999", "without one");
	free(known);
	free(other);
}

int
main(void)
{
	test_classes();
	test_environment();
	test_patience();
	test_text();
	return tap_done();
}
