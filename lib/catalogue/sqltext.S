/* The files of sql/ that programs use, as NUL-terminated texts (sqltext.h). */
	.section .rodata
	.macro text name file
	.global \name
\name:
	.incbin "\file"
	.byte 0
	.endm

	text sqltext_0001 "sql/0001-catalogue.sql"
	text sqltext_0002 "sql/0002-account.sql"
	text sqltext_0003 "sql/0003-metadata.sql"
	text sqltext_0004 "sql/0004-keeping.sql"
	text sqltext_0005 "sql/0005-each.sql"
	text sqltext_0006 "sql/0006-browse.sql"
	text sqltext_0007 "sql/0007-places.sql"
	text sqltext_0008 "sql/0008-index.sql"
	text sqltext_0009 "sql/0009-streams.sql"
	text sqltext_0010 "sql/0010-digests.sql"
	text sqltext_0011 "sql/0011-removal.sql"
	text sqltext_0012 "sql/0012-live.sql"
	text sqltext_0013 "sql/0013-stream-contents.sql"
	text sqltext_0014 "sql/0014-copies.sql"
	text sqltext_0015 "sql/0015-notes.sql"
	text sqltext_0016 "sql/0016-states.sql"
	text sqltext_sanity_checks "sql/sanity-checks.sql"

	.section .note.GNU-stack,"",%progbits
