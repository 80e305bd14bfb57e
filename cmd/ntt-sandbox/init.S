/* The guest's first process, as a NUL-terminated text (sandbox.h). */
	.section .rodata
	.global sandbox_init
sandbox_init:
	.incbin "contrib/sandbox-init"
	.byte 0

	.section .note.GNU-stack,"",%progbits
