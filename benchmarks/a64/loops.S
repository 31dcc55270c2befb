/* The four loops that processors are timed on, as flat images for any address: one of
 * ALU, MEM, BRANCHY, CPROG is defined. x0 = rounds on entry, 0 = N. It ends with PSCI
 * SYSTEM_OFF by HVC, or in Unicorn, which has no use for tables, at the HVC (x29 != 0).
 * x20 holds a result. */
        .globl _start
_start:
        cbnz    x0, 1f
        ldr     x0, =N
1:      mov     x19, x0
        adrp    x1, stack_top
        mov     sp, x1
        cbnz    x29, 9f
        /* 1 GiB identity blocks of Normal memory, as any real guest has */
        mov     x1, #0xff
        msr     mair_el1, x1
        ldr     x1, =(25 | 25 << 16 | 1 << 23 | 2 << 32 | 1 << 8 | 1 << 10 | 3 << 12)
        msr     tcr_el1, x1
        adrp    x1, table
        mov     x2, #0x701
        str     x2, [x1]
        orr     x2, x2, #0x40000000
        str     x2, [x1, #8]
        msr     ttbr0_el1, x1
        isb
        mrs     x1, sctlr_el1
        orr     x1, x1, #1
        orr     x1, x1, #4
        orr     x1, x1, #0x1000
        msr     sctlr_el1, x1
        isb
9:      mov     x0, x19
#ifdef ALU
        mov     x1, #1
        mov     x2, #2
        mov     x3, #3
        mov     x4, #5
1:      add     x1, x1, x2
        eor     x2, x2, x1, lsl #3
        sub     x3, x3, x1
        and     x4, x2, #0x00ff00ff00ff00ff
        orr     x5, x4, x3
        add     x1, x1, x5, lsr #7
        subs    x0, x0, #1
        b.ne    1b
        mov     x20, x1
#endif
#ifdef MEM
        adrp    x1, buffer
        mov     x2, #0
        mov     x6, #0
1:      and     x3, x2, #0xff8
        ldr     x4, [x1, x3]
        add     x4, x4, x2
        str     x4, [x1, x3]
        ldr     w5, [x1, #16]
        add     x6, x6, x5
        ldrb    w7, [x1, w2, uxtw]
        str     x6, [x1, #24]
        ldp     x8, x9, [x1, #32]
        add     x2, x2, #24
        and     x2, x2, #0xfff
        subs    x0, x0, #1
        b.ne    1b
        mov     x20, x6
#endif
#ifdef BRANCHY /* a shift register decides */
        mov     w1, #0xace1
        mov     x20, #0
1:      tbz     w1, #0, 2f
        lsr     w1, w1, #1
        mov     w3, #0xb400
        eor     w1, w1, w3
        bl      4f
        b       3f
2:      lsr     w1, w1, #1
        tst     w1, #2
        b.eq    3f
        add     x20, x20, #3
3:      cmp     w1, #0x4000
        b.hi    5f
        add     x20, x20, #1
5:      subs    x0, x0, #1
        b.ne    1b
        b       6f
4:      add     x20, x20, x1
        ret
6:
#endif
#ifdef CPROG
        bl      work
        mov     x20, x0
#endif
#ifdef IDLE /* nothing: what a machine costs to start and end */
#endif
        ldr     x0, =0x84000008
        hvc     #0
        b       .
        .ltorg
        .bss
        .balign 4096
table:  .space  4096
buffer: .space  8192
        .space  16384
stack_top:
        .space  4096
