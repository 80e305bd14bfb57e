/*
 * Lists of known contents: hashes of software that everybody has, as the NSRL
 * and others publish them.
 *
 * A list is text; of each line those hashes count that stand before its first
 * other word: bare, as md5sum and its kin write them, as hashdeep does, or as
 * the CSV of the NSRL's RDS.  MD5 has 32 digits, SHA-1 40; 64 are SHA-256 or
 * BLAKE3, which the contents themselves tell apart: a list that knows one of
 * them by its BLAKE3 has BLAKE3.
 *
 * A list of 50 million lines takes no more memory than a short one: the server
 * gets it in parts.
 */
#ifndef NTT_KNOWN_H
#define NTT_KNOWN_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

enum { KNOWN_MD5 = 1, KNOWN_SHA1 = 2, KNOWN_SHA256 = 4, KNOWN_BLAKE3 = 8 };
enum { KNOWN_HASHES = 4 };		/* of a line, at most */

struct known_line {
	const char *hex[KNOWN_HASHES];
	size_t len[KNOWN_HASHES];
	size_t count;
	int kinds;		/* KNOWN_…, added up; 64 digits: SHA-256 */
	int remark;		/* there is nothing in it to be understood */
};

/* The hashes of a line that need not end with a NUL. */
void known_line_read(struct known_line *l, const char *line, size_t len);

struct known {
	uint64_t lines, hashes, left_out;	/* of the file */
	uint64_t known, compared, contents;	/* of the catalogue */
	int missing;		/* KNOWN_…: what those not compared lack */
};

/*
 * Compares a list with the contents.  The table known_blob of this session has
 * the result, in a transaction that the caller ends.  Ends the program if the
 * file or the catalogue fails, and if the file is no such list.
 */
void known_compare(struct known *k, PGconn *db, const char *file);

/*
 * The same with the list of this name, if the catalogue has it and list has no
 * slash: 1, else 0; no transaction.
 */
int known_recall(struct known *k, PGconn *db, const char *list);

/* Warns of contents that were not compared, and of lines without a hash: 1. */
int known_say_left(const struct known *k, const char *list);

#endif
