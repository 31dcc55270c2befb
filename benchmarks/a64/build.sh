#!/bin/sh
# Rebuilds images.json; needs gcc-aarch64-linux-gnu.
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build() { # build NAME ROUNDS DEFINE [SOURCES]
    name=$1 rounds=$2 define=$3 source=${4:-loops.S}
    shift 3
    [ $# = 0 ] || shift
    aarch64-linux-gnu-gcc -nostdlib -static -ffreestanding -mgeneral-regs-only -O2 \
        -fno-stack-protector "-DN=$rounds" "-D$define" "$source" "$@" \
        -Wl,-Ttext=0x40200000 -Wl,--build-id=none -o "$work/$name.elf"
    aarch64-linux-gnu-objcopy -O binary -R .note* -R .eh_frame -R .comment \
        "$work/$name.elf" "$work/$name"
    printf '"%s": {"rounds": %s, "code": "%s"}' "$name" "$rounds" \
        "$(od -An -v -tx1 "$work/$name" | tr -d ' \n')"
}
{
    printf '{\n'
    build alu 60000000 ALU && printf ',\n'
    build memory 40000000 MEM && printf ',\n'
    build branchy 20000000 BRANCHY && printf ',\n'
    build program 3000 CPROG loops.S program.c && printf ',\n'
    build hypercall 200000 HVC guests.S && printf ',\n'
    build tick 20000000 TICK guests.S && printf ',\n'
    build idle 1 IDLE && printf '\n}\n'
} > images.json
