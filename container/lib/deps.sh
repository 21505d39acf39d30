# shellcheck shell=bash
# How each library is built into the prefix. Sourced by container/build. A function gets the unpacked source directory;
# PREFIX, ARCH, JOBS, CFLAGS_COMMON and LDFLAGS_COMMON are set. Everything is static, -Os (the core of mbedTLS -O2), one section a
# function.

# Arguments: source directory, then CMake's options. Builds and installs into the prefix.
cmake_install() {
    local source=$1
    shift
    cmake -G Ninja -S "$source" -B "$source/build.static" --no-warn-unused-cli \
        -DCMAKE_TOOLCHAIN_FILE="$PREFIX/toolchain.cmake" -DCMAKE_INSTALL_PREFIX="$PREFIX" -DCMAKE_INSTALL_LIBDIR=lib \
        -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="$(flags_for "$source")" -DCMAKE_EXE_LINKER_FLAGS="$LDFLAGS_COMMON" \
        -DBUILD_SHARED_LIBS=OFF -DCMAKE_EXPORT_NO_PACKAGE_REGISTRY=ON -DCMAKE_POLICY_VERSION_MINIMUM=3.5 "$@"
    ninja -C "$source/build.static" -j "$JOBS" install
}

# The common flags, with the build's paths taken out of __FILE__ so that the same bytes come out of any directory.
flags_for() {
    echo "$CFLAGS_COMMON -ffile-prefix-map=$1/=${1##*/}/ -ffile-prefix-map=$PREFIX/=prefix/"
}

# The start-up code runs before its own relocations are done: what the compiler adds there (a call of memset for zeroed
# variables) would jump through an address that is not yet right. musl decides about its own stack protection by file.
build_musl() {
    (
        cd "$1" || exit
        CC="$(triple_of "$ARCH")-gcc" CROSS_COMPILE="$(triple_of "$ARCH")-" \
            CFLAGS="$(flags_for "$1") -ftrivial-auto-var-init=uninitialized -fno-stack-clash-protection" \
            ./configure --target="$(cpu_of "$ARCH")-linux-musl" --prefix="$PREFIX" --syslibdir="$PREFIX/lib" \
            --disable-shared --disable-wrapper
        make -j "$JOBS"
        make install
    )
}

build_zlib() {
    (
        cd "$1" || exit
        CC="$PREFIX/bin/cc" AR="$(triple_of "$ARCH")-ar" RANLIB="$(triple_of "$ARCH")-ranlib" CFLAGS="$(flags_for "$1")" \
            ./configure --static --prefix="$PREFIX"
        make -j "$JOBS" libz.a
        make install
    )
}

# Nearly all the time of a run up to the apply goes into TLS handshakes, see patches/mbedtls-speed.patch.
build_mbedtls() {
    patch -d "$1" -p1 < "$CONTAINER/patches/mbedtls-tls12-pss.patch"
    patch -d "$1" -p1 < "$CONTAINER/patches/mbedtls-speed.patch"
    cp "$CONTAINER/deps/mbedtls_config.h" "$1/include/mbedtls/mbedtls_config.h"
    cmake_install "$1" -DENABLE_PROGRAMS=OFF -DENABLE_TESTING=OFF -DGEN_FILES=OFF -DMBEDTLS_FATAL_WARNINGS=OFF \
        -DUSE_STATIC_MBEDTLS_LIBRARY=ON -DUSE_SHARED_MBEDTLS_LIBRARY=OFF
}

build_jansson() {
    cmake_install "$1" -DJANSSON_BUILD_DOCS=OFF -DJANSSON_EXAMPLES=OFF -DJANSSON_WITHOUT_TESTS=ON
}

build_libyaml() {
    local version
    cmake_install "$1" -DBUILD_TESTING=OFF -DINSTALL_CMAKE_DIR=lib/cmake/yaml
    # Its CMake files leave out the pkg-config file.
    version=$(sed -n 's/^set (YAML_VERSION_[MP][A-Z]* \([0-9]*\))$/\1/p' "$1/CMakeLists.txt" | paste -sd.)
    sed -e "s|@prefix@|$PREFIX|; s|@exec_prefix@|$PREFIX|; s|@includedir@|$PREFIX/include|; s|@libdir@|$PREFIX/lib|" \
        -e "s|@PACKAGE_VERSION@|$version|" "$1/yaml-0.1.pc.in" > "$PREFIX/lib/pkgconfig/yaml-0.1.pc"
}

# HTTP/1.1 and TLS, proxies, IPv6, gzip, the resolver in a thread (so that look-ups obey deadlines). No default certificate
# store: the program says for each connection which roots count.
build_curl() {
    local off
    local -a options=()
    for off in ALTSVC AWS BINDLOCAL COOKIES DIGEST_AUTH DOH FORM_API GETOPTIONS HSTS IPFS KERBEROS_AUTH LIBCURL_OPTION MIME \
        NEGOTIATE_AUTH NETRC NTLM PROGRESS_METER SHA512_256 SRP WEBSOCKETS; do
        options+=("-DCURL_DISABLE_$off=ON")
    done
    cmake_install "$1" -DHTTP_ONLY=ON "${options[@]}" -DBUILD_STATIC_LIBS=ON -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF \
        -DBUILD_EXAMPLES=OFF -DBUILD_LIBCURL_DOCS=OFF -DBUILD_MISC_DOCS=OFF -DENABLE_CURL_MANUAL=OFF \
        -DCURL_USE_MBEDTLS=ON -DCURL_USE_OPENSSL=OFF -DCURL_ZLIB=ON -DCURL_BROTLI=OFF -DCURL_ZSTD=OFF -DUSE_NGHTTP2=OFF \
        -DUSE_LIBIDN2=OFF -DCURL_USE_LIBPSL=OFF -DCURL_USE_LIBSSH2=OFF -DENABLE_THREADED_RESOLVER=ON -DENABLE_IPV6=ON \
        -DENABLE_UNIX_SOCKETS=OFF -DCURL_CA_BUNDLE=none -DCURL_CA_PATH=none
}

# SHA-1 with collision detection, as Git itself uses it. Regular expressions come from the C library.
build_libgit2() {
    patch -d "$1" -p1 < "$CONTAINER/patches/libgit2-no-network.patch"
    cmake_install "$1" -DBUILD_TESTS=OFF -DBUILD_CLI=OFF -DUSE_SSH=OFF -DUSE_HTTPS=OFF \
        -DUSE_NTLMCLIENT=OFF -DUSE_SHA1=CollisionDetection -DUSE_SHA256=builtin -DREGEX_BACKEND=regcomp \
        -DUSE_BUNDLED_ZLIB=OFF -DUSE_THREADS=ON -DENABLE_REPRODUCIBLE_BUILDS=ON
}

# For the unit tests of the static build; nothing of it is in the binary.
build_cmocka() {
    patch -d "$1" -p1 < "$CONTAINER/patches/cmocka-uintptr.patch"
    # Its own build always makes a shared library, which this compiler cannot and need not link.
    sed -i 's/add_library(${CMOCKA_SHARED_LIBRARY} SHARED/add_library(${CMOCKA_SHARED_LIBRARY} STATIC/' "$1/src/CMakeLists.txt"
    cmake_install "$1" -DWITH_STATIC_LIB=OFF -DUNIT_TESTING=OFF -DWITH_EXAMPLES=OFF
}
