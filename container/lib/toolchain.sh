# shellcheck shell=bash
# Makes a compiler for static position-independent musl executables out of Debian's GCC: a specs file, a wrapper, and the
# toolchain files that CMake and Meson read. Sourced by container/build.

# arch -> GNU triple of Debian's compilers
triple_of() {
    case "$1" in
        amd64) echo x86_64-linux-gnu ;;
        arm64) echo aarch64-linux-gnu ;;
        *) die "unknown architecture '$1' (amd64, arm64)" ;;
    esac
}

cpu_of() {
    case "$1" in
        amd64) echo x86_64 ;;
        arm64) echo aarch64 ;;
    esac
}

# What musl's own musl-gcc.specs gets wrong for us: with -static-pie it links Scrt1.o and asks for the dynamic linker, so the
# result silently needs /lib/ld-musl-*.so.1. Here every link is a static PIE: rcrt1.o relocates the program itself, and
# --no-dynamic-linker keeps the INTERP segment out. `-z text` refuses relocations in code.
write_specs() {
    local prefix=$1
    cat <<SPECS
%rename cpp_options old_cpp_options

*cpp_options:
-nostdinc -isystem $prefix/include -isystem include%s %(old_cpp_options)

*cc1:
%(cc1_cpu) -nostdinc -isystem $prefix/include -isystem include%s

*link_libgcc:
-L$prefix/lib -L .%s

*libgcc:
libgcc.a%s

*startfile:
$prefix/lib/rcrt1.o $prefix/lib/crti.o crtbeginS.o%s

*endfile:
crtendS.o%s $prefix/lib/crtn.o

*link:
-static -pie --no-dynamic-linker -z text -nostdlib %{rdynamic:-export-dynamic}

*esp_link:


*esp_options:


*esp_cpp_options:


SPECS
}

# Prints those of the flags that the compiler takes without a complaint.
probe_flags() {
    local compiler=$1 flag
    shift
    for flag in "$@"; do
        if echo 'int main(void) { return 0; }' | "$compiler" -Werror "$flag" -x c -c -o /dev/null - 2>/dev/null; then
            echo "$flag"
        fi
    done
}

# The same for flags of the link. The linker says "ignored" and succeeds, so silence is what counts.
probe_link_flags() {
    local compiler=$1 flag
    shift
    for flag in "$@"; do
        if [ -z "$(echo 'void _start(void) { }' | "$compiler" -nostdlib -static-pie -fPIE "$flag" -x c -o /dev/null - 2>&1)" ]; then
            echo "$flag"
        fi
    done
}

# Sets CFLAGS_COMMON and LDFLAGS_COMMON for an architecture.
# -mno-outline-atomics: GCC's helper for them calls glibc's __getauxval.
# -z pack-relative-relocs: a static PIE relocates itself at each start, from a table; this one is a hundredth of the size.
# Left out knowingly: _FORTIFY_SOURCE (musl's headers have no checked variants), -fcf-protection and BTI (they take effect only
# when every object says so, and musl's assembly does not).
set_flags() {
    local arch=$1 compiler=$2
    local -a wanted=(
        -fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero
        -fno-asynchronous-unwind-tables -fno-unwind-tables
    )
    [ "$arch" = arm64 ] && wanted+=(-mno-outline-atomics -mbranch-protection=pac-ret)
    CFLAGS_COMMON="-Os -g0 -fPIE -ffunction-sections -fdata-sections $(probe_flags "$compiler" "${wanted[@]}" | tr '\n' ' ')"
    wanted=(
        '-Wl,--gc-sections' '-Wl,-z,relro' '-Wl,-z,now' '-Wl,-z,noexecstack' '-Wl,--build-id=none' '-Wl,--hash-style=gnu'
        '-Wl,-z,pack-relative-relocs'
    )
    LDFLAGS_COMMON=$(probe_link_flags "$compiler" "${wanted[@]}" | tr '\n' ' ')
}

# Writes PREFIX/bin/{cc,ar,ranlib,strip,pkg-config} and the files for CMake.
write_toolchain() {
    local arch=$1 prefix=$2 triple
    triple=$(triple_of "$arch")
    mkdir -p "$prefix/bin" "$prefix/lib" "$prefix/include"
    write_specs "$prefix" > "$prefix/lib/static-pie.specs"
    printf '#!/bin/sh\nexec %s-gcc -specs=%s/lib/static-pie.specs "$@"\n' "$triple" "$prefix" > "$prefix/bin/cc"
    printf '#!/bin/sh\nPKG_CONFIG_PATH= PKG_CONFIG_LIBDIR=%s/lib/pkgconfig exec pkg-config --static "$@"\n' "$prefix" > "$prefix/bin/pkg-config"
    chmod +x "$prefix/bin/cc" "$prefix/bin/pkg-config"
    cat > "$prefix/toolchain.cmake" <<CMAKE
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR $(cpu_of "$arch"))
set(CMAKE_C_COMPILER $prefix/bin/cc)
set(CMAKE_AR $(command -v "$triple-ar"))
set(CMAKE_RANLIB $(command -v "$triple-ranlib"))
set(CMAKE_TRY_COMPILE_TARGET_TYPE EXECUTABLE)
set(CMAKE_FIND_ROOT_PATH $prefix)
set(CMAKE_PREFIX_PATH $prefix)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(PKG_CONFIG_EXECUTABLE $prefix/bin/pkg-config)
CMAKE
}

# The file that `meson setup --cross-file` reads. Every static build is a cross build for Meson, on the same CPU too: the C
# library differs, and nothing of the machine's own libraries may get in.
write_meson_cross_file() {
    local arch=$1 prefix=$2 build=$3 source=$4 triple cpu relative emulator=''
    triple=$(triple_of "$arch")
    cpu=$(cpu_of "$arch")
    relative=$(realpath --relative-to="$build" "$source")
    if [ "$arch" != "$(dpkg --print-architecture)" ]; then
        emulator=$(command -v "qemu-$cpu-static" || true)
    fi
    cat <<MESON
[binaries]
c = '$prefix/bin/cc'
ar = '$triple-ar'
ranlib = '$triple-ranlib'
strip = '$triple-strip'
pkgconfig = '$prefix/bin/pkg-config'
pkg-config = '$prefix/bin/pkg-config'
${emulator:+exe_wrapper = '$emulator'}

[properties]
needs_exe_wrapper = $([ -n "$emulator" ] && echo true || echo false)
pkg_config_libdir = '$prefix/lib/pkgconfig'

[built-in options]
c_args = [$(quote_list $CFLAGS_COMMON "-ffile-prefix-map=$relative/=" "-ffile-prefix-map=$source/=" "-ffile-prefix-map=$build/=")]
c_link_args = [$(quote_list $LDFLAGS_COMMON)]

[host_machine]
system = 'linux'
cpu_family = '$cpu'
cpu = '$cpu'
endian = 'little'
MESON
}

quote_list() {
    local word separator=''
    for word in "$@"; do
        printf "%s'%s'" "$separator" "$word"
        separator=', '
    done
}
