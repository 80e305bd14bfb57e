/*
 * ntt-mount-helper(1) and ntt-sandbox(1) take the same commands, print the
 * same object and refuse with the same words: those are here.
 */
#ifndef NTT_MOUNT_COMMAND_H
#define NTT_MOUNT_COMMAND_H

#include <stdint.h>

#include "base/buf.h"
#include "image/layout.h"

/* The medium the object is of; wrong usage unless it can be one. */
void mount_command_medium(const char *hash);

/* Opens the object; layout is "single", "multi", or NULL: nothing mounted. */
void mount_command_begin(struct buf *b, const char *layout);
/* The object of a medium that is not mounted; error may be NULL. */
void mount_command_print_nothing(const char *error);
/* The object as it was registered, as of one that was mounted before. */
void mount_command_print_already(const char *json);

/* Says why, prints an object without mounts that has it as error, and exits. */
void mount_refuse(int status, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/*
 * Recognises what is on the image of this name, without rights.  view: the lost
 * bytes, NULL: none.  found: the result of a search, NULL: search.  Refuses an
 * image with nothing to mount, with bits_only if it has no file system at all, and
 * reports the finding of any other.
 */
void mount_command_recognise(struct layout *l, int fd, uint64_t size,
	const struct view *view, const char *path, int timeout_ms,
	const struct layout_found *found);

#endif
