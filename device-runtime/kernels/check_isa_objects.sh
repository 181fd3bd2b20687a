#!/bin/sh
# check_isa_objects.sh NM OBJECT...: fails if an object compiled for one instruction set defines a symbol that the linker may
# also use for others (weak or unique: inline functions and templates). The program would then run instructions that the
# CPU does not have.
nm=$1
shift
[ $# -gt 0 ] || { echo "no objects" >&2; exit 1; }
shared=$("$nm" --defined-only "$@" | grep -E ' [WVu] ')
[ -z "$shared" ] && exit 0
echo "$shared" >&2
exit 1
