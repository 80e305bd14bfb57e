#define _GNU_SOURCE
#include "finding.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/exits.h"
#include "base/json.h"

static const char *const topics[] = { "programs", "roots", "catalogue",
	"store", "mounting", "machine", "room" };
static const char *const grades[] = { "ok", "note", "WRONG" };

static struct {
	int json, quiet;
	int topic;		/* the one that was printed last, or -1 */
	uint64_t count[WRONG + 1];
	struct buf array;
} out;

void
finding_begin(int json, int quiet)
{
	out.json = json;
	out.quiet = quiet;
	out.topic = -1;
	if (!json)
		return;
	json_begin_object(&out.array, NULL);
	json_begin_array(&out.array, "findings");
}

static void
print(enum topic topic, enum grade grade, const char *text, const char *help)
{
	if (out.quiet && grade != WRONG)
		return;
	if (out.topic != (int)topic)
		printf("%s\n", topics[topic]);
	out.topic = (int)topic;
	printf("  %-5s  %s\n", grades[grade], text);
	if (help && grade != OK)
		printf("           %s\n", help);
}

void
finding(enum topic topic, enum grade grade, char *text, char *help)
{
	out.count[grade]++;
	if (out.json) {
		json_begin_object(&out.array, NULL);
		json_text(&out.array, "topic", topics[topic]);
		json_text(&out.array, "grade", grades[grade]);
		json_text(&out.array, "text", text);
		json_text(&out.array, "help", help);
		json_end_object(&out.array);
	} else {
		print(topic, grade, text, help);
	}
	free(text);
	free(help);
}

int
finding_end(void)
{
	if (out.json) {
		json_end_array(&out.array);
		json_u64(&out.array, "wrong", out.count[WRONG]);
		json_u64(&out.array, "notes", out.count[NOTE]);
		json_end_object(&out.array);
		puts(out.array.data);
		buf_free(&out.array);
	} else if (!out.quiet) {
		printf("%ju wrong, %ju notes\n", (uintmax_t)out.count[WRONG],
		    (uintmax_t)out.count[NOTE]);
	}
	return out.count[WRONG] ? EXIT_FAILED : EXIT_DONE;
}
