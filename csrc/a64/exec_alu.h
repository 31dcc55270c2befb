/* Bodies of the data-processing operations: one function per A64_ALU_OPS entry. All
 * return true; memory bodies (exec_mem.h) return false on a soft TLB miss, and
 * superinstructions chain both. */
#ifndef A64_EXEC_ALU_H
#define A64_EXEC_ALU_H

#include "bits.h"
#include "crc32.h"
#include "flags.h"
#include "state.h"

#define ALU(name) \
    static inline bool op_##name(struct a64_cpu *c, const struct a64_slot *s)
#define RD c->a.x[s->rd]
#define RN c->a.x[s->rn]
#define RM c->a.x[s->rm]
#define RA c->a.x[s->ra]
#define WN ((uint32_t)RN)
#define WM ((uint32_t)RM)
#define W(e) ((uint32_t)(e))
/* A plain result: 64-bit, or 32-bit zero-extended. */
#define ALU_X(name, expr) ALU(name) { RD = (expr); return true; }
#define ALU_W(name, expr) ALU(name) { RD = W(expr); return true; }

static inline uint64_t sext32(uint64_t v)
{
    return (uint64_t)(int64_t)(int32_t)(uint32_t)v;
}

/* AddWithCarry() and the flags. Subtraction has its own: C means "no borrow". */
static inline uint64_t adds64(struct a64_arch *a, uint64_t x, uint64_t y, uint64_t cin)
{
    uint64_t r = x + y + cin;
    a->fn = a->fz = r;
    a->fc = r < x || (cin && r == x);
    a->fv = (x ^ r) & (y ^ r);
    return r;
}

static inline uint64_t adds32(struct a64_arch *a, uint32_t x, uint32_t y, uint32_t cin)
{
    uint64_t wide = (uint64_t)x + y + cin;
    uint32_t r = (uint32_t)wide;
    a->fn = a->fz = sext32(r);
    a->fc = wide >> 32;
    a->fv = (uint64_t)((x ^ r) & (y ^ r)) << 32;
    return r;
}

static inline uint64_t subs64(struct a64_arch *a, uint64_t x, uint64_t y)
{
    uint64_t r = x - y;
    a->fn = a->fz = r;
    a->fc = x >= y;
    a->fv = (x ^ y) & (x ^ r);
    return r;
}

static inline uint64_t subs32(struct a64_arch *a, uint32_t x, uint32_t y)
{
    uint32_t r = x - y;
    a->fn = a->fz = sext32(r);
    a->fc = x >= y;
    a->fv = (uint64_t)((x ^ y) & (x ^ r)) << 32;
    return r;
}

static inline uint64_t logic64(struct a64_arch *a, uint64_t r)
{
    a->fn = a->fz = r;
    a->fc = a->fv = 0;
    return r;
}

static inline uint64_t logic32(struct a64_arch *a, uint32_t r)
{
    a->fn = a->fz = sext32(r);
    a->fc = a->fv = 0;
    return r;
}

/* ShiftReg() and ExtendReg() with the type in the slot. */
static inline uint64_t shift64(uint64_t v, uint32_t type, uint32_t n)
{
    switch (type) {
    case 0: return v << n;
    case 1: return v >> n;
    case 2: return asr64(v, n);
    default: return ror64(v, n);
    }
}

static inline uint32_t shift32(uint32_t v, uint32_t type, uint32_t n)
{
    switch (type) {
    case 0: return v << n;
    case 1: return v >> n;
    case 2: return (uint32_t)asr64(sext32(v), n);
    default: return ror32(v, n);
    }
}

static inline uint64_t extend(uint64_t v, uint32_t option, uint32_t sh)
{
    uint32_t width = 8u << (option & 3);
    v = option & 4 ? sext(v, width) : v & mask64(width);
    return v << sh;
}

#define SH64 shift64(RM, s->ra, (uint32_t)s->imm)
#define SH32 shift32(WM, s->ra, (uint32_t)s->imm)
#define EX64 extend(RM, s->ra, (uint32_t)s->imm)
#define EX32 W(extend(RM, s->ra, (uint32_t)s->imm))

ALU(NOP) { (void)c; (void)s; return true; }
ALU_X(ADDI64, RN + s->imm)
ALU_W(ADDI32, RN + s->imm)
ALU_X(ADDSI64, adds64(&c->a, RN, s->imm, 0))
ALU_X(ADDSI32, adds32(&c->a, WN, W(s->imm), 0))
ALU_X(SUBSI64, subs64(&c->a, RN, s->imm))
ALU_X(SUBSI32, subs32(&c->a, WN, W(s->imm)))
ALU(CMPI64) { subs64(&c->a, RN, s->imm); return true; }
ALU(CMPI32) { subs32(&c->a, WN, W(s->imm)); return true; }
ALU_X(ANDI, RN & s->imm)
ALU_X(ORRI64, RN | s->imm)
ALU_W(ORRI32, RN | s->imm)
ALU_X(EORI64, RN ^ s->imm)
ALU_W(EORI32, RN ^ s->imm)
ALU_X(ANDSI64, logic64(&c->a, RN & s->imm))
ALU_X(ANDSI32, logic32(&c->a, WN & W(s->imm)))
ALU_X(MOVI, s->imm)
ALU_X(MOVK64, (RD & ~(0xffffull << s->rm)) | s->imm)
ALU_W(MOVK32, (RD & ~(0xffffull << s->rm)) | s->imm)

ALU_X(LSLI64, RN << s->rm)
ALU_X(LSRI64, RN >> s->rm)
ALU_X(ASRI64, asr64(RN, s->rm))
ALU_X(UBFX, (RN >> s->rm) & s->imm)
ALU_X(UBFIZ, (RN & s->imm) << s->rm)
ALU_X(SXTW, sext32(RN))
ALU_X(SBFM64, asr64(RN << s->rm, s->ra))
ALU_W(SBFM32, asr64(RN << s->rm, s->ra))
ALU_X(BFI64, (RD & ~s->imm) | ((RN << s->rm) & s->imm))
ALU_W(BFI32, (RD & ~s->imm) | ((RN << s->rm) & s->imm))
ALU_X(BFXIL64, (RD & ~s->imm) | ((RN >> s->rm) & s->imm))
ALU_W(BFXIL32, (RD & ~s->imm) | ((RN >> s->rm) & s->imm))
ALU_X(EXTR64, s->imm == 0 ? RM : (RM >> s->imm) | (RN << (64 - s->imm)))
ALU_W(EXTR32, ((RN << 32) | WM) >> s->imm)

ALU_X(ADD64, RN + RM)
ALU_W(ADD32, RN + RM)
ALU_X(SUB64, RN - RM)
ALU_W(SUB32, RN - RM)
ALU_X(ADDS64, adds64(&c->a, RN, RM, 0))
ALU_X(ADDS32, adds32(&c->a, WN, WM, 0))
ALU_X(SUBS64, subs64(&c->a, RN, RM))
ALU_X(SUBS32, subs32(&c->a, WN, WM))
ALU(CMP64) { subs64(&c->a, RN, RM); return true; }
ALU(CMP32) { subs32(&c->a, WN, WM); return true; }
ALU_X(ADDL64, RN + (RM << s->imm))
ALU_W(ADDL32, RN + (RM << s->imm))
ALU_X(SUBL64, RN - (RM << s->imm))
ALU_X(ADDLSR64, RN + (RM >> s->imm))
ALU_X(EORL64, RN ^ (RM << s->imm))
ALU_X(EORLSR64, RN ^ (RM >> s->imm))
ALU_W(EORLSR32, WN ^ (WM >> s->imm))
ALU_X(ORRL64, RN | (RM << s->imm))
ALU_X(ADDSH64, RN + SH64)
ALU_W(ADDSH32, WN + SH32)
ALU_X(SUBSH64, RN - SH64)
ALU_W(SUBSH32, WN - SH32)
ALU_X(ADDSSH64, adds64(&c->a, RN, SH64, 0))
ALU_X(ADDSSH32, adds32(&c->a, WN, SH32, 0))
ALU_X(SUBSSH64, subs64(&c->a, RN, SH64))
ALU_X(SUBSSH32, subs32(&c->a, WN, SH32))

ALU_X(AND64, RN & RM)
ALU_W(AND32, RN & RM)
ALU_X(ORR64, RN | RM)
ALU_W(ORR32, RN | RM)
ALU_X(EOR64, RN ^ RM)
ALU_W(EOR32, RN ^ RM)
ALU_X(MOV64, RM)
ALU_W(MOV32, RM)
ALU_X(ANDS64, logic64(&c->a, RN & RM))
ALU_X(ANDS32, logic32(&c->a, WN & WM))
ALU_X(BIC64, RN & ~RM)
ALU_W(BIC32, RN & ~RM)
ALU_X(ORN64, RN | ~RM)
ALU_W(ORN32, RN | ~RM)
ALU_X(EON64, RN ^ ~RM)
ALU_W(EON32, RN ^ ~RM)
ALU_X(BICS64, logic64(&c->a, RN & ~RM))
ALU_X(BICS32, logic32(&c->a, WN & ~WM))
ALU_X(ANDSH64, RN & SH64)
ALU_W(ANDSH32, WN & SH32)
ALU_X(ORRSH64, RN | SH64)
ALU_W(ORRSH32, WN | SH32)
ALU_X(EORSH64, RN ^ SH64)
ALU_W(EORSH32, WN ^ SH32)
ALU_X(ANDSSH64, logic64(&c->a, RN & SH64))
ALU_X(ANDSSH32, logic32(&c->a, WN & SH32))
ALU_X(BICSH64, RN & ~SH64)
ALU_W(BICSH32, WN & ~SH32)
ALU_X(ORNSH64, RN | ~SH64)
ALU_W(ORNSH32, WN | ~SH32)
ALU_X(EONSH64, RN ^ ~SH64)
ALU_W(EONSH32, WN ^ ~SH32)
ALU_X(BICSSH64, logic64(&c->a, RN & ~SH64))
ALU_X(BICSSH32, logic32(&c->a, WN & ~SH32))

ALU_X(ADD_UXTW, RN + ((uint64_t)WM << s->imm))
ALU_X(ADD_SXTW, RN + (sext32(RM) << s->imm))
ALU_X(ADDX64, RN + EX64)
ALU_W(ADDX32, WN + EX32)
ALU_X(SUBX64, RN - EX64)
ALU_W(SUBX32, WN - EX32)
ALU_X(ADDSX64, adds64(&c->a, RN, EX64, 0))
ALU_X(ADDSX32, adds32(&c->a, WN, EX32, 0))
ALU_X(SUBSX64, subs64(&c->a, RN, EX64))
ALU_X(SUBSX32, subs32(&c->a, WN, EX32))
ALU_X(ADC64, RN + RM + c->a.fc)
ALU_W(ADC32, RN + RM + c->a.fc)
ALU_X(ADCS64, adds64(&c->a, RN, RM, c->a.fc))
ALU_X(ADCS32, adds32(&c->a, WN, WM, W(c->a.fc)))
ALU_X(SBC64, RN + ~RM + c->a.fc)
ALU_W(SBC32, RN + ~RM + c->a.fc)
ALU_X(SBCS64, adds64(&c->a, RN, ~RM, c->a.fc))
ALU_X(SBCS32, adds32(&c->a, WN, ~WM, W(c->a.fc)))

/* Conditional compare: the flags of the comparison, or the immediate. */
#define CCMP(name, compare) \
    ALU(name) \
    { \
        if (a64_cond(&c->a, s->ra)) \
            (void)(compare); \
        else \
            a64_set_nzcv(&c->a, W(s->imm)); \
        return true; \
    }
CCMP(CCMPI64, subs64(&c->a, RN, s->rm))
CCMP(CCMPI32, subs32(&c->a, WN, s->rm))
CCMP(CCMNI64, adds64(&c->a, RN, s->rm, 0))
CCMP(CCMNI32, adds32(&c->a, WN, s->rm, 0))
CCMP(CCMP64, subs64(&c->a, RN, RM))
CCMP(CCMP32, subs32(&c->a, WN, WM))
CCMP(CCMN64, adds64(&c->a, RN, RM, 0))
CCMP(CCMN32, adds32(&c->a, WN, WM, 0))

ALU_X(MUL64, RN * RM)
ALU_W(MUL32, RN * RM)
ALU_X(MADD64, RA + RN * RM)
ALU_W(MADD32, RA + RN * RM)
ALU_X(MSUB64, RA - RN * RM)
ALU_W(MSUB32, RA - RN * RM)
ALU_X(SMADDL, RA + sext32(RN) * sext32(RM))
ALU_X(SMSUBL, RA - sext32(RN) * sext32(RM))
ALU_X(UMADDL, RA + (uint64_t)WN * WM)
ALU_X(UMSUBL, RA - (uint64_t)WN * WM)
ALU_X(SMULH, smulh64(RN, RM))
ALU_X(UMULH, umulh64(RN, RM))
/* Division by zero is 0; INT_MIN / -1 wraps. */
ALU_X(UDIV64, RM == 0 ? 0 : RN / RM)
ALU_X(UDIV32, WM == 0 ? 0 : WN / WM)
ALU(SDIV64)
{
    uint64_t n = RN, m = RM;
    RD = m == 0 ? 0 : m == ~0ull ? 0 - n : (uint64_t)((int64_t)n / (int64_t)m);
    return true;
}
ALU(SDIV32)
{
    uint32_t n = WN, m = WM;
    RD = m == 0 ? 0 : m == ~0u ? 0u - n : (uint32_t)((int32_t)n / (int32_t)m);
    return true;
}
ALU_X(LSLV64, RN << (RM & 63))
ALU_W(LSLV32, WN << (RM & 31))
ALU_X(LSRV64, RN >> (RM & 63))
ALU_W(LSRV32, WN >> (RM & 31))
ALU_X(ASRV64, asr64(RN, W(RM & 63)))
ALU_W(ASRV32, asr64(sext32(RN), W(RM & 31)))
ALU_X(RORV64, ror64(RN, W(RM & 63)))
ALU_W(RORV32, ror32(WN, W(RM & 31)))

ALU_X(RBIT64, rbit64(RN))
ALU_X(RBIT32, rbit64(RN) >> 32)
#define EVEN_BYTES 0x00ff00ff00ff00ffull
ALU_X(REV16_64, ((RN & EVEN_BYTES) << 8) | ((RN >> 8) & EVEN_BYTES))
ALU_W(REV16_32, ((WN & 0x00ff00ffu) << 8) | ((WN >> 8) & 0x00ff00ffu))
ALU_X(REV32_64, (uint64_t)bswap32(W(RN >> 32)) << 32 | bswap32(WN))
ALU_X(REV64, bswap64(RN))
ALU_X(REV32, bswap32(WN))
ALU_X(CLZ64, clz64(RN))
ALU_X(CLZ32, clz64((uint64_t)WN << 32 | 0x80000000u))
/* CountLeadingSignBits(): leading zeros of the value against its own sign, shifted
 * by one. */
ALU_X(CLS64, clz64((RN ^ (RN << 1)) | 1))
ALU_X(CLS32, clz64(((uint64_t)(WN ^ (WN << 1)) | 1) << 32))
ALU_X(CRC32, a64_crc32(WN, RM, 1u << s->ra, s->imm != 0))

#endif
