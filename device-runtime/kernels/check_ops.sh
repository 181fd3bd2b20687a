#!/bin/sh
# check_ops.sh FOLDER: fails unless FOLDER/ops.h names exactly the functions that the folder's headers declare: kernels
# begin a line with their result and name. Left out: sizes of workspaces, and headers without kernels.
cd "$1" || exit 1
headers=$(ls ./*.h | grep -vE '/(check|gradient_check|isa|math|ops|ops_table|parallel|stored_weights|test_support|types)\.h$')
# shellcheck disable=SC2086
declared=$(sed -nE 's/^(const )?[A-Za-z_][A-Za-z0-9_:]*[ *&]+([a-z][a-z0-9_]*)\(.*/\2/p' $headers | grep -v '_workspace$' | sort -u)
listed=$(sed -nE 's/^ +"([a-z0-9_]+)",$/\1/p' ops.h | sort -u)
[ -n "$declared" ] || { echo "no kernel is declared in $1" >&2; exit 1; }
[ "$declared" = "$listed" ] && exit 0
for op in $declared; do echo "$listed" | grep -qx "$op" || echo "$op has no entry in kernels/ops.h" >&2; done
for op in $listed; do echo "$declared" | grep -qx "$op" || echo "$op is in kernels/ops.h, but no header declares it" >&2; done
exit 1
