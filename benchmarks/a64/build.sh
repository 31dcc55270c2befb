#!/bin/sh
# Rebuilds loops.json; needs gcc-aarch64-linux-gnu.
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build() { # build NAME ROUNDS DEFINE [SOURCE]
    name=$1 rounds=$2 define=$3
    shift 3
    aarch64-linux-gnu-gcc -nostdlib -static -ffreestanding -mgeneral-regs-only -O2 \
        -fno-stack-protector "-DN=$rounds" "-D$define" loops.S "$@" \
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
    build program 3000 CPROG program.c && printf ',\n'
    build idle 1 IDLE && printf '\n}\n'
} > loops.json
