#define _GNU_SOURCE
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_read.h"
#include "base/log.h"

/*
 * Pairs of events: begin (and the word it has in "of") starts the clock of a
 * stage, end stops it.  Without begin every end has its seconds, and they add
 * up: an image is made in phases, and in as many runs as it takes.
 */
static const struct watch {
	const char *prog;
	enum log_event begin, end;	/* LOG_EVENTS: none */
	const char *of;
	enum report_stage stage;
} watches[] = {
	{ "ntt-imager", LOG_EVENTS, LOG_PHASE_END, NULL, STAGE_IMAGE },
	{ "ntt-enum", LOG_ENUM_BEGIN, LOG_ENUM_DONE, NULL, STAGE_LIST },
	{ "ntt-loader", LOG_LOAD_BEGIN, LOG_LOAD_DONE, NULL, STAGE_LOAD },
	{ "ntt-orchestrator", LOG_STAGE_START, LOG_STAGE_END, "copy",
		STAGE_COPY },
	{ "ntt-archiver", LOG_ARCHIVE_START, LOG_ARCHIVE_COMPLETE, NULL,
		STAGE_ARCHIVE },
	{ "ntt-verify", LOG_VERIFY_START, LOG_VERIFY_COMPLETE, NULL,
		STAGE_VERIFY },
};

static const char *
text_of(const json_t *event, const char *key)
{
	const char *text = json_read_text(event, key);

	return text ? text : "";
}

static void
note_end(struct report_stage_log *s, const json_t *event, double began,
    int adds_up)
{
	const char *at = text_of(event, "ts");
	double ended = log_time(at);

	snprintf(s->end, sizeof s->end, "%s", at);
	if (adds_up) {
		s->seconds = (s->seconds < 0 ? 0 : s->seconds) +
		    json_number_value(json_object_get(event, "seconds"));
		return;
	}
	s->seconds = began >= 0 && ended >= began ? ended - began : -1;
	s->rows = json_read_u64(event, "rows") +
	    json_read_u64(event, "records") +
	    json_read_u64(event, "verified");
	s->bytes = json_read_u64(event, "bytes") + json_read_u64(event, "size");
	s->findings = json_read_u64(event, "mismatch") +
	    json_read_u64(event, "missing") +
	    json_read_u64(event, "unreadable");
}

static void
read_line(const struct watch *w, const char *line, size_t len,
    const char *medium, double *began, struct report_stage_log *s)
{
	const char *begin = w->begin == LOG_EVENTS ? NULL :
	    log_event_name(w->begin);
	const char *end = log_event_name(w->end), *stage;
	json_t *event;

	/* most lines are of other media or of single files */
	if (!memmem(line, len, medium, strlen(medium)) ||
	    (!(begin && memmem(line, len, begin, strlen(begin))) &&
	    !memmem(line, len, end, strlen(end))))
		return;
	event = json_loadb(line, len, 0, NULL);
	stage = text_of(event, "stage");
	if (!strcmp(text_of(event, "medium"), medium) &&
	    (!w->of || !strcmp(text_of(event, "of"), w->of))) {
		if (begin && !strcmp(stage, begin))
			*began = log_time(text_of(event, "ts"));
		else if (!strcmp(stage, end))
			note_end(s, event, *began, !begin);
	}
	json_decref(event);
}

void
report_log(const char *dir, const char *medium,
    struct report_stage_log stages[REPORT_STAGES])
{
	size_t i, size = 0;
	char *line = NULL;

	for (i = 0; i < REPORT_STAGES; i++)
		stages[i] = (struct report_stage_log){ .seconds = -1 };
	for (i = 0; i < sizeof watches / sizeof watches[0]; i++) {
		const struct watch *w = &watches[i];
		char *name = xasprintf("%s/%s.jsonl", dir, w->prog);
		FILE *log = fopen(name, "re");
		double began = -1;
		ssize_t len;

		free(name);
		if (!log)
			continue;
		while ((len = getline(&line, &size, log)) > 0)
			read_line(w, line, (size_t)len, medium, &began,
			    &stages[w->stage]);
		fclose(log);
	}
	free(line);
}
