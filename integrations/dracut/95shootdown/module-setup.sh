#!/bin/bash
# Puts the hook that works after the jump into an initramfs made by dracut. It is in each of them, since a capture
# kernel may use any, and does nothing but in a capture kernel unless the table says otherwise.
#
# It must never fail, or no initramfs would be made: without a table the hook is left out, and a warning says so.

# With another gate this is another hook, and shootdown has the initramfs made anew: @GATE_SUM@
shootdown_gate=@LIB@/gate
shootdown_kept=/var/lib/shootdown/hook.table

check() {
    [[ -r $shootdown_gate ]] && require_binaries od dd sleep
}

depends() {
    return 0
}

# Fails where no table is to be had.
shootdown_make_table() {
    timeout -k 5 60 @PROGRAM@ hook-table -o "$1" && sh "$shootdown_gate" --check "$1" && return 0
    dwarn "shootdown: no table for the hook could be made; taking the last that could ($shootdown_kept)"
    cp "$shootdown_kept" "$1" && sh "$shootdown_gate" --check "$1"
}

# A driver that is loaded by name is loaded before udev starts.
shootdown_order() {
    dracut_module_included systemd || return 0
    # shellcheck disable=SC2154
    local folder=$initdir/etc/systemd/system/systemd-modules-load.service.d
    mkdir -p "$folder" && printf '[Unit]\nAfter=dracut-pre-udev.service\n' > "$folder/shootdown.conf"
}

install() {
    # shellcheck disable=SC2154
    local table=${DRACUT_TMPDIR:-/tmp}/shootdown.table into=/usr/lib/shootdown
    if shootdown_make_table "$table" && inst_multiple od dd sleep &&
        inst_simple "$shootdown_gate" "$into/gate" && inst_simple "$table" "$into/table" && shootdown_order; then
        # Last: only with all the rest there is anything to start.
        # shellcheck disable=SC2154
        inst_hook pre-udev 00 "$moddir/gate-hook.sh"
    else
        dwarn 'shootdown: the hook is not in this initramfs; shootdown doctor says more'
    fi
    rm -f "$table"
    return 0
}
