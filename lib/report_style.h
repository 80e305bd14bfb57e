/* The style sheet of report_page.h, for a <style> element. */
#ifndef NTT_REPORT_STYLE_H
#define NTT_REPORT_STYLE_H

extern const char report_style[];

#endif
