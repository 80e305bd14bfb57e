/*
 * What ntt-dashboard shows of a dash.h, and what keys do to it: pages of
 * which one is seen, with a line that is chosen.
 */
#ifndef NTT_DASH_VIEW_H
#define NTT_DASH_VIEW_H

#include "dash.h"

enum view_page {
	PAGE_OVERVIEW, PAGE_MEDIA, PAGE_COPIERS, PAGE_EVENTS, PAGE_MOUNTS,
	PAGES
};

struct view {
	enum view_page page;
	int help, detail;	/* shown instead; of the medium chosen */
	int paused;
	struct {
		int sort, reverse;
		int top, chosen;	/* lines */
	} pages[PAGES];
	char *medium;		/* the hash that is chosen, or NULL */
	int drawn;		/* the line it was on */
};

void view_draw(struct view *v, const struct dash *d);
/* What a key does; 1: it means to quit. */
int view_key(struct view *v, const struct dash *d, int key);
void view_close(struct view *v);

/* The medium of the line that is chosen, or the line of the medium. */
void view_follow(struct view *v, const struct dash *d);

/* The pages with many lines, from row y to the last but one. */
void view_overview(struct view *v, const struct dash *d, int y);
void view_medium(struct view *v, const struct dash *d, int y);
void view_media(struct view *v, const struct dash *d, int y);
void view_copiers(struct view *v, const struct dash *d, int y);
void view_events(struct view *v, const struct dash *d, int y);
void view_mounts(struct view *v, const struct dash *d, int y);
void view_help(int y);

/* How many orders a page knows, and what they are called. */
int view_sorts(enum view_page page);
const char *view_sort_name(enum view_page page, int sort);

#endif
