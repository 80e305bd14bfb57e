/* The files of sql/ that programs use, as NUL-terminated texts (sqltext.h). */
	.section .rodata
	.macro text name file
	.global \name
\name:
	.incbin "\file"
	.byte 0
	.endm

	text sqltext_0001 "sql/0001-catalogue.sql"
	text sqltext_sanity_checks "sql/sanity-checks.sql"

	.section .note.GNU-stack,"",%progbits
