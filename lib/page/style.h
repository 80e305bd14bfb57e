/* The style sheet of page.h: for a <style> element, or a file. */
#ifndef NTT_STYLE_H
#define NTT_STYLE_H

extern const char page_style[];

#endif
