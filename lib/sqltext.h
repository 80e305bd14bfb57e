/* The SQL of sql/ as text, put into the programs by sqltext.S. */
#ifndef NTT_SQLTEXT_H
#define NTT_SQLTEXT_H

extern const char sqltext_0001[];
extern const char sqltext_sanity_checks[];

#endif
