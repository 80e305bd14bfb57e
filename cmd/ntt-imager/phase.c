#define _GNU_SOURCE
#include "phase.h"

#include <stdlib.h>

#include "base/buf.h"

enum { MOST_WORDS = 24, TRIM_CLUSTER = 8 };

enum cluster {
	ANY,		/* ddrescue's own */
	FAST,		/* as --cluster says */
	TRIM,
	PHYSICAL,	/* one physical sector: what the drive reads anyway */
	SINGLE
};

static const struct {
	const char *name, *aim;
	int no_trim, no_scrape, reverse, retries;
	enum cluster cluster;
} phases[IMAGER_PHASES] = {
	{ "copy", "all the easy data", 1, 1, 0, 0, FAST },
	{ "trim", "the edges of bad areas", 0, 1, 0, 5, TRIM },
	{ "scrape", "what is inside them", 0, 0, 0, 10, ANY },
	{ "scrape-backwards", "the same from the other end", 0, 0, 1, 4, ANY },
	{ "single", "sector by sector", 0, 0, 0, 6, PHYSICAL },
	{ "single-backwards", "sector by sector from the other end", 0, 0, 1,
		20, SINGLE },
	{ "last", "last retries", 0, 0, 0, 10, ANY },
};

const char *
imager_phase_name(int phase)
{
	return phases[phase - 1].name;
}

const char *
imager_phase_aim(int phase)
{
	return phases[phase - 1].aim;
}

static unsigned int
cluster_of(const struct imager_setup *s, enum cluster c)
{
	switch (c) {
	case FAST:
		return s->cluster;
	case TRIM:
		return TRIM_CLUSTER;
	case PHYSICAL:
		return s->device.physical / s->device.sector;
	case SINGLE:
		return 1;
	default:
		return 0;
	}
}

char **
imager_argv(const struct imager_setup *s, int phase)
{
	char **argv = xcalloc(MOST_WORDS, sizeof *argv);
	unsigned int cluster = cluster_of(s, phases[phase - 1].cluster);
	int n = 0;

	argv[n++] = xstrdup("ddrescue");
	if (phases[phase - 1].no_scrape)
		argv[n++] = xstrdup("--no-scrape");
	if (phases[phase - 1].no_trim)
		argv[n++] = xstrdup("--no-trim");
	if (s->direct)
		argv[n++] = xstrdup("--idirect");
	if (phases[phase - 1].reverse)
		argv[n++] = xstrdup("--reverse");
	argv[n++] = xasprintf("--sector-size=%u", s->device.sector);
	if (cluster)
		argv[n++] = xasprintf("--cluster-size=%u", cluster);
	if (phases[phase - 1].retries)
		argv[n++] = xasprintf("--retry-passes=%d",
		    phases[phase - 1].retries);
	if (s->sparse)
		argv[n++] = xstrdup("--sparse");
	/* saved often, because what is rescued is counted in the map */
	argv[n++] = xstrdup(s->large_map ? "--mapfile-interval=30,60" :
	    "--mapfile-interval=2,30");
	argv[n++] = xasprintf("--log-events=%s", s->log);
	if (s->test_mode)
		argv[n++] = xasprintf("--test-mode=%s", s->test_mode);
	argv[n++] = xstrdup("--");
	argv[n++] = xstrdup(s->device.path);
	argv[n++] = xstrdup(s->image);
	argv[n++] = xstrdup(s->map);
	return argv;
}

void
imager_argv_free(char **argv)
{
	int i;

	for (i = 0; argv[i]; i++)
		free(argv[i]);
	free(argv);
}

int
imager_first_phase(const struct map_sum *sum, int logged)
{
	int latest = sum->bytes[MAP_UNTRIED] ? 1 :
	    sum->bytes[MAP_UNTRIMMED] ? 2 : sum->bytes[MAP_UNSCRAPED] ? 3 :
	    IMAGER_PHASES;
	int first = logged > 0 ? logged : 2;

	return first < latest ? first : latest;
}

int
imager_enough(const struct map_sum *sum, int phase)
{
	unsigned int share = map_share(sum->bytes[MAP_RESCUED], sum->size);

	if ((phase == 3 || phase == 4) && share > 9900)
		return 1;
	if (phase == 5 && share >= 9500)
		return 1;
	return phase == 3 && share <= 2500;
}
