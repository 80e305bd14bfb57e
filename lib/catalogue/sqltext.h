/* The SQL of sql/ as text, put into the programs by sqltext.S. */
#ifndef NTT_SQLTEXT_H
#define NTT_SQLTEXT_H

extern const char sqltext_0001[];
extern const char sqltext_0002[];
extern const char sqltext_0003[];
extern const char sqltext_0004[];
extern const char sqltext_0005[];
extern const char sqltext_0006[];
extern const char sqltext_0007[];
extern const char sqltext_0008[];
extern const char sqltext_0009[];
extern const char sqltext_0010[];
extern const char sqltext_0011[];
extern const char sqltext_0012[];
extern const char sqltext_0013[];
extern const char sqltext_0014[];
extern const char sqltext_0015[];
extern const char sqltext_0016[];
extern const char sqltext_sanity_checks[];

#endif
