/*
 * What is asked of the collection: the tests of ntt-find, as options and
 * operands, for every program that chooses contents or places.
 *
 *	static struct question q;
 *
 *	static const struct prog_option options[] = {
 *		QUESTION_OPTIONS(q),
 *		OPT_END
 *	};
 *	…
 *	question_options(&q);		of the options: ends with EXIT_USAGE
 *	prog_config();
 *	db = db_open();
 *	question_read(&q, db);		of the operands
 *	left = question_ask(&q, db, take);
 */
#ifndef NTT_QUESTION_H
#define NTT_QUESTION_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/prog.h"
#include "find/known.h"
#include "find/match.h"
#include "find/search.h"

struct question_scope;

struct question {
	struct option_list patterns;
	const char *medium, *message, *types, *mime, *size, *copies, *newer;
	const char *older;
	const char *hash, *same_as, *words, *fact, *known, *not_known;
	struct matcher names;
	struct tests tests;
	int restricted;		/* such media too, without being named */
	/* private: where to look; of no medium: in all of them */
	struct known list;
	struct question_scope *scopes;
	size_t scope_count;
};

#define QUESTION_OPTIONS(q) \
	OPT_MEDIUM, \
	{ 0, "message", "WORDS", "only media whose message has these words", \
		OPT_TEXT(&(q).message) }, \
	{ 'e', "pattern", "PATTERN", "a pattern, even if it has a colon", \
		OPT_LIST(&(q).patterns) }, \
	{ 'i', "ignore-case", NULL, "upper and lower case are the same", \
		OPT_FLAG(&(q).names.ignore_case) }, \
	{ 'r', "regex", NULL, "patterns are extended regular expressions", \
		OPT_FLAG(&(q).names.regex) }, \
	{ 0, "path", NULL, "hold patterns against the path, not the name", \
		OPT_FLAG(&(q).names.whole_path) }, \
	{ 0, "type", "LETTERS", "only these of f d l b c p s", \
		OPT_TEXT(&(q).types) }, \
	{ 0, "mime", "TYPE", "only this MIME type, such as image/*", \
		OPT_TEXT(&(q).mime) }, \
	{ 0, "words", "TEXT", "only contents that have these words", \
		OPT_TEXT(&(q).words) }, \
	{ 0, "fact", "NAME[=TEXT]", "only contents that ntt-each has this of", \
		OPT_TEXT(&(q).fact) }, \
	{ 0, "known", "LIST", "only contents that a list has (a file of " \
		"hashes, or one of ntt-db known)", OPT_TEXT(&(q).known) }, \
	{ 0, "not-known", "LIST", "only contents that it does not have", \
		OPT_TEXT(&(q).not_known) }, \
	{ 0, "size", "N", "only this size, +N larger, -N smaller", \
		OPT_TEXT(&(q).size) }, \
	{ 0, "newer", "DATE", "only changed at or after this", \
		OPT_TEXT(&(q).newer) }, \
	{ 0, "older", "DATE", "only changed before this", \
		OPT_TEXT(&(q).older) }, \
	{ 0, "hash", "BLAKE3", "only this content", OPT_TEXT(&(q).hash) }, \
	{ 0, "same-as", "FILE", "only the content of this file", \
		OPT_TEXT(&(q).same_as) }, \
	{ 0, "only-here", NULL, "only contents that no other medium has", \
		OPT_FLAG(&(q).tests.only_here) }, \
	{ 0, "copies", "N", "only contents with N copies, +N more, -N fewer", \
		OPT_TEXT(&(q).copies) }, \
	{ 0, "damaged", NULL, "only files with bytes that could not be read", \
		OPT_FLAG(&(q).tests.damaged) }

/*
 * Takes the medium of -m and checks the options; operands stay with the program
 * until question_read().
 */
void question_options(struct question *q);
/* Names of media become hashes, dates seconds, files their BLAKE3. */
void question_read(struct question *q, PGconn *db);
/*
 * Gives every entry that fits to take(), medium after medium.  Reports media
 * that are not loaded and contents that a test could not judge.  Returns the
 * number of these, 0 if everything was searched.
 */
uint64_t question_ask(struct question *q, PGconn *db,
	void (*take)(const struct found *e));

#endif
