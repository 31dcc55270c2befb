/* Guests that exit, for board virt with GICv3: HVC is a loop of hypercalls, TICK a busy
 * loop under a 1 kHz timer on every vCPU (x1 of the first = vCPUs). x0 = rounds. */
        .globl _start
#ifdef HVC
_start: mov     x19, x0
1:      mov     x0, #0x80000000         /* SMCCC_VERSION */
        hvc     #0
        subs    x19, x19, #1
        b.ne    1b
        ldr     x0, =0x84000008
        hvc     #0
        b       .
#endif
#ifdef TICK
        .set    GICD, 0x08000000
        .set    GICR, 0x080a0000
_start: mov     x19, x0                 /* rounds */
        mov     x20, x1                 /* vCPUs */
        mov     x21, #0
        ldr     x1, =GICD
        mov     w2, #0x12               /* affinity routing, group 1 */
        str     w2, [x1]
1:      add     x21, x21, #1            /* start the others */
        cmp     x21, x20
        b.hs    2f
        ldr     x0, =0xc4000003
        and     x1, x21, #15
        lsr     x2, x21, #4
        orr     x1, x1, x2, lsl #8
        adr     x2, 3f
        mov     x3, x21
        hvc     #0
        b       1b
2:      mov     x0, #0
        b       4f
3:      mov     x19, #0                 /* the others run for ever */
4:      adr     x1, vectors
        msr     vbar_el1, x1
        ldr     x1, =GICR + 0x10000
        add     x1, x1, x0, lsl #17
        mov     w2, #-1
        str     w2, [x1, #0x80]         /* IGROUPR0 */
        mov     w2, #1 << 27
        str     w2, [x1, #0x100]        /* ISENABLER0: the virtual timer */
        mov     x2, #0xf0
        msr     s3_0_c4_c6_0, x2        /* ICC_PMR_EL1 */
        mov     x2, #1
        msr     s3_0_c12_c12_7, x2      /* ICC_IGRPEN1_EL1 */
        isb
        mrs     x22, cntfrq_el0
        mov     x2, #1000
        udiv    x22, x22, x2
        mrs     x23, cntvct_el0
        add     x23, x23, x22
        msr     cntv_cval_el0, x23
        mov     x2, #1
        msr     cntv_ctl_el0, x2
        msr     daifclr, #2
        adrp    x1, data
        mov     x2, #1
5:      add     x2, x2, x2, lsl #3
        and     x3, x2, #0xff8
        ldr     x4, [x1, x3]
        eor     x4, x4, x2
        str     x4, [x1, x3]
        bl      6f
        subs    x19, x19, #1
        b.ne    5b
        ldr     x0, =0x84000008
        hvc     #0
        b       .
6:      lsr     x5, x2, #7
        add     x6, x6, x5
        ret
        .balign 2048
vectors:
        .balign 2048
        .space  0x280
        mrs     x10, s3_0_c12_c12_0     /* ICC_IAR1_EL1 */
        add     x23, x23, x22
        msr     cntv_cval_el0, x23
        msr     s3_0_c12_c12_1, x10     /* ICC_EOIR1_EL1 */
        eret
#endif
        .ltorg
        .bss
        .balign 4096
data:   .space  4096
