#define _GNU_SOURCE
#include "device_probe.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/exits.h"
#include "base/json.h"
#include "base/spawn.h"

enum { MOST_OUTPUT = 1 << 16, KEPT = 1024, MOST_WORDS = 8, PROBES = 9 };

static const char *const probes[PROBES][MOST_WORDS] = {
	{ "smartctl", "-i" },
	{ "smartctl", "-i", "-d", "sat" },
	{ "smartctl", "-i", "-d", "sat,12" },
	{ "smartctl", "-i", "-d", "sat,16" },
	{ "smartctl", "-i", "-d", "usbsunplus" },
	{ "smartctl", "-i", "-d", "usbcypress" },
	{ "smartctl", "-i", "-d", "usbjmicron" },
	{ "hdparm", "-I" },
	{ "lsblk", "-d", "-P", "-o", "MODEL,SERIAL" },
};

int
device_probe_is_bridge(const char *model)
{
	static const char *const words[] = { "USB", "Bridge", "Adapter",
		"Dual" };
	size_t i;

	for (i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcasestr(model, words[i]))
			return 1;
	return 0;
}

static void
take(char **to, const char *text, size_t len)
{
	while (len > 0 && (*text == ' ' || *text == '\t')) {
		text++;
		len--;
	}
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\r'))
		len--;
	if (!*to && len > 0)
		*to = xasprintf("%.*s", (int)len, text);
}

/* "Label:   value" */
static void
take_field(char **to, const char *line, size_t len, const char *label)
{
	size_t n = strlen(label);

	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	if (len > n && !strncasecmp(line, label, n))
		take(to, line + n, len - n);
}

/* KEY="value" of lsblk; it escapes quotes as \x22. */
static void
take_pair(char **to, const char *line, size_t len, const char *key)
{
	const char *at = memmem(line, len, key, strlen(key)), *end;

	if (!at)
		return;
	at += strlen(key);
	end = memchr(at, '"', len - (size_t)(at - line));
	if (end)
		take(to, at, (size_t)(end - at));
}

void
device_probe_parse(const char *output, char **model, char **serial)
{
	const char *line, *eol;

	for (line = output; *line; line = *eol ? eol + 1 : eol) {
		size_t len;

		eol = strchrnul(line, '\n');
		len = (size_t)(eol - line);
		take_field(model, line, len, "Device Model:");
		take_field(model, line, len, "Model Number:");
		take_field(model, line, len, "Product:");
		take_field(serial, line, len, "Serial Number:");
		take_pair(model, line, len, "MODEL=\"");
		take_pair(serial, line, len, "SERIAL=\"");
	}
}

static void
keep_answer(struct buf *b, char *const argv[], int status,
    const struct buf *output, const char *model, const char *serial)
{
	struct buf text = BUF_INIT;

	json_begin_object(b, NULL);
	argv_words(&text, argv);
	json_text(b, "command", text.data);
	json_i64(b, "status", status);
	if (status == EXIT_SIGNAL + 9)
		json_bool(b, "timed_out", 1);
	json_text(b, "model", model);
	json_text(b, "serial", serial);
	if (status != EXIT_NOPROG) {
		size_t len = output->len < KEPT ? output->len : KEPT;

		buf_reset(&text);
		if (utf8_valid(output->data, len))
			buf_put(&text, output->data, len);
		else
			buf_escape(&text, output->data, len);
		json_text(b, "output", text.data ? text.data : "");
	}
	json_end_object(b);
	buf_free(&text);
}

/* Both are known now. */
static int
ask(struct device_probe *p, const struct device *d, const char *const *words,
    int timeout_ms)
{
	struct spawn_io io = SPAWN_INHERIT;
	char *argv[MOST_WORDS + 2], *model = NULL, *serial = NULL;
	struct buf output = BUF_INIT;
	int n, status;

	for (n = 0; words[n]; n++)
		argv[n] = (char *)(uintptr_t)words[n];
	argv[n++] = (char *)(uintptr_t)d->path;
	argv[n] = NULL;
	io.in = SPAWN_NULL;
	io.err = SPAWN_OUT;
	status = run_capture(argv, &io, &output, MOST_OUTPUT, timeout_ms);
	/* smartctl says by bits what else is wrong with the disk */
	device_probe_parse(output.data, &model, &serial);
	keep_answer(&p->answers, argv, status, &output, model, serial);
	if (model && device_probe_is_bridge(model)) {
		free(model);
		free(serial);
		model = serial = NULL;
	}
	if (model && !p->model) {
		p->model = model;
		model = NULL;
	}
	if (serial && !p->serial) {
		p->serial = serial;
		serial = NULL;
	}
	free(model);
	free(serial);
	buf_free(&output);
	return p->model && p->serial;
}

void
device_probe(struct device_probe *p, const struct device *d, int timeout_ms)
{
	char *hardware = device_attribute(d, "device/uevent");
	int i;

	memset(p, 0, sizeof *p);
	if (hardware && !device_is_floppy(d) && !device_is_optical(d))
		for (i = 0; i < PROBES; i++)
			if (ask(p, d, probes[i], timeout_ms))
				break;
	free(hardware);
}

void
device_probe_free(struct device_probe *p)
{
	free(p->model);
	free(p->serial);
	buf_free(&p->answers);
	memset(p, 0, sizeof *p);
}
