#define _GNU_SOURCE
#include "photo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "store/store.h"
#include "answer.h"
#include "picture.h"

char *
photo_of(const char *medium)
{
	static const char *const endings[] = { ".jpg", ".jpeg", ".png" };
	static int possible = -1;
	char *image, *path;
	size_t i;

	if (possible < 0)
		possible = picture_possible();
	image = medium_image(medium);
	for (i = 0; possible && i < sizeof endings / sizeof endings[0]; i++) {
		path = image_companion(image, endings[i]);
		if (access(path, R_OK) == 0) {
			free(image);
			return path;
		}
		free(path);
	}
	free(image);
	return NULL;
}

void
get_photo(void)
{
	enum picture_size size = request_param(asked, "small") ?
	    PICTURE_PHOTO_SMALL : PICTURE_PHOTO_LARGE;
	enum picture_state state;
	struct buf jpeg = BUF_INIT;
	char id[STORE_ID + 1], *path;
	struct stat st;
	int fd;

	shown_medium();
	path = photo_of(asked->medium);
	fd = path ? open_regular(path, O_RDONLY, 0) : -1;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > PICTURE_MOST)
		refuse(404, MSG_E404, MSG_E404_LONG);
	/* the cache knows pictures by their contents */
	if (store_hash(fd, id) < 0) {
		warn("could not read %s: %s", quoted(path), strerror(errno));
		refuse(404, MSG_E404, MSG_E404_LONG);
	}
	PQfinish(db);
	state = picture_find(id, size, &jpeg);
	if (state == PICTURE_UNKNOWN) {
		buf_reset(&jpeg);
		state = picture_make(path, id, size, &jpeg);
	}
	if (state == PICTURE_NONE)
		refuse(415, MSG_E415, MSG_E415_LONG);
	if (state == PICTURE_UNKNOWN)
		refuse(503, MSG_E503_PICTURE, MSG_E503_PICTURE_LONG);
	picture_reply(&jpeg);
}
