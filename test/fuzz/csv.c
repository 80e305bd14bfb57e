/*
 * Any bytes as the table of a spreadsheet; what is accepted, written as RFC 4180
 * has it, is read as the same again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "ntt-note/csv_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
compare(const struct csv_table *a, const struct csv_table *b)
{
	size_t i, k;

	if (a->count != b->count)
		abort();
	for (i = 0; i < a->count; i++) {
		if (a->row[i].count != b->row[i].count)
			abort();
		for (k = 0; k < a->row[i].count; k++)
			if (strcmp(a->row[i].field[k], b->row[i].field[k]))
				abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = BUF_INIT, again = BUF_INIT;
	struct csv_table t, same;
	char *error = NULL;
	size_t i, k;

	buf_puts(&text, "");
	buf_put(&text, data, size);
	if (csv_read(&t, text.data, size, &error) < 0) {
		if (!error || t.count)
			abort();
		free(error);
		buf_free(&text);
		return 0;
	}
	/* quoted, so that nothing of it is a separator */
	buf_puts(&again, "sep=,\n");
	for (i = 0; i < t.count; i++) {
		for (k = 0; k < t.row[i].count; k++)
			csv_text(&again, t.row[i].field[k],
			    strlen(t.row[i].field[k]));
		csv_end(&again);
	}
	if (csv_read(&same, again.data, again.len, &error) < 0)
		abort();
	compare(&t, &same);
	csv_free(&t);
	csv_free(&same);
	buf_free(&text);
	buf_free(&again);
	return 0;
}
