/* The decoded operations, as X-macros: decode, the executor's handlers and its
 * dispatch table are generated from the same lists, so they cannot disagree. A code
 * generator starts here too. */
#ifndef A64_OPS_H
#define A64_OPS_H

#include <stdint.h>

#define A64_CONDS(X) \
    X(EQ, 0) X(NE, 1) X(CS, 2) X(CC, 3) X(MI, 4) X(PL, 5) X(VS, 6) X(VC, 7) X(HI, 8) \
    X(LS, 9) X(GE, 10) X(LT, 11) X(GT, 12) X(LE, 13)

/* Straight-line data processing: cannot fault, stop or branch. */
#define A64_ALU_OPS(X) \
    X(NOP) X(ADDI64) X(ADDI32) X(ADDSI64) X(ADDSI32) X(SUBSI64) X(SUBSI32) X(CMPI64) \
    X(CMPI32) X(ANDI) X(ORRI64) X(ORRI32) X(EORI64) X(EORI32) X(ANDSI64) X(ANDSI32) \
    X(MOVI) X(MOVK64) X(MOVK32) X(LSLI64) X(LSRI64) X(ASRI64) X(UBFX) X(UBFIZ) \
    X(SXTW) X(SBFM64) X(SBFM32) X(BFI64) X(BFI32) X(BFXIL64) X(BFXIL32) X(EXTR64) \
    X(EXTR32) X(ADD64) X(ADD32) X(SUB64) X(SUB32) X(ADDS64) X(ADDS32) X(SUBS64) \
    X(SUBS32) X(CMP64) X(CMP32) X(ADDL64) X(ADDL32) X(SUBL64) X(ADDLSR64) X(EORL64) \
    X(EORLSR64) X(EORLSR32) X(ORRL64) X(ADDSH64) X(ADDSH32) X(SUBSH64) X(SUBSH32) \
    X(ADDSSH64) X(ADDSSH32) X(SUBSSH64) X(SUBSSH32) X(AND64) X(AND32) X(ORR64) \
    X(ORR32) X(EOR64) X(EOR32) X(MOV64) X(MOV32) X(ANDS64) X(ANDS32) X(BIC64) \
    X(BIC32) X(ORN64) X(ORN32) X(EON64) X(EON32) X(BICS64) X(BICS32) X(ANDSH64) \
    X(ANDSH32) X(ORRSH64) X(ORRSH32) X(EORSH64) X(EORSH32) X(ANDSSH64) X(ANDSSH32) \
    X(BICSH64) X(BICSH32) X(ORNSH64) X(ORNSH32) X(EONSH64) X(EONSH32) X(BICSSH64) \
    X(BICSSH32) X(ADD_UXTW) X(ADD_SXTW) X(ADDX64) X(ADDX32) X(SUBX64) X(SUBX32) \
    X(ADDSX64) X(ADDSX32) X(SUBSX64) X(SUBSX32) X(ADC64) X(ADC32) X(ADCS64) X(ADCS32) \
    X(SBC64) X(SBC32) X(SBCS64) X(SBCS32) X(CCMPI64) X(CCMPI32) X(CCMNI64) X(CCMNI32) \
    X(CCMP64) X(CCMP32) X(CCMN64) X(CCMN32) X(MUL64) X(MUL32) X(MADD64) X(MADD32) \
    X(MSUB64) X(MSUB32) X(SMADDL) X(SMSUBL) X(UMADDL) X(UMSUBL) X(SMULH) X(UMULH) \
    X(UDIV64) X(UDIV32) X(SDIV64) X(SDIV32) X(LSLV64) X(LSLV32) X(LSRV64) X(LSRV32) \
    X(ASRV64) X(ASRV32) X(RORV64) X(RORV32) X(RBIT64) X(RBIT32) X(REV16_64) \
    X(REV16_32) X(REV32_64) X(REV64) X(REV32) X(CLZ64) X(CLZ32) X(CLS64) X(CLS32) \
    X(CRC32)

/* Conditional select: one handler per condition. */
#define A64_CSEL_KINDS(X, C, N) \
    X(CSEL64, C, N) X(CSEL32, C, N) X(CSINC64, C, N) X(CSINC32, C, N) \
    X(CSINV64, C, N) X(CSINV32, C, N) X(CSNEG64, C, N) X(CSNEG32, C, N)

/* Memory: type (name, C type, conversion to the register) x addressing. */
#define A64_LOAD_TYPES(X) \
    X(L8, uint8_t, uint64_t) X(L16, uint16_t, uint64_t) X(L32, uint32_t, uint64_t) \
    X(L64, uint64_t, uint64_t) X(LS8W, int8_t, uint32_t) X(LS16W, int16_t, uint32_t) \
    X(LS8X, int8_t, uint64_t) X(LS16X, int16_t, uint64_t) X(LS32X, int32_t, uint64_t)
#define A64_STORE_TYPES(X) \
    X(S8, uint8_t, uint8_t) X(S16, uint16_t, uint16_t) X(S32, uint32_t, uint32_t) \
    X(S64, uint64_t, uint64_t)
/* I: [Xn, #imm]; R: [Xn, Xm, LSL #ra]; RS/RU: [Xn, Wm, SXTW/UXTW #ra]; PRE, POST;
 * SP: base SP, #imm */
#define A64_MODES(X, T, C, V) \
    X(T, I, C, V) X(T, R, C, V) X(T, RS, C, V) X(T, RU, C, V) X(T, PRE, C, V) \
    X(T, POST, C, V) X(T, SP, C, V)
#define A64_PAIR_OPS(X) \
    X(LDP64_I, 0, uint64_t) X(LDP64_PRE, 1, uint64_t) X(LDP64_POST, 2, uint64_t) \
    X(LDP64_SP, 3, uint64_t) X(LDP64_SPPOST, 4, uint64_t) X(LDP32_I, 0, uint32_t) \
    X(LDP32_PRE, 1, uint32_t) X(LDP32_POST, 2, uint32_t)
#define A64_STPAIR_OPS(X) \
    X(STP64_I, 0, uint64_t) X(STP64_PRE, 1, uint64_t) X(STP64_POST, 2, uint64_t) \
    X(STP64_SP, 3, uint64_t) X(STP64_SPPRE, 4, uint64_t) X(STP32_I, 0, uint32_t) \
    X(STP32_PRE, 1, uint32_t) X(STP32_POST, 2, uint32_t)

/* Handlers written out in the dispatch function. _N: target in the same 4 KiB page,
 * imm = slot offset in bytes; _F: imm = VA offset. SLOW*: the word is executed by
 * a64_slow(). */
#define A64_CTL_OPS(X) \
    X(DECODE) X(PAGE_END) X(UNDEF) X(SLOW_END) X(MEM_SLOW) X(ADR) X(ADRP) X(LDRL) \
    X(MRS_EL1) X(MRS_ANY) X(MRS_CNTVCT) X(MSR_EL1) X(ISB) X(YIELD) X(B_N) X(B_F) \
    X(BL_N) X(BL_F) X(BCOND_F) X(CBZ64_N) X(CBNZ64_N) X(CBZ32_N) X(CBNZ32_N) \
    X(CBZ64_F) X(CBNZ64_F) X(CBZ32_F) X(CBNZ32_F) X(TBZ_N) X(TBNZ_N) X(TBZ_F) \
    X(TBNZ_F) X(BR) X(BLR) X(RET)

/* Superinstructions: two adjacent slots in one handler, operands read from both
 * slots, so that any straight-line pair may fuse and a branch into the second half
 * still works. HALVES are both the first and the second halves (kept twice: a macro
 * cannot expand inside itself). */
#define A64_HALVES_ALU(X) \
    X(ADDI64) X(ADD64) X(SUB64) X(EOR64) X(EORLSR64) X(ANDI) X(LSRI64) X(UBFX) \
    X(MOV64) X(MUL64)
#define A64_HALVES_MEM(X) \
    X(L64_POST) X(L64_I) X(L64_R) X(S64_I) X(S64_POST) X(L32_I)
#define A64_HALVES(X) A64_HALVES_ALU(X) A64_HALVES_MEM(X)
#define A64_TAILS(X, A) \
    X(A, ADDI64) X(A, ADD64) X(A, SUB64) X(A, EOR64) X(A, EORLSR64) X(A, ANDI) \
    X(A, LSRI64) X(A, UBFX) X(A, MOV64) X(A, MUL64) X(A, L64_POST) X(A, L64_I) \
    X(A, L64_R) X(A, S64_I) X(A, S64_POST) X(A, L32_I)
/* Flag setters that fuse with a near conditional branch, and the branches. */
#define A64_FLAG_HALVES(X) \
    X(CMPI64) X(CMPI32) X(CMP64) X(CMP32) X(SUBSI64) X(SUBSI32) X(SUBS64) X(ANDSI64) \
    X(ANDSI32)
#define A64_FLAG_TAILS(X, A) \
    X(A, EQ) X(A, NE) X(A, CS) X(A, CC) X(A, MI) X(A, PL) X(A, VS) X(A, VC) X(A, HI) \
    X(A, LS) X(A, GE) X(A, LT) X(A, GT) X(A, LE)

#define ENUM_OP1(n) OP_##n,
#define ENUM_COND_N(c, n) OP_B##c##_N,
#define ENUM_CSEL(k, c, n) OP_##k##_##c,
#define ENUM_CSEL_C(c, n) A64_CSEL_KINDS(ENUM_CSEL, c, n)
#define ENUM_MODE(t, m, c, v) OP_##t##_##m,
#define ENUM_TYPE(t, c, v) A64_MODES(ENUM_MODE, t, c, v)
#define ENUM_PAIR(n, m, t) OP_##n,

#define ENUM_HALF(n) HALF_##n,
#define ENUM_FLAG_HALF(n) FLAGHALF_##n,
#define ENUM_COND_NO(c, n) COND_NO_##c = n,
enum a64_half { A64_HALVES(ENUM_HALF) N_HALVES };
enum a64_flag_half { A64_FLAG_HALVES(ENUM_FLAG_HALF) N_FLAG_HALVES };
enum a64_cond_no { A64_CONDS(ENUM_COND_NO) N_CONDS = 14 };

enum a64_op {
    A64_CTL_OPS(ENUM_OP1)
    A64_CONDS(ENUM_COND_N)
    A64_ALU_OPS(ENUM_OP1)
    A64_CONDS(ENUM_CSEL_C)
    A64_LOAD_TYPES(ENUM_TYPE)
    A64_STORE_TYPES(ENUM_TYPE)
    A64_PAIR_OPS(ENUM_PAIR)
    A64_STPAIR_OPS(ENUM_PAIR)
    OP_N_BASE,
    OP_FUSE_PAIR = OP_N_BASE,                /* + first * N_HALVES + second */
    OP_FUSE_FLAG = OP_FUSE_PAIR + N_HALVES * N_HALVES, /* + flag * 14 + cond */
    OP_N = OP_FUSE_FLAG + N_FLAG_HALVES * 14
};

#define FUSE_PAIR(a, b) (OP_FUSE_PAIR + HALF_##a * N_HALVES + HALF_##b)
#define FUSE_FLAG(a, c) (OP_FUSE_FLAG + FLAGHALF_##a * 14 + COND_NO_##c)


#endif
