/* On the page of a medium: the media with the same contents, as a section. */
#ifndef NTT_WEB_COMPARE_H
#define NTT_WEB_COMPARE_H

void put_shared_with(const char *medium);

#endif
