/*
 * A row of the table medium, and how people name one.
 *
 *	struct medium m;
 *
 *	medium_named(db, name, &m);	ends the program unless it is one
 *	…
 *	medium_free(&m);
 *
 * A name is, in this order: a hash or label; the title or name that
 * ntt-list-media shows; the beginning of a hash, four digits or more; with a
 * slash, the directory, image or device that it was taken from; words of its
 * message; "last", the one that was added last.  The first of these that fits
 * any medium decides, and it must fit one medium alone.
 */
#ifndef NTT_MEDIUM_H
#define NTT_MEDIUM_H

#include <libpq-fe.h>
#include <stdint.h>

/* Strings are NULL where the row has none; times are as the server writes. */
struct medium {
	char *hash;
	char *human, *title, *message;
	char *kind;			/* device image directory carved raw */
	char *source_path, *image_path, *archive_path;	/* as files' names */
	char *health, *fs_type;
	char *added_at, *imaged_at, *enum_done, *copy_done, *archived_at;
	char *name_base, *fingerprint, *fingerprint_file;
	char *root, *listing, *listed_at, *follows;
	char *inventory;		/* catalogue/inventory.h */
	int state_number;
	int restricted;			/* shown where it is named */
	int64_t size;			/* bytes, -1 unknown */
	int64_t records;		/* that were loaded, -1 unknown */
};

/* By its hash: 1 and *m is the caller's; 0 there is none; -1 db_error(). */
int medium_get(PGconn *db, const char *hash, struct medium *m);
void medium_free(struct medium *m);

/* The title, else the name, else the hash. */
const char *medium_shown(const struct medium *m);
/* The medium has an image to mount, now or later. */
int medium_has_image(const struct medium *m);

/*
 * Looks name up: the number of media that fit, and the hashes of the first ten,
 * which the caller frees; -1 db_error().
 */
enum { MEDIUM_CANDIDATES = 10 };
int medium_find(PGconn *db, const char *name,
	char *hashes[MEDIUM_CANDIDATES]);

/*
 * The same for names out of a table that nobody looks at while it is read: no
 * words of messages, not "last", and eight digits or more of a hash, so that
 * the disk "1984" of a list is not the medium whose hash begins so.
 */
int medium_find_exact(PGconn *db, const char *name,
	char *hashes[MEDIUM_CANDIDATES]);

/*
 * For commands: the one medium that name means.  Ends the program with
 * EXIT_USAGE and the candidates when there are several, with EXIT_FAILED when
 * there is none.
 */
void medium_named(PGconn *db, const char *name, struct medium *m);
/* The same; only its hash, which the caller frees. */
char *medium_named_hash(PGconn *db, const char *name);

/*
 * "on 2026-11-29 by alice (a reason)", if the medium was removed and has not been
 * added since, else NULL; the caller's.  *failed: db_error().
 */
char *medium_removed(PGconn *db, const char *hash, int *failed);

/* 1: the medium has its partitions, 0: not loaded, -1: db_error(). */
int medium_loaded(PGconn *db, const char *hash);

#endif
